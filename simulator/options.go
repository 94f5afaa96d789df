package simulator

import (
	"cmp"
	"context"
	"errors"

	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// Options say which devices of a scenario are run, and who looks on. They are the
// same for either world.
type Options struct {
	Scenario *scenario.Scenario
	Seed     uint64 // of every draw; 0 means the scenario's
	// Devices are those that the run has; nil means all. What is drawn for a device
	// does not depend on it.
	Devices *selection.Selection
	Dialect model.Dialect // that devices and platform speak; empty means the scenario's
	History Sink          // keeps the events of the run; nil keeps none
	// Begin is called when everything is prepared: the run's time begins when it returns,
	// and with an error it does not. nil begins at once.
	Begin func(context.Context) error
	// Memory is how many bytes the run takes, of one with windows; nil for what the process
	// has resident.
	Memory func() int64
	// Started is called once the run is under way, and before it ends; nil for no call.
	Started func(Run)
}

// Sizes lists the fleets with the devices of them that the run has.
func (o *Options) Sizes() []verdict.FleetSize {
	sizes := verdict.Sizes(o.Scenario)
	for i := range sizes {
		sizes[i].Devices = o.Devices.Count(i)
	}
	return sizes
}

// Sink keeps the events of a run (history.Writer). It is safe for concurrent use, and
// does not keep the slice.
type Sink interface {
	// AddEvents takes events in the order in which they are judged: of all devices, or
	// of one at a time, depending on the world; those of a device in several calls.
	AddEvents(events []verdict.Event)
}

// Run is a run under way.
type Run interface {
	// Snapshot tells how the run stands.
	Snapshot() Snapshot
}

// World lets devices live: real.World, virtual.World.
type World interface {
	// Name is the world's in a verdict and a history.
	Name() string
	// Run runs devices to their end. If ctx ends first, the result is about what there
	// is. There is one beside an error, too, if devices have lived.
	Run(ctx context.Context, o *Options) (*Result, error)
}

// Result is what a world knows of a run.
type Result struct {
	Figures     *verdict.Figures
	Refused     []string // orders of the scenario that the platform did not carry out
	Sockets     int      // open at most; 0 if the world has none
	Interrupted bool     // the run was stopped before its end
}

// Await waits until the run may begin.
func (o *Options) Await(ctx context.Context) error {
	if o.Begin == nil {
		return nil
	}
	return o.Begin(ctx)
}

// complete replaces what is left out by what it means.
func (o *Options) complete() (err error) {
	if o.Scenario == nil {
		return errors.New("no scenario is given")
	}
	o.Dialect = cmp.Or(o.Dialect, model.Dialect(o.Scenario.Platform))
	if err := o.Dialect.Check(o.Scenario); err != nil {
		return err
	}
	o.Seed = o.Scenario.SeedOr(o.Seed)
	if o.Devices == nil {
		o.Devices, err = selection.New(o.Scenario, selection.Shard{}, nil)
	}
	return err
}
