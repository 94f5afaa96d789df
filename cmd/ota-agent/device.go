package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/agent/eventlog"
	"otafleet/agent/journal"
	"otafleet/agent/link"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/firmware/command"
	"otafleet/firmware/file"
	"otafleet/firmware/slot"
	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// newDevice puts the agent together as the configuration says. Nothing runs
// yet. restart begins the program again; broken says why a new one could not.
func newDevice(cfg *config.Config, log *slog.Logger, restart func(), broken string) (*device, error) {
	trust, err := loadTrust(cfg.Trust)
	if err != nil {
		return nil, err
	}
	d := &device{config: cfg, log: log, started: time.Now(), bootID: bootID(),
		sensors: &sensors{cfg.Conditions, cfg.StateDir, log}}
	saved, err := d.openJournal()
	if err != nil {
		return nil, err
	}
	d.events = eventlog.Open(eventlog.Config{Dir: cfg.StateDir, Logger: log})
	equipment, err := d.equip(restart, broken)
	if err != nil {
		return nil, errors.Join(err, d.events.Close(), d.journal.Close())
	}
	id := ota.Identity{Product: cfg.Product, Device: cfg.Device}
	d.runner = agent.NewRunner(agent.New(id, machineConfig(cfg, trust), saved), equipment)
	return d, nil
}

// openJournal opens the state directory. A damaged state is said loudly and does
// not keep the device from starting.
func (d *device) openJournal() (*agent.State, error) {
	var err error
	d.journal, err = journal.Open(journal.Config{Dir: d.config.StateDir, Logger: d.log})
	var busy *journal.Busy
	if errors.As(err, &busy) {
		return nil, &cli.Exit{Code: exitBusy, Err: err}
	}
	if err != nil {
		return nil, err
	}
	saved, err := d.journal.Load()
	var damaged *journal.Damaged
	if errors.As(err, &damaged) {
		d.log.Error(damaged.Error())
		return nil, nil
	}
	if err != nil {
		return nil, errors.Join(err, d.journal.Close())
	}
	return saved, nil
}

func machineConfig(cfg *config.Config, trust *wire.Trust) *agent.Config {
	c := &agent.Config{
		Agent: "ota-agent/" + version, Hardware: cfg.Hardware, Open: trust.Open,
		AskFirst: cfg.Confirm != config.ConfirmAuto, ContactTimeout: cfg.ContactTimeout,
		Windows: cfg.Windows, Watch: watchEvery,
	}
	for _, component := range cfg.Components {
		c.Components = append(c.Components, agent.ComponentConfig{ID: component.ID, Type: component.Type})
	}
	return c
}

// equip makes the real parts.
func (d *device) equip(restart func(), broken string) (agent.Equipment, error) {
	fetcher, err := newFetcher(d.config, d.log)
	if err != nil {
		return agent.Equipment{}, err
	}
	installers, err := newInstallers(d.config, d.log)
	if err != nil {
		return agent.Equipment{}, err
	}
	if d.link, err = d.newLink(); err != nil {
		return agent.Equipment{}, err
	}
	e := agent.Equipment{
		Link: d.link, Store: d.journal, Desk: d.journal, Fetcher: fetcher, Installer: func(component string) firmware.Installer { return installers[component] },
		Health: &health{d.config.Health, broken, d.log}, Power: &power{restart, d.log}, Sensors: d.sensors, Events: d.events, Logger: d.log,
	}
	if d.config.Confirm == config.ConfirmByCommand {
		e.Confirmer = &confirmer{d.config.ConfirmCommand, d.log}
	}
	return e, nil
}

func (d *device) newLink() (*link.Link, error) {
	b := d.config.Broker
	secure, err := loadTLS(b)
	if err != nil {
		return nil, err
	}
	l := link.Config{
		Identity: ota.Identity{Product: d.config.Product, Device: d.config.Device}, Username: b.Username, TLS: secure,
		Prefix: b.Prefix, KeepAlive: b.KeepAlive, SessionExpiry: b.SessionExpiry, Logger: d.log,
		Deliver: func(in agent.Input) { d.runner.Post(in) },
	}
	for _, u := range b.URLs {
		l.URLs = append(l.URLs, u.String())
	}
	if b.PasswordFile != "" {
		l.Password = func() ([]byte, error) { return readSecret(b.PasswordFile) }
	}
	return link.New(l)
}

