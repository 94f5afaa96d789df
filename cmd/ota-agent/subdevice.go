package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"otafleet/agent"
	"otafleet/agent/control"
	"otafleet/agent/download"
	"otafleet/agent/link"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
)

// subDevice is a device behind this one: a machine, a state and a fate of its
// own, on the gateway's session.
type subDevice struct {
	unit
	config  *config.SubDevice
	broken  error                 // why it cannot be served; the others are all the same
	session func(*control.Status) // adds what is known of the gateway's session
}

// subDevices are all of them, and what they share.
type subDevices struct {
	all   []*subDevice
	cache *download.Cache // nil where nothing can be shared
	gate  gate
}

// newSubDevices opens the states of the sub-devices. Equip comes next, when there
// is a link.
func newSubDevices(cfg *config.Config, session func(*control.Status), log *slog.Logger) *subDevices {
	s := &subDevices{gate: newGate(cfg.SubDeviceParallel)}
	for i := range cfg.SubDevices {
		c, own := &cfg.SubDevices[i], log.With("device", cfg.SubDevices[i].Device)
		dir := filepath.Join(cfg.StateDir, "sub", c.Device)
		s.all = append(s.all, &subDevice{config: c, session: session, unit: unit{
			id: c.Identity(), components: c.Components, dir: dir, log: own,
			sensors: &subSensors{&sensors{config: c.Conditions, room: newRoom(dir, c.Components), device: c.Device, log: own}, s.gate},
		}})
	}
	return s
}

// members are the sub-devices as the link knows them.
func (s *subDevices) members() []link.Device {
	members := make([]link.Device, len(s.all))
	for i, d := range s.all {
		members[i] = link.Device{Identity: d.id, Deliver: d.Post, After: d.after}
	}
	return members
}

// openCache opens the cache through which equal sub-devices share packages. One
// that cannot be opened is missed by nobody but the line.
func (s *subDevices) openCache(cfg *config.Config, log *slog.Logger) {
	shared := false
	for _, twins := range cfg.Twins() {
		shared = shared || twins
	}
	if !shared || cfg.Download.Cache == 0 {
		return
	}
	cache, err := download.NewCache(download.CacheConfig{Dir: filepath.Join(cfg.StateDir, "cache"), Limit: cfg.Download.Cache, Log: log})
	if err != nil {
		log.Error("each sub-device downloads for itself", "error", err)
		return
	}
	s.cache = cache
}

// equip makes the parts of every sub-device. One that cannot be served is logged
// and left out: its fault is not the others'.
func (s *subDevices) equip(cfg *config.Config, l link.Session, fetcher *download.Fetcher) {
	twins := cfg.Twins()
	for i, d := range s.all {
		var shared agent.Fetcher = fetcher
		if s.cache != nil && twins[d.config.Product] {
			shared = s.cache.Fetcher(fetcher)
		}
		if d.broken = s.prepare(d, cfg, l.Member(i), shared, func() string { return l.Health().Trouble }); d.broken != nil {
			d.log.Error("the sub-device is not served", "error", d.broken)
		}
	}
}

// prepare makes the parts of one sub-device.
func (s *subDevices) prepare(d *subDevice, cfg *config.Config, voice agent.Link, fetcher agent.Fetcher, unreached func() string) error {
	saved, err := d.open()
	if err != nil {
		return err
	}
	installers, err := d.installers()
	if err != nil {
		return err
	}
	for component, i := range installers {
		installers[component] = &subInstaller{Installer: i, gate: s.gate, cache: s.cache}
	}
	e := d.equipment(installers)
	e.Link, e.Fetcher, e.Power, e.Unreached = voice, fetcher, noPower{}, unreached
	e.Health = &health{checks: d.config.Health, device: d.id.Device, log: d.log}
	if cfg.Confirm == config.ConfirmByCommand {
		e.Confirmer = &confirmer{cfg.ConfirmCommand, d.id.Device}
	}
	c, err := subMachineConfig(cfg, d.config)
	if err != nil {
		return err
	}
	d.runner = agent.NewRunner(agent.New(d.id, c, saved), e)
	return nil
}

// noPower has no restart to offer: the installers of sub-devices ask for none.
type noPower struct{}

func (noPower) Restart(context.Context, firmware.Restart) error {
	return errors.New("a gateway does not restart for a sub-device")
}

// start lets the sub-devices begin.
func (s *subDevices) start(ctx context.Context, tasks *sync.WaitGroup, bootID string) {
	for _, d := range s.all {
		if d.broken == nil {
			d.runner.Start(ctx, tasks, bootID)
		}
	}
}

// stop ends them; their tasks may be waited for then.
func (s *subDevices) stop() {
	for _, d := range s.all {
		if d.broken == nil {
			d.runner.Stop()
		}
	}
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

// watch tells the machines of new readings, one after the other.
func (s *subDevices) watch(ctx context.Context) error {
	return repeat(ctx, func() {
		for _, d := range s.all {
			if d.broken == nil && ctx.Err() == nil {
				d.Post(agent.Measured{Readings: d.sensors.Read(ctx)})
			}
		}
	})
}

// post passes an input on to all of them.
func (s *subDevices) post(in agent.Input) {
	for _, d := range s.all {
		d.Post(in)
	}
}

// find gives the sub-device with a key.
func (s *subDevices) find(key string) (control.Subject, error) {
	for _, d := range s.all {
		switch {
		case d.id.Device != key:
		case d.broken != nil:
			return control.Subject{}, d.unserved()
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

// unserved says why nothing can be had of a sub-device.
func (d *subDevice) unserved() error {
	return fmt.Errorf("not served since the agent's start: %w", d.broken)
}

// Status answers the control socket.
func (d *subDevice) Status(context.Context) (s control.Status, err error) {
	if d.broken != nil {
		s = control.NewStatus(agent.View{Identity: d.id, Waiting: d.unserved().Error()})
	} else {
		s = d.status()
	}
	d.session(&s)
	return s, nil
}

// after calls back when what was posted before has been handled.
func (d *subDevice) after(then func()) {
	if d.broken == nil {
		d.runner.After(then)
	} else {
		then()
	}
}

// Post passes an input on; one that cannot be served hears nothing.
func (d *subDevice) Post(in agent.Input) {
	if d.broken == nil {
		d.runner.Post(in)
	}
}
