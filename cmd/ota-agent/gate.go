package main

import (
	"context"
	"errors"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// looksAtOnce is how many sub-devices are looked at at once: at the start all of
// them are, and each look may be a program.
const looksAtOnce = 8

// gate lets so many programs of sub-devices run at once as a gateway, and the bus
// that they use, can bear.
type gate struct {
	looks, changes chan struct{} // a token for each that is under way
}

func newGate(changes int) gate {
	return gate{make(chan struct{}, looksAtOnce), make(chan struct{}, changes)}
}

// through does something when its turn has come.
func through(ctx context.Context, turns chan struct{}, do func() error) error {
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
		return do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// subInstaller is the installer of a sub-device's component. It waits for its
// turn, and never restarts the gateway.
type subInstaller struct {
	firmware.Installer
	gate  gate
	cache *download.Cache // nil for none
}

// Inspect says what the component runs, when its turn has come.
func (i *subInstaller) Inspect(ctx context.Context) (found firmware.Inspection, err error) {
	err = through(ctx, i.gate.looks, func() error {
		found, err = i.Installer.Inspect(ctx)
		return err
	})
	return found, err
}

// Open gives the places. Where there is too little room, shared packages make
// some first.
func (i *subInstaller) Open(ctx context.Context, job firmware.Job) ([]firmware.Target, error) {
	places, err := i.Installer.Open(ctx, job)
	var failure *ota.Failure
	if i.cache != nil && errors.As(err, &failure) && failure.Code == ota.SpaceLow {
		i.cache.Trim()
		return i.Installer.Open(ctx, job)
	}
	return places, err
}

// Stage waits for its turn.
func (i *subInstaller) Stage(ctx context.Context, job firmware.Job) error {
	return through(ctx, i.gate.changes, func() error { return i.Installer.Stage(ctx, job) })
}

// Activate fails where it would need a restart: that of the gateway would cut all
// other sub-devices short, and that of the sub-device is its handler's.
func (i *subInstaller) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	err := through(ctx, i.gate.changes, func() error {
		restart, err := i.Installer.Activate(ctx, job)
		if err == nil && restart != firmware.RestartNone {
			err = firmware.Failf(ota.InstallerFailed,
				"asks for restart %s of the gateway; a sub-device's handler restarts the sub-device by itself, and answers none", restart)
		}
		return err
	})
	return firmware.RestartNone, err
}

// Commit waits for its turn.
func (i *subInstaller) Commit(ctx context.Context, job firmware.Job) error {
	return through(ctx, i.gate.changes, func() error { return i.Installer.Commit(ctx, job) })
}

// Revert goes back without any restart: Activate has not allowed one either.
func (i *subInstaller) Revert(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	return firmware.RestartNone, through(ctx, i.gate.changes, func() error {
		_, err := i.Installer.Revert(ctx, job)
		return err
	})
}

// subSensors are the sensors of a sub-device.
type subSensors struct {
	sensors *sensors
	gate    gate
}

// Read measures when its turn has come.
func (s *subSensors) Read(ctx context.Context) (r agent.Readings) {
	_ = through(ctx, s.gate.looks, func() error { // without a turn the agent is ending
		r = s.sensors.Read(ctx)
		return nil
	})
	return r
}