// readSecret reads a secret without the line end that editors add.
func readSecret(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return []byte(strings.TrimRight(string(text), "\r\n")), nil
}

func newFetcher(cfg *config.Config, log *slog.Logger) (*download.Fetcher, error) {
	c := download.Config{
		RateLimit: cfg.Download.RateLimit, StallTimeout: cfg.Download.StallTimeout, Attempts: cfg.Download.Attempts,
		Parallel: cfg.Download.Parallel, UserAgent: "ota-agent/" + version, Log: log,
	}
	if s := cfg.Storage; s != nil {
		c.Storage = &download.Storage{Endpoint: s.Endpoint, Region: s.Region, AccessKeyFile: s.AccessKeyFile,
			SecretKeyFile: s.SecretKeyFile, PathStyle: s.PathStyle}
	}
	return download.New(c)
}

// newInstallers makes the installer of each component. Each has a directory of
// its own below the state directory.
func newInstallers(cfg *config.Config, log *slog.Logger) (map[string]firmware.Installer, error) {
	all := map[string]firmware.Installer{}
	for i := range cfg.Components {
		c := &cfg.Components[i]
		installer, err := newInstaller(c, filepath.Join(cfg.StateDir, "components", c.ID), log.With("component", c.ID))
		if err != nil {
			return nil, fmt.Errorf("component %s: %w", c.ID, err)
		}
		all[c.ID] = installer
	}
	return all, nil
}

func newInstaller(c *config.Component, dir string, log *slog.Logger) (firmware.Installer, error) {
	if c.Slot != nil {
		return slot.New(slotConfig(c, dir, log))
	}
	if c.Command != nil {
		limit := c.Command.Timeout
		return command.New(command.Config{
			Component: c.ID, Path: c.Command.Path, StateDir: dir, Logger: log,
			Limits: command.Limits{Inspect: limit, Stage: limit, Activate: limit, Confirm: limit, Revert: limit},
		})
	}
	return file.New(file.Config{
		Path: c.File.Path, Version: c.Version, StateDir: dir, Unpack: c.File.Unpack, Unpacker: download.Unpacker{},
		After: c.File.After, Mode: c.File.Mode, Restart: c.File.Restart, Logger: log,
	})
}

func slotConfig(c *config.Component, dir string, log *slog.Logger) slot.Config {
	s := c.Slot
	cfg := slot.Config{Devices: s.Devices, Tries: s.Tries, Version: c.Version, VersionFile: s.VersionFile, StateDir: dir, Logger: log}
	switch s.Boot {
	case config.BootUBoot:
		cfg.Boot = slot.UBoot{Config: s.BootFile, Dir: dir}
	case config.BootGRUB:
		cfg.Boot = slot.GRUB{Path: s.BootFile}
	case config.BootFlag:
		cfg.Boot = slot.Flag{Path: s.BootFile}
	}
	root, cmdline := slot.RootDevice{Devices: s.Devices}, slot.CommandLine{Devices: s.Devices}
	switch s.Running {
	case config.RunningAuto:
		cfg.Running = slot.Finders{root, cmdline}
	case config.RunningRoot:
		cfg.Running = root
	case config.RunningCmdline:
		cfg.Running = cmdline
	default:
		cfg.Running = slot.NamedIn(s.Running)
	}
	return cfg
}

// loadTrust reads the keys that packages must be signed with.
func loadTrust(t config.Trust) (*wire.Trust, error) {
	trust := &wire.Trust{Threshold: t.Threshold, AllowUnsigned: t.AllowUnsigned}
	for _, path := range t.Keys {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("trust.keys: %w", err)
		}
		key, err := wire.ParsePublicKey(text)
		if err != nil {
			return nil, fmt.Errorf("trust.keys: %s: %w", path, err)
		}
		trust.Keys = append(trust.Keys, ed25519.PublicKey(key))
	}
	if err := trust.Validate(); err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	return trust, nil
}
