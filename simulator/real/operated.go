package real

import (
	"context"

	"otafleet/firmware"
	"otafleet/simulator/fault"
)

// operated gives the installers of a device, each operation of which its faults
// may keep from being done.
type operated struct {
	device  *device
	operate func(component string, op fault.Operation) error
	version func(component, runs string) string
}

// installer finds the installer of a component; nil if there is none.
func (o operated) installer(component string) firmware.Installer {
	i := o.device.Memory.Component(component)
	if i < 0 {
		return nil
	}
	return operatedFlash{o.device.flashes[i], component, o}
}

// operatedFlash is a component's flash as its faults leave it.
type operatedFlash struct {
	flash     *flash
	component string
	operated
}

// Inspect says what runs.
func (o operatedFlash) Inspect(ctx context.Context) (firmware.Inspection, error) {
	if err := o.operate(o.component, fault.Inspect); err != nil {
		return firmware.Inspection{}, err
	}
	found, err := o.flash.Inspect(ctx)
	found.Version = o.version(o.component, found.Version)
	return found, err
}

// Open gives the inactive places.
func (o operatedFlash) Open(ctx context.Context, job firmware.Job) ([]firmware.Target, error) {
	if err := o.operate(o.component, fault.Open); err != nil {
		return nil, err
	}
	places, err := o.flash.Open(ctx, job)
	for i := range places {
		places[i] = operatedPlace{places[i], o}
	}
	return places, err
}

// Stage makes the written files ready.
func (o operatedFlash) Stage(ctx context.Context, job firmware.Job) error {
	if err := o.operate(o.component, fault.Stage); err != nil {
		return err
	}
	return o.flash.Stage(ctx, job)
}

// Activate makes the staged version run.
func (o operatedFlash) Activate(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	if err := o.operate(o.component, fault.Activate); err != nil {
		return firmware.RestartNone, err
	}
	return o.flash.Activate(ctx, job)
}

// Commit makes the running version permanent.
func (o operatedFlash) Commit(ctx context.Context, job firmware.Job) error {
	if err := o.operate(o.component, fault.Confirm); err != nil {
		return err
	}
	return o.flash.Commit(ctx, job)
}

// Revert brings the previous version back.
func (o operatedFlash) Revert(ctx context.Context, job firmware.Job) (firmware.Restart, error) {
	if err := o.operate(o.component, fault.Revert); err != nil {
		return firmware.RestartNone, err
	}
	return o.flash.Revert(ctx, job)
}

// operatedPlace is an inactive place as its faults leave it.
type operatedPlace struct {
	firmware.Target
	of operatedFlash
}

// WriteAt writes a chunk.
func (p operatedPlace) WriteAt(b []byte, off int64) (int, error) {
	if err := p.of.operate(p.of.component, fault.Write); err != nil {
		return 0, err
	}
	return p.Target.WriteAt(b, off)
}
