package scenario

import (
	"slices"
	"time"

	"otafleet/internal/ota"
)

// Plan is an upgrade plan of the platform for the devices of a product.
type Plan struct {
	Name       string
	Product    string
	Only       []string // fleets that alone are upgraded; empty for all of the product
	Except     []string // fleets that are not upgraded; wins over Only
	Components []Component
	Mode       ota.Mode
	Starts     time.Duration // when it is activated, after the start of the run
	Ends       time.Duration // when it ends, after the start of the run; 0 for after the run
	Repeat     *Repeat       // how it comes again and again; nil for once
	// whether the platform sends a silent plan by itself; else the device must ask. True for manual
	// plans
	Push   bool
	Window *Window // when a silent plan is pushed; nil for the whole day
	// after a refusal a silent plan is not pushed for so long: whole minutes; 0 for a plan that is not
	// pushed
	Rejection  time.Duration
	Users      *Users // of a manual plan; nil if no one answers it
	Conditions Conditions
	Retries    int // attempts of the platform after the first, 0 to ota.MaxRetries
	OnFailure  ota.OnFailure
}

// Covers reports whether the plan is for devices of the fleet.
func (p *Plan) Covers(f *Fleet) bool {
	return p.Product == f.Product && !slices.Contains(p.Except, f.Name) &&
		(len(p.Only) == 0 || slices.Contains(p.Only, f.Name))
}

// Covered is the number of devices that a plan is for.
func (s *Scenario) Covered(p *Plan) int {
	n := 0
	for i := range s.Fleets {
		if p.Covers(&s.Fleets[i]) {
			n += s.Fleets[i].Count
		}
	}
	return n
}

// Component finds a component of the plan by its id; nil if it has none.
func (p *Plan) Component(id string) *Component {
	for i := range p.Components {
		if p.Components[i].ID == id {
			return &p.Components[i]
		}
	}
	return nil
}

// Window is the hours of the day in which a plan is pushed, by a clock that
// shows midnight when the run starts. So a run does not depend on the time of
// the day at which it is started.
type Window struct {
	From int // 0 to 23
	To   int // 1 to 24: until just before this hour; less than From over midnight
}

// Users says what the users of devices do about a manual plan. Each answers
// once, or never.
type Users struct {
	Confirm Percent              // of the users want the upgrade
	Cancel  Percent              // of the users do not; with Confirm at most 100. The rest never answers
	After   Range[time.Duration] // from when the plan is active and the device has been connected
}

// Conditions are what the plan asks of a device before it may agree. The space
// that it needs is the platform's to say, which knows the packages.
type Conditions struct {
	MinBattery *int // percent; nil asks for none
	MinRSSI    *int // dBm; nil asks for none
}

// Component is one component's part of a plan and how its package is made.
type Component struct {
	ota.PlanComponent
	Encoding       ota.Encoding // of the package
	Chunk          int64        // bytes of a chunk of the package
	Hardware       []string     // revisions that the package fits; empty for any
	Release        uint64       // the package's release counter; 0 for the number of the plan that names it first, from 1
	AllowDowngrade bool         // the package is signed to go below the release that a device has run
}

// PackageName tells packages apart, as a platform does: the sources of a full
// one are a matter of the plan.
type PackageName struct {
	Product, Component string
	Source             string // of a delta
	Target             string
}

// PackageOf names the component's package for a product.
func (c *Component) PackageOf(product string) PackageName {
	name := PackageName{Product: product, Component: c.ID, Target: c.Target}
	if c.Package == ota.Delta && len(c.Sources) == 1 {
		name.Source = c.Sources[0]
	}
	return name
}
