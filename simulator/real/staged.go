package real

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/model"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/real/netem"
	"otafleet/simulator/scenario"
	"otafleet/simulator/target/hawkbit"
)

// Staging is an external hawkBit, on which a run makes what it needs and takes
// it away again.
type Staging struct {
	Operator *hawkbit.Client
	Name     string // of the run there
	Tenant   string // of the devices; empty for DEFAULT
	Keep     bool   // leave there what the run has made
}

// check refuses what no run prepares on such a hawkBit.
func (g *Staging) check(s *scenario.Scenario) (problems []error) {
	for i := range s.Plans {
		if p := &s.Plans[i]; p.Ends > 0 {
			problems = append(problems, fmt.Errorf("plans.%s.ends: an assignment has no end of its own at hawkBit: "+
				"leave it out, or leave --url out", p.Name))
		}
	}
	for i := range s.Fleets {
		if f := &s.Fleets[i]; f.Behind != "" {
			problems = append(problems, fmt.Errorf("fleet %s, behind: devices behind a gateway need the tenant's gateway "+
				"token, which a run does not have: leave them out, or leave --url out", f.Name))
		}
	}
	return problems
}

// staged is the hawkBit of a Staging, as devices reach it.
type staged struct {
	polled
	world *world
	ours  *hawkbit.Run
	plans []*stagedPlan // immutable, but for what mu guards in each

	mu    sync.Mutex     // guards the following
	given map[string]int // actions of each device
}

// stagedPlan is a plan of the scenario as hawkBit has it: a set for each attempt, since
// hawkBit assigns none twice.
type stagedPlan struct {
	*scenario.Plan
	modules []int

	// Guarded by staged.mu.
	sets  []int
	tries map[string]int // of each device, from 1
}

// newStaged makes targets for the run's devices, and modules for its plans. What it has
// made when it fails is taken away again.
func newStaged(ctx context.Context, w *world) (*staged, error) {
	g := w.settings.HawkBit
	s := &staged{world: w, given: map[string]int{},
		polled: polled{url: g.Operator.URL(), tenant: g.Tenant, tokens: newTokens(), logins: w.settings.Logins}}
	var err error
	if s.ours, err = g.Operator.Begin(ctx, g.Name); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, joined(err, s.close())
	}
	return s, nil
}

func joined(first, second error) error {
	if second == nil {
		return first
	}
	return fmt.Errorf("%w\n%w", first, second)
}

func (s *staged) prepare(ctx context.Context) error {
	var targets []hawkbit.Target
	for i := range s.world.arrivals {
		for _, m := range s.world.arrivals[i].Members {
			key := m.Fleet.Device(m.N)
			if len(s.logins[key].Token) > 0 {
				continue // it is registered there, and stays when the run is over
			}
			targets = append(targets, hawkbit.Target{Key: key, Token: s.token(key)})
		}
	}
	if err := s.ours.AddTargets(ctx, targets); err != nil {
		return err
	}
	for i := range s.world.scenario.Plans {
		p := &s.world.scenario.Plans[i]
		modules, err := s.modules(p)
		if err != nil {
			return err
		}
		ids, err := s.ours.AddModules(ctx, modules)
		if err != nil {
			return err
		}
		s.plans = append(s.plans, &stagedPlan{Plan: p, modules: ids, tries: map[string]int{}})
	}
	return nil
}

// modules are the packages of a plan, each with its signed manifest beside the file.
func (s *staged) modules(p *scenario.Plan) (all []hawkbit.Module, err error) {
	for i := range p.Components {
		name := p.Components[i].PackageOf(p.Product)
		k := slices.IndexFunc(s.world.packages, func(made model.Package) bool { return made.Name == name })
		made := &s.world.packages[k]
		sidecar, err := wire.EncodeEnvelope(made.Envelope)
		if err != nil {
			return nil, fmt.Errorf("cannot put a signed manifest beside %s: %w", name.Component, err)
		}
		all = append(all, hawkbit.Module{Name: p.Name + " " + name.Component, Version: name.Target, Files: []hawkbit.File{
			{Name: made.Manifest.Files[0].Name, Content: made.Bytes},
			{Name: name.Component + wire.SidecarSuffix, Content: sidecar}}})
	}
	return all, nil
}

func (s *staged) pace() time.Duration          { return 0 } // what a device has to wait for, settled knows
func (s *staged) stop(*platform.Service) error { return nil }
func (s *staged) start(*platform.Service)      {}
func (s *staged) order(command engine.Command) error {
	activate, is := command.(engine.Activate)
	if !is {
		return fmt.Errorf("hawkBit takes no order %T of a scenario", command)
	}
	for _, p := range s.plans {
		if p.Name == activate.Plan {
			return s.assign(p, 1, s.meant(p.Plan))
		}
	}
	return nil
}

// meant lists the devices that a plan is for, and that its packages fit.
func (s *staged) meant(p *scenario.Plan) (keys []string) {
	for i := range s.world.arrivals {
		for _, m := range s.world.arrivals[i].Members {
			if !m.Extra && p.Covers(m.Fleet) && fits(p, m) {
				keys = append(keys, m.Fleet.Device(m.N))
			}
		}
	}
	return keys
}

