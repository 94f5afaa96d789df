package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/agent/host"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/firmware/command"
	"otafleet/firmware/file"
	"otafleet/firmware/slot"
	"otafleet/internal/ota"
)

// newDevice puts the agent together as the configuration says. Nothing runs
// yet. restart begins the program again.
func newDevice(cfg *config.Config, log *slog.Logger, restart func(), trouble host.StartTrouble) (*device, error) {
	machine, err := machineConfig(cfg)
	if err != nil {
		return nil, err
	}
	d := &device{config: cfg, started: time.Now(), bootID: cfg.System.BootID(), unit: unit{
		id: ota.Identity{Product: cfg.Product, Device: cfg.Device}, components: cfg.Components, dir: cfg.StateDir, log: log,
		sensors: newSensors(cfg.Device, &cfg.Conditions, cfg.StateDir, cfg.Components, log),
	}}
	d.subs = newSubDevices(cfg, d.addSession, log)
	saved, err := d.open()
	if err != nil {
		return nil, err
	}
	if err := d.state.Health().Failure; err != nil && saved.SystemOnTrial(d.bootID) {
		return nil, errors.Join(fmt.Errorf("what comes of a system on trial cannot be saved: %w", err), d.close())
	}
	ports, err := d.makeParts(restart, trouble)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.runner = agent.NewRunner(agent.New(d.id, machine, saved), ports)
	return d, nil
}

// close lets go of the states, those of the sub-devices too.
func (d *device) close() error { return errors.Join(d.subs.close(), d.unit.close()) }

func agentName() string { return "ota-agent/" + version }

// makeParts makes the real parts, those of the sub-devices too.
func (d *device) makeParts(restart func(), trouble host.StartTrouble) (agent.Ports, error) {
	fetcher, err := newFetcher(d.config, d.knownTime, d.log)
	if err != nil {
		return agent.Ports{}, err
	}
	installers, err := d.installers()
	if err != nil {
		return agent.Ports{}, err
	}
	if d.link, err = d.newSession(); err != nil {
		return agent.Ports{}, err
	}
	d.subs.openCache(d.config, d.log)
	d.subs.makeParts(d.config, d.link, fetcher)
	e := d.ports(installers)
	e.Link, e.Fetcher, e.Power = d.link, fetcher, &host.Power{Program: restart, System: d.config.System}
	e.Health, e.RolledBack = &host.Health{Checks: d.config.Health, Device: d.config.Device, Broken: trouble.Broken,
		Logger: d.log}, trouble.RolledBack
	e.Unreached = func() string { return d.link.Health().Trouble }
	if d.config.Confirm == config.ConfirmByCommand {
		e.Confirmer = &host.Approver{Args: d.config.ConfirmCommand, Device: d.config.Device}
	}
	return e, nil
}

// knownTime is the time by which certificates are valid.
func (d *device) knownTime() time.Time { return d.runner.KnownTime() }

// newSensors makes the sensors of a device: of the agent's own, or of a sub-device.
func newSensors(device string, c *config.Conditions, dir string, components []config.Component,
	log *slog.Logger) *host.Sensors {
	space := host.Space{State: dir}
	for i := range components {
		switch c := &components[i]; {
		case c.File != nil:
			space.Dirs = append(space.Dirs, filepath.Dir(c.File.Path))
		case c.Slot != nil:
			space.Slots = append(space.Slots, c.Slot.Devices[:]...)
		}
	}
	return host.NewSensors(host.SensorConfig{
		BatteryFile: c.BatteryFile, RSSICommand: c.RSSICommand, BusyFile: c.BusyFile, Space: space, Device: device,
		Logger: log,
	})
}

func newFetcher(cfg *config.Config, now func() time.Time, log *slog.Logger) (*download.Fetcher, error) {
	c := download.Config{
		RateLimit: cfg.Download.RateLimit, StallTimeout: cfg.Download.StallTimeout, LowestRate: cfg.Download.LowestRate,
		Attempts: cfg.Download.Attempts, Patience: cfg.Download.Patience, Deadline: cfg.Download.Deadline,
		Parallel: cfg.Download.Parallel, UserAgent: agentName(), Log: log,
		Allow: slices.Clone(cfg.Download.Allow), Deny: cfg.Download.Deny, HTTPSOnly: cfg.Download.HTTPSOnly,
	}
	c.Allow = append(c.Allow, platformHosts(cfg)...)
	c.Authorize = authorize(cfg)
	var own host.Certificates
	if s := cfg.Storage; s != nil {
		own = s.Certificates
	}
	c.TLS = host.TLS("storage", own, now)
	if s := cfg.Storage; s != nil && s.Endpoint != "" {
		c.Storage = &download.Storage{Endpoint: s.Endpoint, Region: s.Region, AccessKeyFile: s.AccessKeyFile,
			SecretKeyFile: s.SecretKeyFile, PathStyle: s.PathStyle}
	}
	return download.New(c)
}

func newInstaller(device string, c *config.Component, dir string, log *slog.Logger) (firmware.Installer, error) {
	if c.Slot != nil {
		return slot.New(slotConfig(c, dir, log))
	}
	if c.Command != nil {
		limit := c.Command.Timeout
		return command.New(command.Config{
			Device: device, Component: c.ID, Path: c.Command.Path, StateDir: dir, Logger: log, Patch: c.Command.ApplyDeltas,
			Limits: command.Limits{Inspect: limit, Image: limit, Stage: limit, Activate: limit, Confirm: limit, Revert: limit},
		})
	}
	if c.OnLine() {
		return newLineInstaller(c, dir, log)
	}
	return file.New(file.Config{
		Device: device, Path: c.File.Path, Version: c.Version, StateDir: dir, Unpack: c.File.Unpack,
		Unpacker: download.Unpacker{},
		After:    c.File.After, Check: check(c.File), Mode: c.File.Mode, Restart: c.File.Restart, Logger: log,
	})
}

// check is what looks at a new version of a file before the switch. What the agent
// itself reads is looked at by this program, unless something else is configured.
func check(f *config.FileInstaller) []string {
	if len(f.Check) > 0 || f.Own == "" {
		return f.Check
	}
	return []string{"/proc/self/exe", "validate", "--config", f.Own, "--staged", file.Staged}
}

func slotConfig(c *config.Component, dir string, log *slog.Logger) slot.Config {
	s := c.Slot
	cfg := slot.Config{Devices: s.Devices, Tries: s.Tries, Version: c.Version, VersionFile: s.VersionFile, StateDir: dir,
		Logger: log}
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
