package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"otafleet/agent/download"
	"otafleet/agent/host"
	"otafleet/internal/files"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// maxSocketPath is what fits in a Unix socket's address, in bytes.
const maxSocketPath = 107

// parse reads the content of a configuration file.
func parse(name string, in base, data []byte) (*Config, error) {
	doc := yamlform.Parse(name, data)
	c := read(doc.Root(), in)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	c.Warnings = doc.Warnings()
	return c, nil
}

// Keys lists every key of the configuration, with the mappings that it is in:
// broker.urls, components.file.path.
func Keys() []string {
	const device = "components: [{serial: {enter: [{}], start: [{}]}, modem: {prepare: [{}]}}], health: [{}]"
	doc := yamlform.Parse("", []byte("{"+device+", sub_devices: [{"+device+"}]}"))
	read(doc.Root(), base{dir: "/"})
	return doc.Known()
}

// read takes in everything that the document says, and reports what is wrong
// with it to the document.
func read(m *yamlform.Map, in base) *Config {
	c := defaults()
	m.Require("product", "device", "components")
	m.Text("product", &c.Product, key)
	m.Text("device", &c.Device, key)
	m.Text("hardware", &c.Hardware, revision)
	readPlatform(m, in, c)
	in.guarded(m, "", in.name)
	readStateDir(m, in, &c.StateDir)
	readSocket(m, in, &c.ControlSocket)
	if c.PlatformTrust == nil {
		m.Require("trust")
	}
	readTrust(m.Map("trust"), in, &c.Trust)
	c.Storage = readStorage(m.Map("storage"), in)
	fetch := m.Map("download")
	readDownload(fetch, &c.Download)
	readConfirm(m, in, c)
	readWindows(m, in, &c.Windows)
	readConditions(m.Map("conditions"), in, &c.Conditions)
	paths := make(map[string]bool)
	if c.Download.HTTPSOnly && c.Storage != nil && strings.HasPrefix(c.Storage.Endpoint, "http:") {
		fetch.Problemf("https_only", "refuses the configured storage.endpoint, which is not encrypted")
	}
	var entries []*yamlform.Map
	c.Components, entries = readComponents(m, in, paths)
	readSubDevices(m, in, c, paths)
	checkProducts(m, c)
	if fetch.Has("cache") && !m.Has("sub_devices") {
		fetch.Warnf("cache", "has no effect without sub_devices")
	}
	c.Health = readHealth(m, in)
	m.Duration("contact_timeout", &c.ContactTimeout, time.Second, 7*24*time.Hour)
	m.Duration("soak", &c.Soak, 0, 24*time.Hour)
	if m.Has("soak") {
		c.RestartSoak = c.Soak
	}
	m.Duration("give_way", &c.GiveWay, time.Minute, 7*24*time.Hour)
	readSystem(m, in, &c.System)
	readLog(m.Map("log"), &c.Log)
	c.markOwn(in, entries)
	return c
}

func readSystem(m *yamlform.Map, in base, s *host.System) {
	in.command(m, "restart_command", &s.RestartCommand)
	in.path(m, "boot_id_file", &s.BootIDFile)
}

func readStateDir(m *yamlform.Map, in base, dst *string) {
	const key = "state_dir"
	in.path(m, key, dst)
	if info, err := os.Stat(*dst); err == nil && !info.IsDir() {
		m.Problemf(key, "%s is not a directory", *dst)
	} else if err != nil && !m.Has(key) {
		return // the service manager makes the default one
	} else if err != nil && !isDir(filepath.Dir(*dst)) {
		m.Warnf(key, "cannot be made now: %s is not a directory", filepath.Dir(*dst))
	}
}

func readSocket(m *yamlform.Map, in base, dst *string) {
	const key = "control_socket"
	in.path(m, key, dst)
	if len(*dst) > maxSocketPath {
		m.Problemf(key, "is a path of %d bytes; a socket's path has at most %d", len(*dst), maxSocketPath)
	}
	if info, err := os.Lstat(*dst); err == nil && info.Mode().Type() != fs.ModeSocket {
		m.Problemf(key, "%s is there and is not a socket; remove it, or choose another path", *dst)
	} else if !isDir(filepath.Dir(*dst)) {
		m.Warnf(key, "cannot be opened now: %s is not a directory", filepath.Dir(*dst))
	}
}

func key(text string) error {
	return yamlform.Words(ota.ValidKey, "want 1 to 64 characters of A-Z a-z 0-9 _ -")(text)
}

func revision(text string) error {
	return yamlform.Words(ota.ValidVersion, "want 1 to 64 printable characters")(text)
}

// readOwnTrust reads the trust of a part of the device; nil if it has none of its
// own.
func readOwnTrust(part *yamlform.Map, in base) *Trust {
	t, m := defaults().Trust, part.Map("trust")
	readTrust(m, in, &t)
	if !m.Given() {
		return nil
	}
	return &t
}

