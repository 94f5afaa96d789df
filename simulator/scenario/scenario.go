package scenario

import (
	"fmt"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// Bounds of a scenario.
const (
	MaxDevices  = 1_000_000      // of all fleets together
	MaxFleets   = 100            // fleets of a scenario
	MaxPlans    = 100            // plans of a scenario
	MaxFaults   = 100            // faults of a scenario
	MinDuration = time.Second    // of a run
	MaxDuration = 24 * time.Hour // of a run
	MaxRetries  = 5              // retries of a plan by the platform
	MaxPackages = 1 << 30        // bytes of all packages together, which are held in memory
)

// Scenario is one run: devices, plans, faults, and the verdict's measure. Parse
// makes it; nobody changes it afterwards, so it may be shared.
type Scenario struct {
	Name        string
	Description string
	Seed        uint64        // of every draw
	Duration    time.Duration // after it the run ends, finished or not
	Fleets      []Fleet
	Plans       []Plan
	Faults      []Fault
	Expect      Expect
}

// Devices is the number of devices of all fleets.
func (s *Scenario) Devices() int {
	n := 0
	for i := range s.Fleets {
		n += s.Fleets[i].Count
	}
	return n
}

// Fleet finds a fleet by its name; nil if there is none.
func (s *Scenario) Fleet(name string) *Fleet {
	for i := range s.Fleets {
		if s.Fleets[i].Name == name {
			return &s.Fleets[i]
		}
	}
	return nil
}

// Fleet is a number of devices that are alike.
type Fleet struct {
	Name       string
	Count      int
	Product    string
	Components []ota.ComponentVersion // what every device runs at first
	Battery    *Range[int]            // percent; nil for devices without a battery
	RSSI       *Range[int]            // dBm; nil for devices without a radio
	Link       Link
	Arrive     Arrive
	Install    Install
}

// Device is the device key of the fleet's n-th device, 1 <= n <= Count:
// gateways-000001. The number has six digits, or seven for the millionth.
func (f *Fleet) Device(n int) string { return fmt.Sprintf("%s-%06d", f.Name, n) }

// Identity names the fleet's n-th device to the platform.
func (f *Fleet) Identity(n int) ota.Identity {
	return ota.Identity{Product: f.Product, Device: f.Device(n)}
}

// Component finds a component by its id; nil if the fleet's devices have none.
func (f *Fleet) Component(id string) *ota.ComponentVersion {
	for i := range f.Components {
		if f.Components[i].ID == id {
			return &f.Components[i]
		}
	}
	return nil
}

// Link is the line between a device and everything else.
type Link struct {
	Bandwidth int64         // bytes a second; 0 for no limit
	Latency   time.Duration // one way
	Jitter    time.Duration // latency varies by up to this much both ways; at most Latency
}

// Arrive says when the devices of a fleet connect for the first time. With
// neither Over nor Rate they all do at once: a herd.
type Arrive struct {
	After time.Duration // the first device, from the start of the run
	Over  time.Duration // evenly within this time
	Rate  float64       // devices a second
}

// last is when the last of count devices arrives.
func (a Arrive) last(count int) time.Duration {
	if a.Rate > 0 {
		return a.After + time.Duration(float64(count)/a.Rate*float64(time.Second))
	}
	return a.After + a.Over
}

// Install says what an installation costs a device.
type Install struct {
	Time    Range[time.Duration] // from upgrading to the restart
	Restart firmware.Restart     // for every component; empty for RestartFor's choice
}

// RestartFor is the restart that a component of this type needs. Where the
// scenario does not say, a module needs one of the system and an MCU none.
func (i Install) RestartFor(t ota.ComponentType) firmware.Restart {
	switch {
	case i.Restart != "":
		return i.Restart
	case t == ota.MCU:
		return firmware.RestartNone
	}
	return firmware.RestartSystem
}

// Plan is an upgrade plan of the platform for every device of a product.
type Plan struct {
	Name       string
	Product    string
	Components []Component
	Mode       ota.Mode
	Conditions Conditions
	Retries    int // attempts of the platform after the first, 0 to MaxRetries
	OnFailure  ota.OnFailure
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
	Encoding ota.Encoding // of the package
	Chunk    int64        // bytes of a chunk of the package
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
