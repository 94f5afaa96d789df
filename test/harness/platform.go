package harness

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// Platform is a fake platform within the test, which remembers what devices
// told it.
type Platform struct {
	*platform.Service

	t testing.TB

	mu        sync.Mutex // guards the following
	reports   []ota.Report
	decisions []ota.Decision
	arrivals  map[engine.Arrival]int
	faults    map[string][]string // by plan: reports that should not have come as they did
}

// StartPlatform serves a fake platform until the test ends, and returns when it hears
// what devices say. The zero Config is enough; its Observe is taken.
func StartPlatform(t testing.TB, config platform.Config) *Platform {
	t.Helper()
	p := &Platform{t: t, arrivals: map[engine.Arrival]int{}, faults: map[string][]string{}}
	config.Observe = p.observe
	service, err := platform.New(config)
	if err != nil {
		t.Fatal(err)
	}
	p.Service = service
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the platform failed: %v", err)
		}
	})
	if err := service.Hears(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// observe keeps copies: the facts belong to the engine.
func (p *Platform) observe(_ time.Time, fact engine.Output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch fact := fact.(type) {
	case engine.Recorded:
		p.arrivals[fact.Arrival]++
		switch fact.Arrival {
		case engine.Stored:
			p.reports = append(p.reports, *fact.Report)
		case engine.Duplicate: // sent again after a cut, as it should be
		default:
			r := fact.Report
			p.faults[r.Plan] = append(p.faults[r.Plan],
				fmt.Sprintf("number %d, %s %s: %s %v", r.Seq, r.Component, r.Status, fact.Arrival, fact.Cause))
		}
	case engine.Decided:
		p.decisions = append(p.decisions, *fact.Decision)
	}
}

// Plan is the plan that Offer makes: silent, for every device of Product, in
// effect at once.
type Plan struct {
	ID        string
	Retries   int
	OnFailure ota.OnFailure // empty means stop
	Sources   []string      // of every component; none means any
}

// Offer puts packages into the catalog and a plan of all of them into effect.
func (p *Platform) Offer(plan Plan, packages ...*Package) {
	p.t.Helper()
	spec := engine.PlanSpec{
		ID: plan.ID, Name: plan.ID, Product: packages[0].Manifest.Product, Zone: time.UTC,
		Start: time.Now().Add(-time.Minute), End: time.Now().Add(time.Hour),
		Mode: ota.Silent, Retries: plan.Retries, OnFailure: plan.OnFailure,
	}
	for _, pkg := range packages {
		p.Upload(pkg)
		m := pkg.Manifest
		c := engine.ComponentSpec{ID: m.Component, Type: m.Type, Package: m.Package, Sources: plan.Sources, Target: m.Target}
		if m.Package == ota.Delta {
			c.Sources = []string{m.Source}
		}
		spec.Components = append(spec.Components, c)
	}
	p.order(engine.CreatePlan{Plan: spec})
	p.order(engine.Activate{Plan: plan.ID})
}

// Upload makes a package available to plans.
func (p *Platform) Upload(pkg *Package) {
	p.t.Helper()
	if err := p.AddPackage(context.Background(), pkg.Envelope, pkg.Manifest, pkg.readers()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Platform) order(c engine.Command) {
	p.t.Helper()
	if err := p.Command(c); err != nil {
		p.t.Fatal(err)
	}
}

// Status is a device's status under a plan.
func (p *Platform) Status(plan string, d *Device) ota.DeviceStatus {
	return p.device(plan, d).Status
}

func (p *Platform) device(plan string, d *Device) engine.DeviceView {
	return p.deviceView(plan, d.Identity().Device)
}

func (p *Platform) deviceView(plan, key string) (view engine.DeviceView) {
	p.View(func(e *engine.Engine) { view, _ = e.Device(plan, key) })
	return view
}

// DeviceStatus is the status under a plan of a device by its key.
func (p *Platform) DeviceStatus(plan, key string) ota.DeviceStatus {
	return p.deviceView(plan, key).Status
}

// AwaitStatus waits until a device has a status under a plan. It ends the test
// if the device comes to another end first.
func (p *Platform) AwaitStatus(plan string, d *Device, want ota.DeviceStatus) {
	p.t.Helper()
	p.AwaitDevice(plan, d.Identity().Device, want)
}

// AwaitDevice is AwaitStatus for a device by its key, such as one behind a
// gateway.
func (p *Platform) AwaitDevice(plan, key string, want ota.DeviceStatus) {
	p.t.Helper()
	var view engine.DeviceView
	Await(p.t, fmt.Sprintf("plan %s on %s: %s", plan, key, want.Name()), func() bool {
		view = p.deviceView(plan, key)
		return view.Status == want || !view.Ended.IsZero()
	})
	if view.Status != want {
		p.t.Fatalf("plan %s on %s ended %s, not %s:\n%v", plan, key, view.Status.Name(), want.Name(), p.Trail(plan, ""))
	}
}

// Reports gives the reports of a plan, in the order of their numbers.
func (p *Platform) Reports(plan string) []ota.Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []ota.Report
	for _, r := range p.reports {
		if r.Plan == plan {
			found = append(found, r)
		}
	}
	return found
}

// Trail gives the statuses that a component went through under a plan, with
// their error codes: "downloading", "upgrade_failed: boot_failed". Without a
// component it gives those of all, each with its component before it.
func (p *Platform) Trail(plan, component string) []string {
	var trail []string
	for _, r := range p.Reports(plan) {
		step := r.Status.String()
		if r.Failure != nil {
			step += ": " + string(r.Failure.Code)
		}
		switch component {
		case r.Component:
			trail = append(trail, step)
		case "":
			trail = append(trail, r.Component+" "+step)
		}
	}
	return trail
}

// Decisions gives the answers to a plan.
func (p *Platform) Decisions(plan string) []ota.Decision {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []ota.Decision
	for _, d := range p.decisions {
		if d.Plan == plan {
			found = append(found, d)
		}
	}
	return found
}

// AwaitDecision gives the first answer to a plan, once it has arrived: the
// device knows it, and tells its operator, before the platform does.
func (p *Platform) AwaitDecision(plan string) ota.Decision {
	p.t.Helper()
	var decisions []ota.Decision
	Await(p.t, "the decision on "+plan, func() bool {
		decisions = p.Decisions(plan)
		return len(decisions) > 0
	})
	return decisions[0]
}

// Arrivals counts the reports by what the ledger made of them.
func (p *Platform) Arrivals() map[engine.Arrival]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.arrivals)
}

// Faults names the reports on a plan that came out of order, changed, against
// the status table, or on an unknown plan.
func (p *Platform) Faults(plan string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.faults[plan])
}

// Online reports whether the platform hears a device.
func (p *Platform) Online(plan string, d *Device) bool { return p.device(plan, d).Online }