func readTrust(m *yamlform.Map, in base, t *Trust) {
	const most = 16
	yamlform.Values(m, "keys", &t.Keys, 1, most, in.existing)
	in.reads(t.Keys...)
	for _, path := range t.Keys {
		in.guarded(m, "keys", path)
	}
	m.Int("threshold", &t.Threshold, 1, most)
	m.Bool("allow_unsigned", &t.AllowUnsigned)
	switch {
	case t.AllowUnsigned:
		m.Warnf("allow_unsigned", "packages without a signature are installed: whoever can send one owns the device")
	case m.Given() && !m.Has("keys"):
		m.Problemf("keys", "is missing; without a key the device can accept no package")
	case t.Threshold > len(t.Keys) && len(t.Keys) > 0:
		m.Problemf("threshold", "wants %s of %s; no package can have them", ota.Counted(t.Threshold, "signature"),
			ota.Counted(len(t.Keys), "key"))
	}
}

func readStorage(m *yamlform.Map, in base) *Storage {
	var s Storage
	readCertificates(m, in, &s.Certificates)
	object := false // whether the device opens objects itself
	for _, key := range []string{"endpoint", "region", "access_key_file", "secret_key_file", "path_style"} {
		object = object || m.Has(key)
	}
	if object || !m.Has("ca_file") && !m.Has("cert_file") {
		m.Require("endpoint", "access_key_file", "secret_key_file")
	}
	m.Text("endpoint", &s.Endpoint, endpoint)
	m.Text("region", &s.Region, revision)
	in.secret(m, "access_key_file", &s.AccessKeyFile)
	in.secret(m, "secret_key_file", &s.SecretKeyFile)
	m.Bool("path_style", &s.PathStyle)
	if u, err := url.Parse(s.Endpoint); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		m.Warnf("endpoint", "is not encrypted; want https")
	}
	if !m.Given() {
		return nil
	}
	return &s
}

func endpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return errors.New("is not an endpoint; want https://host[:port] or http://host[:port]")
	}
	return nil
}

// maxHosts is how many hosts and networks a list of them may have.
const maxHosts = 256

func validHost(text string) (string, error) { return text, download.ValidHost(text) }

func readDownload(m *yamlform.Map, d *Download) {
	m.Rate("rate_limit", &d.RateLimit)
	m.Duration("stall_timeout", &d.StallTimeout, time.Second, time.Hour)
	m.Rate("lowest_rate", &d.LowestRate)
	m.Int("attempts", &d.Attempts, 1, 1000)
	m.Duration("patience", &d.Patience, time.Second, 7*24*time.Hour)
	m.Duration("deadline", &d.Deadline, time.Minute, 365*24*time.Hour)
	yamlform.Values(m, "allow", &d.Allow, 1, maxHosts, validHost)
	yamlform.Values(m, "deny", &d.Deny, 1, maxHosts, validHost)
	m.Bool("https_only", &d.HTTPSOnly)
	m.Int("parallel", &d.Parallel, 1, 16)
	m.Size("cache", &d.Cache, 0, 1<<40)
}

func readConfirm(m *yamlform.Map, in base, c *Config) {
	yamlform.Enum(m, "confirm", &c.Confirm, ConfirmAuto, ConfirmByAsking, ConfirmByCommand)
	in.command(m, "confirm_command", &c.ConfirmCommand)
	switch given := m.Has("confirm_command"); {
	case c.Confirm == ConfirmByCommand && !given:
		m.Problemf("confirm_command", "is missing; confirm: command runs it")
	case c.Confirm != ConfirmByCommand && given:
		m.Problemf("confirm_command", "is run only with confirm: command")
	}
}

func readConditions(m *yamlform.Map, in base, c *Conditions) {
	in.path(m, "battery_file", &c.BatteryFile)
	if c.BatteryFile != "" && readable(c.BatteryFile) != nil {
		m.Warnf("battery_file", "cannot be read now; while it cannot, no condition on the battery holds the device back")
	}
	in.command(m, "rssi_command", &c.RSSICommand)
	in.path(m, "busy_file", &c.BusyFile)
	c.Least.MinBattery = readLeast(m, "min_battery", 0, 100, "battery_file")
	c.Least.MinRSSI = readLeast(m, "min_rssi", -200, 100, "rssi_command")
	m.Size("space", &c.Least.Space, 0, ota.MaxFileSize)
}

// readLeast reads the lowest value that is good enough, of something that must be
// measured; nil without.
func readLeast(m *yamlform.Map, key string, lo, hi int, measure string) *int {
	n := lo
	m.Int(key, &n, lo, hi)
	together(m, key, measure)
	if !m.Has(key) {
		return nil
	}
	return &n
}

func readLog(m *yamlform.Map, l *Log) {
	yamlform.Value(m, "level", &l.Level, func(text string) (slog.Level, error) {
		levels := []string{"debug", "info", "warn", "error"}
		if !slices.Contains(levels, text) {
			return 0, fmt.Errorf("%q is not a level%s", text, yamlform.Suggest(text, levels))
		}
		var level slog.Level
		err := level.UnmarshalText([]byte(text))
		return level, err
	})
	yamlform.Enum(m, "format", &l.Format, LogText, LogJSON)
}

// loopback reports whether a host is this machine, where no one listens in.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// readable says why the file at path cannot be read, or nil.
func readable(path string) error {
	f, err := files.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
