package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"otafleet/agent"
	"otafleet/agent/control"
	"otafleet/agent/download"
	"otafleet/agent/gateway"
	"otafleet/agent/host"
	"otafleet/agent/link"
	"otafleet/cmd/ota-agent/config"
)

// subDevice is a device behind this one, with a state directory of its own.
type subDevice struct {
	unit
	*gateway.Member
	config  *config.SubDevice
	session func(*control.Status) // adds what is known of the gateway's session
}

// subDevices are all of them, and what they share.
type subDevices struct {
	all     []*subDevice
	members gateway.Members // the same ones
	cache   *download.Cache // nil where nothing can be shared
	gate    gateway.Gate
}

// newSubDevices opens the states of the sub-devices. makeParts comes next, when there
// is a session.
func newSubDevices(cfg *config.Config, session func(*control.Status), log *slog.Logger) *subDevices {
	s := &subDevices{gate: gateway.NewGate(cfg.SubDeviceParallel)}
	for i := range cfg.SubDevices {
		c, own := &cfg.SubDevices[i], log.With("device", cfg.SubDevices[i].Device)
		dir := filepath.Join(cfg.StateDir, "sub", c.Device)
		sensors := &gateway.Sensors{Sensors: newSensors(c.Device, &c.Conditions, dir, c.Components, own), Gate: s.gate}
		d := &subDevice{
			unit:   unit{id: c.Identity(), components: c.Components, dir: dir, log: own, sensors: sensors},
			Member: &gateway.Member{Identity: c.Identity(), Sensors: sensors}, config: c, session: session,
		}
		s.all, s.members = append(s.all, d), append(s.members, d.Member)
	}
	return s
}

// openCache opens the cache through which equal sub-devices share packages. Without
// it each sub-device downloads for itself.
func (s *subDevices) openCache(cfg *config.Config, log *slog.Logger) {
	shared := false
	for _, twins := range cfg.Twins() {
		shared = shared || twins
	}
	if !shared || cfg.Download.Cache == 0 {
		return
	}
	cache, err := download.NewCache(download.CacheConfig{Dir: filepath.Join(cfg.StateDir, "cache"),
		Limit: cfg.Download.Cache, Log: log})
	if err != nil {
		log.Error("each sub-device downloads for itself", "error", err)
		return
	}
	s.cache = cache
}

// makeParts makes the parts of every sub-device. One that cannot be served is logged
// and left out: the others are served all the same.
func (s *subDevices) makeParts(cfg *config.Config, l link.Session, fetcher *download.Fetcher) {
	twins := cfg.Twins()
	for i, d := range s.all {
		var shared agent.Fetcher = fetcher
		if s.cache != nil && twins[d.config.Product] {
			shared = s.cache.Fetcher(fetcher)
		}
		if d.Broken = s.prepare(d, cfg, l.Member(i), shared, func() string { return l.Health().Trouble }); d.Broken != nil {
			d.log.Error("the sub-device is not served", "error", d.Broken)
		}
	}
}

// prepare makes the parts of one sub-device.
func (s *subDevices) prepare(d *subDevice, cfg *config.Config, session agent.Link, fetcher agent.Fetcher,
	unreached func() string) error {
	saved, err := d.open()
	if err != nil {
		return err
	}
	installers, err := d.installers()
	if err != nil {
		return err
	}
	for component, i := range installers {
		installers[component] = &gateway.Installer{Installer: i, Gate: s.gate, Cache: s.cache}
	}
	e := d.ports(installers)
	e.Link, e.Fetcher, e.Power, e.Unreached = session, fetcher, gateway.NoPower{}, unreached
	e.Health = &host.Health{Checks: d.config.Health, Device: d.id.Device, Logger: d.log}
	if cfg.Confirm == config.ConfirmByCommand {
		e.Confirmer = &host.Approver{Args: cfg.ConfirmCommand, Device: d.id.Device}
	}
	c, err := subMachineConfig(cfg, d.config)
	if err != nil {
		return err
	}
	d.runner = agent.NewRunner(agent.New(d.id, c, saved), e)
	d.Runner = d.runner
	return nil
}

// stop ends them; their tasks may be waited for then.
func (s *subDevices) stop() {
	s.members.Stop()
	if s.cache != nil {
		s.cache.Close()
	}
}

// close lets go of their states.
func (s *subDevices) close() error {
	var problems []error
	for _, d := range s.all {
		problems = append(problems, d.close())
	}
	return errors.Join(problems...)
}

// find gives the sub-device with a key.
func (s *subDevices) find(key string) (control.Subject, error) {
	for _, d := range s.all {
		switch {
		case d.id.Device != key:
		case d.Broken != nil:
			return control.Subject{}, d.Unserved()
		default:
			return control.Subject{Agent: d, Records: d, Packages: d}, nil
		}
	}
	return control.Subject{}, fmt.Errorf("this agent speaks for no sub-device %q: see 'ota-agent status'", key)
}

// statuses are what all of them do.
func (s *subDevices) statuses(ctx context.Context) ([]control.Status, error) {
	var all []control.Status
	for _, d := range s.all {
		status, err := d.Status(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

// Status answers the control socket.
func (d *subDevice) Status(context.Context) (s control.Status, err error) {
	if d.Broken != nil {
		s = control.NewStatus(agent.View{Identity: d.id, Waiting: d.Unserved().Error()})
	} else {
		s = d.status()
	}
	d.session(&s)
	return s, nil
}
