package explore

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// Bounds of an exploration.
const (
	MaxDevices   = 10     // of a scenario that is explored
	DefaultPairs = 20_000 // pairs that are tried
	keptFailures = 20
)

// Options say what is explored.
type Options struct {
	Scenario *scenario.Scenario
	Seed     uint64        // of every draw; 0 means the scenario's
	Dialect  model.Dialect // that devices and platform speak; empty means the scenario's
	Pairs    int           // of cuts that are tried at most; 0 means DefaultPairs, negative none
	// Mind gives each start of a device its brain; nil means the agent's own
	// machine. Tests spoil it.
	Mind func(*agent.Machine) virtual.Brain
	// Progress is called now and then with how many trials of how many are done; nil for
	// no calls. It is called from several goroutines.
	Progress func(done, of int)
}

// Report is what an exploration has found.
type Report struct {
	Outputs  int       // of all machines, without trouble
	Trials   int       // played
	Cuts     int       // that happened in them
	Pairs    int       // trials with two cuts
	Left     int       // pairs that were left out, since they are more than Options.Pairs
	Failed   int       // trials that broke an invariant
	Failures []Failure // the first of them, those with the fewest cuts first
}

// Failure is a trial that broke an invariant.
type Failure struct {
	Cuts   []Cut
	Broken []string // what did not hold
}

