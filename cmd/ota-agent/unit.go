package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"otafleet/agent"
	"otafleet/agent/control"
	"otafleet/agent/eventlog"
	"otafleet/agent/statefile"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/internal/cli"
	"otafleet/internal/ota"
)

// unit is what the agent's own device and each sub-device have of their own: a
// state directory, and a machine with its parts.
type unit struct {
	id         ota.Identity
	components []config.Component
	dir        string // the state directory
	log        *slog.Logger
	state      *statefile.Store
	memory     agent.Memory // what the device remembers in it
	events     *eventlog.Log
	sensors    agent.Sensors
	runner     *agent.Runner
}

// open opens the state directory and gives what was saved in it. A damaged state
// is said loudly and does not keep the device from starting.
func (u *unit) open() (*agent.State, error) {
	j, err := statefile.Open(statefile.Config{Dir: u.dir, Logger: u.log})
	var busy *statefile.Busy
	if errors.As(err, &busy) {
		return nil, &cli.Exit{Code: exitBusy, Err: err}
	}
	if err != nil {
		return nil, err
	}
	memory := agent.Memory{File: j, Logger: u.log}
	saved, err := memory.Load()
	var damaged *statefile.Damaged
	if errors.As(err, &damaged) {
		u.log.Error(damaged.Error())
	} else if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	if err := j.Health().Failure; err != nil {
		u.log.Error("the state cannot be saved; nothing is done until it can, and the platform hears of it", "error", err)
	}
	u.state, u.memory, u.events = j, memory, eventlog.Open(eventlog.Config{Dir: u.dir, Logger: u.log})
	return saved, nil
}

// close lets go of the state directory, if it is open.
func (u *unit) close() error {
	if u.state == nil {
		return nil
	}
	return errors.Join(u.events.Close(), u.state.Close())
}

// ports is the parts that a unit has in its own directory.
func (u *unit) ports(installers map[string]firmware.Installer) agent.Ports {
	return agent.Ports{
		Store: &u.memory, Unsaved: u.state.Health().Failure != nil, URLCache: &u.memory, Marks: &u.memory,
		Events: u.events, Sensors: u.sensors, Logger: u.log,
		Installer: func(component string) firmware.Installer { return installers[component] },
	}
}

// installer makes the installer of a component, which has a directory of its own.
func (u *unit) installer(c *config.Component) (firmware.Installer, error) {
	return newInstaller(u.id.Device, c, filepath.Join(u.dir, "components", c.ID), u.log.With("component", c.ID))
}

// installers makes the installer of each component.
func (u *unit) installers() (map[string]firmware.Installer, error) {
	all := map[string]firmware.Installer{}
	for i := range u.components {
		c := &u.components[i]
		installer, err := u.installer(c)
		if err != nil {
			return nil, fmt.Errorf("component %s: %w", c.ID, err)
		}
		all[c.ID] = installer
	}
	return all, nil
}

// status is the status without what is known of the session.
func (u *unit) status() control.Status {
	s := control.NewStatus(u.runner.View())
	health := u.state.Health()
	s.StateFile.Saves = health.Saves
	if health.Worn != nil {
		s.StateFile.Worn = health.Worn.Error()
	}
	return s
}

// View is what the device does, for the control socket.
func (u *unit) View() agent.View { return u.runner.View() }

// Events gives the lines of the event log.
func (u *unit) Events() ([]json.RawMessage, error) {
	lines, err := u.events.Read()
	if err != nil {
		return nil, err
	}
	events := make([]json.RawMessage, len(lines))
	for i := range lines {
		if events[i], err = json.Marshal(lines[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}
