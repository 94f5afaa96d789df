package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"otafleet/agent/host"
	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// readComponents reads the components of a device, each with the place in the
// file where it stands. paths are those that components of any device have.
func readComponents(device *yamlform.Map, in base, paths map[string]bool) ([]Component, []*yamlform.Map) {
	var components []Component
	ids, entries := make(map[string]bool), device.Maps("components", 1, ota.MaxInventory)
	for _, m := range entries {
		c := readComponent(m, in)
		if c.ID != "" && ids[c.ID] {
			m.Problemf("id", "%q is there already; ids are unique", c.ID)
		}
		ids[c.ID] = true
		if c.File != nil && c.File.Path != "" {
			if paths[c.File.Path] {
				m.Problemf("file", "has the path of an earlier component")
			}
			paths[c.File.Path] = true
		}
		if key, port := c.port(); port != "" {
			if paths[port] {
				m.Problemf(key, "has the port of an earlier component")
			}
			paths[port] = true
		}
		components = append(components, c)
	}
	return components, entries
}

func readComponent(m *yamlform.Map, in base) Component {
	var c Component
	m.Require("id", "type", "installer")
	m.Text("id", &c.ID, yamlform.Words(ota.ValidComponentID, "want 1 to 32 characters of A-Z a-z 0-9 _ . -"))
	yamlform.Enum(m, "type", &c.Type, ota.Module, ota.MCU)
	m.Text("version", &c.Version, revision)
	m.Bool("irreversible", &c.Irreversible)
	yamlform.Value(m, "release", &c.Release, parseRelease)
	c.Trust = readOwnTrust(m, in)
	yamlform.Value(m, "installer", &c.Installer, parseInstaller)

	c.File = readFileInstaller(m.Map("file"), in)
	c.Slot = readSlotInstaller(m.Map("slot"), in)
	c.Command = readCommandInstaller(m.Map("command"), in)
	c.LineInstallers = readLineInstallers(m, in, c.Installer)
	for _, other := range []Installer{InstallerFile, InstallerSlot, InstallerCommand, InstallerSerial, InstallerModem} {
		belongsElsewhere(m, other, c.Installer)
	}
	switch c.Installer {
	case InstallerFile:
		m.Require("version", "file")
	case InstallerSlot:
		m.Require("slot")
		versionOfSlots(m, &c)
	case InstallerCommand:
		m.Require("command")
		if m.Has("version") {
			m.Warnf("version", "has no effect: the handler says what runs")
		}
	case InstallerSerial:
		m.Require("serial")
		if m.Has("version") {
			m.Warnf("version", "has no effect: the MCU says what runs")
		}
	case InstallerModem:
		m.Require("modem")
		if m.Has("version") {
			m.Warnf("version", "has no effect: the module says what runs")
		}
	}
	return c
}

// maxRelease is the highest release counter, which JSON programs still read as
// written.
const maxRelease = 1<<53 - 1

func parseRelease(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > maxRelease {
		return 0, fmt.Errorf("%q is not a release counter from 0 to %d", text, int64(maxRelease))
	}
	return n, nil
}

// belongsElsewhere reports the settings of an installer that a component does
// not use.
func belongsElsewhere(m *yamlform.Map, owner, used Installer) {
	if owner != used && used != "" && m.Has(string(owner)) {
		m.Problemf(string(owner), "belongs to installer %s; this component has installer %s", owner, used)
	}
}

func parseInstaller(text string) (Installer, error) {
	switch i := Installer(text); i {
	case InstallerFile, InstallerSlot, InstallerCommand, InstallerSerial, InstallerModem:
		return i, nil
	}
	return "", fmt.Errorf("%q is not an installer%s", text,
		yamlform.Suggest(text, []string{"file", "slot", "command", "serial", "modem"}))
}

// readFileInstaller gives nil where the component has no such settings.
func readFileInstaller(m *yamlform.Map, in base) *FileInstaller {
	f := &FileInstaller{Restart: firmware.RestartNone}
	m.Require("path")
	in.path(m, "path", &f.Path)
	if f.Path != "" && !isDir(filepath.Dir(f.Path)) {
		m.Problemf("path", "lies in %s, which is not a directory", filepath.Dir(f.Path))
	}
	m.Bool("unpack", &f.Unpack)
	in.command(m, "after", &f.After)
	in.command(m, "check", &f.Check)
	yamlform.Value(m, "mode", &f.Mode, parseMode)
	yamlform.Enum(m, "restart", &f.Restart, firmware.RestartNone, firmware.RestartProcess, firmware.RestartSystem)
	if !m.Given() {
		return nil
	}
	return f
}

// parseMode reads permissions, in octal as everywhere.
func parseMode(text string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n == 0 || n > 0o777 {
		return 0, fmt.Errorf("%q is not a file mode; want octal permissions such as 0755", text)
	}
	return fs.FileMode(n), nil
}

// readCommandInstaller gives nil where the component has no such settings.
func readCommandInstaller(m *yamlform.Map, in base) *CommandInstaller {
	var c CommandInstaller
	m.Require("path")
	yamlform.Value(m, "path", &c.Path, in.executable)
	in.guarded(m, "path", c.Path)
	m.Bool("apply_deltas", &c.ApplyDeltas)
	m.Duration("timeout", &c.Timeout, time.Second, 24*time.Hour)
	if !m.Given() {
		return nil
	}
	return &c
}

func readHealth(root *yamlform.Map, in base) []host.Check {
	var checks []host.Check
	for _, m := range root.Maps("health", 0, 16) {
		var h host.Check
		m.Text("http", &h.HTTP, healthAddress)
		m.Text("unit", &h.Unit, yamlform.Words(validUnit, "want the full name of a systemd unit, such as app.service"))
		in.command(m, "command", &h.Command)
		given := 0
		for _, key := range []string{"http", "unit", "command"} {
			if m.Has(key) {
				given++
			}
			if m.Has(key) && given == 2 {
				m.Problemf(key, "want only one of http, unit and command in an entry")
			}
		}
		if m.Given() && given == 0 {
			m.Problemf("http", "is missing; want one of http, unit and command")
		}
		checks = append(checks, h)
	}
	return checks
}

func healthAddress(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errors.New("is not an address; want http://host[:port]/path")
	}
	return nil
}

// validUnit checks for a name that systemctl takes for a unit and not for an
// option or a pattern.
func validUnit(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + `:-_.\@`
	dot := strings.LastIndexByte(text, '.')
	return len(text) <= 255 && dot > 0 && dot < len(text)-1 && text[0] != '-' && strings.Trim(text, letters) == ""
}