// Explore tries everything. An error says that the scenario cannot be explored:
// it has too many devices, or it breaks an invariant without any trouble.
func Explore(ctx context.Context, o Options) (*Report, error) {
	if n := o.Scenario.Devices(); n > MaxDevices {
		return nil, fmt.Errorf("cannot explore %d devices: want at most %d, each has thousands of trials", n, MaxDevices)
	}
	trials, err := virtual.NewTrials(o.Scenario, o.Dialect, o.Seed)
	if err != nil {
		return nil, err
	}
	x := &explorer{options: o, trials: trials, report: &Report{}}
	var all []trial
	for world := range trials.Worlds() {
		found, err := x.prepare(world)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	x.try(ctx, all)
	return x.report, ctx.Err()
}

// Trial is one trial, as Replay shows it.
type Trial struct {
	Steps  []Step          // what the machines wanted, in order
	Events []verdict.Event // what was recorded of the devices, in order
	Broken []string        // what did not hold
}

// Replay plays the trial of some cuts, which are of one world: a device, or a gateway
// and the devices behind it. A cut that did not happen is an error, since the trial
// is another one than was asked for.
func Replay(o Options, cuts []Cut) (*Trial, error) {
	trials, err := virtual.NewTrials(o.Scenario, o.Dialect, o.Seed)
	if err != nil {
		return nil, err
	}
	x := &explorer{options: o, trials: trials, report: &Report{}}
	for world := range trials.Worlds() {
		base, err := x.baseline(world)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(base.devices, cuts[0].Device) {
			continue
		}
		if err := base.has(cuts); err != nil {
			return nil, err
		}
		s, t := &script{cuts: cuts, keep: true}, &Trial{}
		for i, outcome := range trials.Play(world, s, o.Mind) {
			t.Events = append(t.Events, outcome.Events...)
			t.Broken = append(t.Broken, named(&outcome, x.check(&outcome, base.ends[i]))...)
		}
		slices.SortStableFunc(t.Events, func(a, b verdict.Event) int { return cmp.Compare(a.At, b.At) })
		t.Steps = s.steps
		return t, s.missed()
	}
	return nil, fmt.Errorf("the scenario has no device %s", cuts[0].Device)
}

// explorer is an exploration under way.
type explorer struct {
	options Options
	trials  *virtual.Trials
	next    atomic.Int64

	mu     sync.Mutex // guards the following
	report *Report
}

// trial is one run to be tried.
type trial struct {
	world *baseline
	cuts  []Cut
}

// baseline is a world without trouble.
type baseline struct {
	number  int
	devices []string
	ends    []ota.DeviceStatus
	steps   []Step
}

// has makes sure that the devices of some cuts are of the world, and that each output
// has one trouble.
func (b *baseline) has(cuts []Cut) error {
	for i, c := range cuts {
		if !slices.Contains(b.devices, c.Device) {
			return fmt.Errorf("device %s is not in one world with %s: the cuts of a trial are of one device, or of a gateway "+
				"and those behind it", c.Device, cuts[0].Device)
		}
		for _, other := range cuts[:i] {
			if other.Device == c.Device && other.Output == c.Output {
				return fmt.Errorf("output %d of %s has two troubles, %s and %s: want one", c.Output, c.Device, other.Trouble,
					c.Trouble)
			}
		}
	}
	return nil
}

// baseline plays a world without trouble.
func (x *explorer) baseline(world int) (*baseline, error) {
	s := &script{keep: true}
	b := &baseline{number: world}
	for _, o := range x.trials.Play(world, s, x.options.Mind) {
		end := ota.DeviceNotUpgraded
		for _, e := range o.Events {
			if e.Kind == verdict.StatusIs {
				end = ota.DeviceStatus(e.N)
			}
		}
		if broken := x.check(&o, end); len(broken) > 0 {
			return nil, fmt.Errorf("%s does not hold without any trouble: %s", o.Device, broken[0])
		}
		b.devices, b.ends = append(b.devices, o.Device), append(b.ends, end)
	}
	b.steps = s.steps
	return b, nil
}

// prepare lists the trials of a world: every trouble at every output, then pairs.
func (x *explorer) prepare(world int) ([]trial, error) {
	b, err := x.baseline(world)
	if err != nil {
		return nil, err
	}
	x.report.Outputs += len(b.steps)
	var single []Cut
	for _, step := range b.steps {
		for _, t := range troubles() {
			if t != virtual.FailWrite || writes(step.What) {
				single = append(single, Cut{step.Device, step.Output, t})
			}
		}
	}
	all := make([]trial, len(single))
	for i, c := range single {
		all[i] = trial{b, []Cut{c}}
	}
	return append(all, x.pairs(b, single)...), nil
}

// pairs lists pairs of cuts, the second behind the first. If they are more than
// wanted, those that are left are spread evenly over all.
func (x *explorer) pairs(b *baseline, single []Cut) []trial {
	most := x.options.Pairs
	if most == 0 {
		most = DefaultPairs
	}
	most /= x.trials.Worlds()
	total := len(single) * (len(single) - 1) / 2
	if most <= 0 || total == 0 {
		x.report.Left += total
		return nil
	}
	step := max(1, (total+most-1)/most)
	if step > 1 && len(single)%step == 0 {
		step++ // or one column of the triangle would be taken again and again
	}
	var all []trial
	number := 0
	for i := range single {
		for k := i + 1; k < len(single); k++ {
			if number++; number%step == 0 {
				all = append(all, trial{b, []Cut{single[i], single[k]}})
			}
		}
	}
	x.report.Left += total - len(all)
	return all
}

// try plays all trials on every core.
func (x *explorer) try(ctx context.Context, all []trial) {
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(x.next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				x.one(&all[i])
				if x.options.Progress != nil {
					x.options.Progress(i+1, len(all))
				}
			}
		})
	}
	workers.Wait()
	x.report.sortFailures()
}

// one plays one trial.
func (x *explorer) one(t *trial) {
	s := &script{cuts: t.cuts}
	var broken []string
	for i, o := range x.trials.Play(t.world.number, s, x.options.Mind) {
		broken = append(broken, named(&o, x.check(&o, t.world.ends[i]))...)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.report
	r.Trials++
	r.Cuts += s.done
	if len(t.cuts) > 1 {
		r.Pairs++
	}
	if len(broken) > 0 {
		r.Failed++
		r.Failures = append(r.Failures, Failure{t.cuts, broken})
		if len(r.Failures) > 10*keptFailures {
			r.sortFailures()
		}
	}
}

func named(o *virtual.Outcome, broken []string) []string {
	for i := range broken {
		broken[i] = o.Device + ": " + broken[i]
	}
	return broken
}
