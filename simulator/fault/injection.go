package fault

import (
	"context"
	"net/http"
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// Gear is what a device's agent touches the world through. A fault replaces
// what it needs by something that behaves worse.
type Gear struct {
	Exchange func(*Exchange) // of each request to the storage, before it happens
	Health   agent.Health
	Sensors  agent.Sensors
	Link     agent.Link        // messages to the platform
	Deliver  func(agent.Input) // messages from the platform, and the session's ups and downs
	// Reported is told of each report, once, when the device has made it durable.
	Reported func(*ota.Report)
	Body     Body
}

// Body is what a fault can do to the device itself.
type Body interface {
	// CutPower stops the agent at once and starts it again after a time.
	CutPower(fault string, off time.Duration)
	// CutLine drops every connection and lets none up for a time.
	CutLine(down time.Duration)
	// Remeasure lets the agent look at its sensors.
	Remeasure()
	// After does something after a time, never from within the caller, unless the
	// run ends before.
	After(delay time.Duration, do func())
	// Busy is the component in work and how long its installation takes; empty
	// if there is none.
	Busy() (component string, install time.Duration)
}

// Set holds the faults of a scenario and draws who has them.
type Set struct {
	scenario *scenario.Scenario
	seed     uint64
	fired    func(device, fault string)
}

// NewSet returns the faults of a scenario. fired is told of every strike, from
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
				fault: f, device: device, seed: s.seed, fired: s.fired,
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
	device string
	seed   uint64
	fired  func(device, fault string)

	mu      sync.Mutex // guards the following
	left    int        // strikes to come
	struck  int        // strikes so far
	spoiled int        // refusals whose cause lasts
}

// Name is the name of the fault.
func (in *Injection) Name() string { return in.fault.Name }

// Equip returns the gear with the fault in it. It is called at every start of
// the device.
func (in *Injection) Equip(g Gear) Gear {
	switch in.fault.Kind {
	case scenario.Drop:
		return in.drop(g)
	case scenario.Corrupt:
		return in.corrupt(g)
	case scenario.URLExpired:
		return in.refuseAnswer(g, http.StatusForbidden)
	case scenario.HTTPStatus:
		return in.refuseAnswer(g, in.fault.Status)
	case scenario.PowerCut:
		return in.powerCut(g)
	case scenario.Unhealthy:
		return in.unhealthy(g)
	case scenario.Refuse:
		return in.refuse(g)
	case scenario.BadSignature:
		return in.badSignature(g)
	}
	return g
}

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

// spare gives the last occurrence back: its moment did not come.
func (in *Injection) spare() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.left++
	in.struck--
}

// tell says that the fault fired.
func (in *Injection) tell() { in.fired(in.device, in.fault.Name) }

func (in *Injection) draw(a aspect, occurrence int) float64 {
	return draw(in.seed, in.device, in.fault.Name, a, occurrence)
}

// length is how long the occurrence lasts.
func (in *Injection) length(occurrence int) time.Duration {
	return in.fault.For.At(in.draw(aspectFor, occurrence))
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

// The functions that are interfaces of the agent.
type (
	sendFunc   func(ota.Up)
	healthFunc func(context.Context) error
	sensorFunc func(context.Context) agent.Readings
)

func (f sendFunc) Send(m ota.Up)                             { f(m) }
func (f healthFunc) Check(ctx context.Context) error         { return f(ctx) }
func (f sensorFunc) Read(ctx context.Context) agent.Readings { return f(ctx) }
