package gateway

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

// Gate bounds how many programs of sub-devices run at once: as many as the gateway,
// and the bus that they use, can bear.
type Gate struct {
	looks, changes chan struct{} // a token for each that is under way
}

// NewGate makes a gate for a number of changes at once.
func NewGate(changes int) Gate {
	return Gate{make(chan struct{}, looksAtOnce), make(chan struct{}, changes)}
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

// Installer is the installer of a sub-device's component. It waits for its turn, and
// never restarts the gateway.
type Installer struct {
	firmware.Installer
	Gate  Gate
	Cache *download.Cache // of packages that sub-devices share; nil for none
}

// Inspect says what the component runs, when its turn has come.
func (i *Installer) Inspect(ctx context.Context) (found firmware.Inspection, err error) {
	err = through(ctx, i.Gate.looks, func() error {
		found, err = i.Installer.Inspect(ctx)
		return err
	})
	return found, err
}

// Open gives the places. Where there is too little room, shared packages make
// some first.
func (i *Installer) Open(ctx context.Context, job firmware.Job) ([]firmware.Target, error) {
	places, err := i.Installer.Open(ctx, job)
	var failure *ota.Failure
	if i.Cache != nil && errors.As(err, &failure) && failure.Code == ota.SpaceLow {
		i.Cache.Trim()
		return i.Installer.Open(ctx, job)
	}
	return places, err
}

// Stage waits for its turn.
func (i *Installer) Stage(ctx context.Context, job firmware.Job) error {
	return through(ctx, i.Gate.changes, func() error { return i.Installer.Stage(ctx, job) })
}

// Activate fails where it would need a restart: that of the gateway would cut all
// other sub-devices short, and that of the sub-device is its handler's.
func (i *Installer) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	err := through(ctx, i.Gate.changes, func() error {
		restart, err := i.Installer.Activate(ctx, job)
		if err == nil && restart != firmware.RestartNone {
			err = firmware.Failf(ota.InstallerFailed,
				"asks for restart %s of the gateway; a sub-device's handler restarts the sub-device by itself, and answers none",
				restart)
		}
		return err
	})
	return firmware.RestartNone, err
}

// Commit waits for its turn.
func (i *Installer) Commit(ctx context.Context, job firmware.Job) error {
	return through(ctx, i.Gate.changes, func() error { return i.Installer.Commit(ctx, job) })
}

// Revert rolls back without any restart: Activate has not allowed one either.
func (i *Installer) Revert(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	return firmware.RestartNone, through(ctx, i.Gate.changes, func() error {
		_, err := i.Installer.Revert(ctx, job)
		return err
	})
}

// Sensors are the sensors of a sub-device. They wait for their turn.
type Sensors struct {
	Sensors agent.Sensors
	Gate    Gate
}

// Read measures when its turn has come.
func (s *Sensors) Read(ctx context.Context) (r agent.Readings) {
	_ = through(ctx, s.Gate.looks, func() error { // without a turn the agent is ending
		r = s.Sensors.Read(ctx)
		return nil
	})
	return r
}

// NoPower restarts nothing: the installers of sub-devices ask for no restart.
type NoPower struct{}

// Restart returns an error.
func (NoPower) Restart(context.Context, firmware.Restart) error {
	return errors.New("a gateway does not restart for a sub-device")
}