// fits reports whether a device runs a version that each package of a plan is for, or
// its target already.
func fits(p *scenario.Plan, m model.Member) bool {
	for i := range p.Components {
		c := &p.Components[i]
		k := slices.IndexFunc(m.Fleet.Components, func(has scenario.Installed) bool { return has.ID == c.ID })
		if k < 0 || len(c.Sources) == 0 {
			continue
		}
		if runs := m.Fleet.Runs(m.N, k); runs != c.Target && !slices.Contains(c.Sources, runs) {
			return false
		}
	}
	return true
}

// assign gives devices a plan, for the n-th time.
func (s *staged) assign(p *stagedPlan, n int, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	sets := s.sets(p)
	if len(sets) < n {
		set, err := s.ours.AddSet(s.world.ctx, p.Name, fmt.Sprint(n), p.modules)
		if err != nil {
			return err
		}
		sets = append(sets, set)
	}
	s.mu.Lock()
	p.sets = sets
	for _, key := range keys {
		s.given[key]++
		p.tries[key] = n
	}
	s.mu.Unlock()
	s.world.recorder.stir()
	return s.ours.Assign(s.world.ctx, sets[n-1], keys)
}

// sets are those of a plan so far.
func (s *staged) sets(p *stagedPlan) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(p.sets)
}

// tried is how often a device was given a plan.
func (s *staged) tried(p *stagedPlan, key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.tries[key]
}

// actions is how many actions a device has been given.
func (s *staged) actions(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given[key]
}

// lookEvery is how often failed actions are looked for, which the plan has tried again.
const lookEvery = 2 * time.Second

// run assigns plans again to devices that have failed, as often as the plans say.
func (s *staged) run(ctx context.Context, _ *platform.Service) error {
	for ctx.Err() == nil {
		netem.Sleep(ctx, lookEvery)
		for _, p := range s.plans {
			for i, set := range s.sets(p) {
				if i == p.Retries || ctx.Err() != nil {
					break
				}
				if err := s.retry(ctx, p, i+1, set); err != nil && ctx.Err() == nil {
					s.world.log.Warn("failed devices are not tried again", "plan", p.Name, "error", err)
				}
			}
		}
	}
	return nil
}

// retry assigns a plan again to devices that have failed with its n-th set.
func (s *staged) retry(ctx context.Context, p *stagedPlan, n, set int) error {
	failed, err := s.ours.Actions(ctx, set, "error")
	if err != nil {
		return err
	}
	var again []string
	for _, a := range failed {
		if s.tried(p, a.Target) == n {
			again = append(again, a.Target)
		}
	}
	return s.assign(p, n+1, again)
}

// close takes away what the run has made.
func (s *staged) close() error {
	if s.world.settings.HawkBit.Keep {
		return nil
	}
	patience := time.Minute + time.Duration(s.world.selected.Devices())*time.Second/10
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.ours.Remove(ctx); err != nil {
		return fmt.Errorf("%w; remove the rest by --remove-run %s", err, s.ours.Name())
	}
	return nil
}

// believe holds what hawkBit says of every device against what the device has reported
// and runs, and records where they disagree. Of an interrupted run it asks nothing.
func (w *world) believe(ctx context.Context, devices []*device) error {
	s, is := w.face.(*staged)
	if !is {
		return nil
	}
	byKey := map[string]*device{}
	for _, d := range devices {
		byKey[d.ID.Device] = d
	}
	for _, p := range s.plans {
		for n, set := range s.sets(p) {
			actions, err := s.ours.Actions(ctx, set, "")
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			for i := range actions {
				if d := byKey[actions[i].Target]; d != nil && s.tried(p, actions[i].Target) == n+1 {
					d.doubt(p.Plan, &actions[i])
				}
			}
		}
	}
	return nil
}

// doubt records what is not so of what hawkBit says of the device's last action of a
// plan.
func (d *device) doubt(p *scenario.Plan, a *hawkbit.Action) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.external.of(fmt.Sprint(a.ID))
	status, waits := ota.DeviceNotUpgraded, false
	if known != nil {
		status = known.status
		waits = slices.ContainsFunc(d.Memory.Reports(), func(r ota.Report) bool { return r.Plan == known.plan.ID })
	}
	done := status == ota.DeviceUpgraded || status == ota.DeviceNoUpdateRequired
	problem := ""
	switch {
	case a.Status == "finished":
		problem = d.unlike(p)
		if problem == "" && !done && !waits {
			problem = "the device has reported " + status.String()
		}
	case done, status == ota.DeviceUpgradeFailed && a.Status != "error" && !waits:
		problem = "the device has reported " + status.String()
	case a.Status == "error" && status != ota.DeviceUpgradeFailed && !waits:
		problem = "the device has reported " + status.String()
	}
	if problem != "" {
		d.violation(fmt.Sprintf("hawkBit says that action %d of plan %s is %s, and %s", a.ID, p.Name, a.Status, problem))
	}
}

// unlike says how the device runs something else than the targets of a plan; empty if
// it does not.
func (d *device) unlike(p *scenario.Plan) string {
	var wrong []string
	for i := range p.Components {
		c := &p.Components[i]
		if k := d.Memory.Component(c.ID); k >= 0 && d.runs(k) != c.Target {
			wrong = append(wrong, fmt.Sprintf("%s runs %s instead of %s", c.ID, d.runs(k), c.Target))
		}
	}
	return strings.Join(wrong, ", ")
}
