package fault

import (
	"sync"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// Set holds the faults of a scenario and draws who has them.
type Set struct {
	// Sign signs a manifest as the platform's owner does. It is needed before
	// Draw if the scenario has a fault of kind downgrade, and called from any
	// goroutine.
	Sign func(*ota.Manifest) (ota.Envelope, error)

	scenario *scenario.Scenario
	seed     uint64
	fired    func(device, fault string)
}

// NewSet returns the faults of a scenario. fired is called at every strike, from
// any goroutine.
func NewSet(s *scenario.Scenario, seed uint64, fired func(device, fault string)) *Set {
	return &Set{scenario: s, seed: seed, fired: fired}
}

// Draw returns the faults that device n (from 1) of a fleet will have.
func (s *Set) Draw(fleet *scenario.Fleet, n int) []*Injection {
	var drawn []*Injection
	device := fleet.Device(n)
	for i := range s.scenario.Faults {
		f := &s.scenario.Faults[i]
		if f.Covers(fleet) && s.has(f, fleet, n, device) {
			drawn = append(drawn, &Injection{
				fault: f, set: s, fleet: fleet, device: device,
				left: f.Times.At(draw(s.seed, device, f.Name, aspectTimes, 0)),
			})
		}
	}
	return drawn
}

func (s *Set) has(f *scenario.Fault, fleet *scenario.Fleet, n int, device string) bool {
	if f.Exactly == 0 {
		return draw(s.seed, device, f.Name, aspectHas, 0) < f.Chance.Share()
	}
	return chosen(s.seed, f.Name, s.ordinal(f, fleet)+n-1, s.scenario.Reach(f), f.Exactly)
}

// ordinal is the number of devices that can have the fault in the fleets before
// this one.
func (s *Set) ordinal(f *scenario.Fault, fleet *scenario.Fleet) int {
	before := 0
	for i := range s.scenario.Fleets {
		other := &s.scenario.Fleets[i]
		if other == fleet || other.Name == fleet.Name {
			break
		}
		if f.Covers(other) {
			before += other.Count
		}
	}
	return before
}

// Injection is one fault of one device. It outlives the device's restarts.
type Injection struct {
	// Immutable.
	fault  *scenario.Fault
	set    *Set
	fleet  *scenario.Fleet
	device string

	mu       sync.Mutex // guards the following
	left     int        // strikes to come
	struck   int        // strikes so far
	armed    int        // strikes whose next step has yet to come
	causes   causes     // of refuse, disk_full and http_status
	upgraded []string   // components, of downgrade
	lie      lie        // of wrong_version
	skew     time.Duration
}

// Name is the name of the fault.
func (in *Injection) Name() string { return in.fault.Name }

// Decorate returns the hooks with the fault in them. It is called at every start of
// the device, before its agent runs.
func (in *Injection) Decorate(h Hooks) Hooks { return kinds[in.fault.Kind](in, h) }

// strike uses up one occurrence and returns its number, from 0. It returns
// false when the fault has struck as often as it does.
func (in *Injection) strike() (occurrence int, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.left == 0 {
		return 0, false
	}
	in.left--
	in.struck++
	return in.struck - 1, true
}

// refund gives the last occurrence back: its moment did not come.
func (in *Injection) refund() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.left++
	in.struck--
}

// arm notes that something is to come at the next occasion.
func (in *Injection) arm() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.armed++
}

// disarm reports whether something is to come at this occasion.
func (in *Injection) disarm() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.armed == 0 {
		return false
	}
	in.armed--
	return true
}

// report says that the fault fired.
func (in *Injection) report() { in.set.fired(in.device, in.fault.Name) }

func (in *Injection) draw(a aspect, occurrence int) float64 {
	return draw(in.set.seed, in.device, in.fault.Name, a, occurrence)
}

// length is how long the occurrence lasts.
func (in *Injection) length(occurrence int) time.Duration {
	return in.fault.For.At(in.draw(aspectFor, occurrence))
}

// extent is by how much the occurrence makes something more.
func (in *Injection) extent(occurrence int) time.Duration {
	return in.fault.By.At(in.draw(aspectBy, occurrence))
}

// delay is how long after the beginning of a step of the given length the
// occurrence comes.
func (in *Injection) delay(occurrence int, step time.Duration) time.Duration {
	u := in.draw(aspectAfter, occurrence)
	if in.fault.After.ByShare() {
		return time.Duration(in.fault.After.Share.At(u).Share() * float64(step))
	}
	return in.fault.After.Delay.At(u)
}

// about reports whether the fault is about a component.
func (in *Injection) about(component string) bool {
	return in.fault.Component == "" || in.fault.Component == component
}
