package fault

import (
	"context"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// Hooks are the interfaces through which a device's agent touches the world. A
// fault decorates those that it needs. Every field is set.
type Hooks struct {
	// Exchange is called with each request to the storage before it happens, and
	// changes its outcome.
	Exchange func(*Exchange)
	// Request is called with each request to a platform that is polled, before it leaves,
	// and changes its outcome.
	Request func(*Request)
	// Operate is asked before each operation of a component's installer. An
	// error is what the operation returns, without having been done.
	Operate func(component string, op Operation) error
	// Version turns the version that a component runs into the one that it
	// says it runs.
	Version func(component, runs string) string
	// Clock turns the time into what the device's wall clock shows.
	Clock   func(now time.Time) time.Time
	Health  agent.Health
	Sensors agent.Sensors
	Link    agent.Link        // messages to the platform
	Deliver func(agent.Input) // messages from the platform, and the session's ups and downs
	// Reported is called with each report, once, when the device has made it durable.
	Reported func(*ota.Report)
	Control  Control
}

// Operation is a call of an installer.
type Operation uint8

// The operations. Write is one chunk, in the place that Open gave.
const (
	Inspect Operation = iota
	Open
	Write
	Stage
	Activate
	Confirm
	Revert
)

// Control is what a fault can do to the device itself. A fault calls it from
// within the interfaces that it decorates, so none of it waits for the agent.
type Control interface {
	Power
	Network
	Platform
	// Remeasure makes the agent read its sensors.
	Remeasure()
	// After does something after a time, never from within the caller, unless the
	// run ends before. It outlives a restart of the device.
	After(delay time.Duration, do func())
	// Busy is the component in work and how long its installation takes; empty
	// if there is none.
	Busy() (component string, install time.Duration)
}

// Power is what keeps the agent running. What takes it away ends the agent at
// once, without a goodbye to the broker, and drops every connection.
type Power interface {
	// CutPower stops the whole device, which starts again after a time, with
	// another boot id.
	CutPower(fault string, off time.Duration)
	// Crash stops the agent's process alone, which starts again after a time: the
	// boot id stays.
	Crash(fault string, off time.Duration)
	// Vanish stops the device for good.
	Vanish(fault string)
}

// Network is what carries the session with the broker and the downloads. What lasts
// for a time overlaps with itself: the link is down, silent or slow until the
// last of its troubles is over.
type Network interface {
	// CutLink drops every connection and allows none for a time.
	CutLink(down time.Duration)
	// ResetLink resets every connection, as a peer or a router between does.
	ResetLink()
	// FreezeLink passes nothing either way for a time, on connections that
	// stay up. New ones do not come up either.
	FreezeLink(still time.Duration)
	// DelayLink delays everything for a time, each way.
	DelayLink(by, lasting time.Duration)
	// ThrottleLink passes at most so many bytes a second for a time.
	ThrottleLink(rate int64, lasting time.Duration)
	// LoseLink drops every connection and allows none ever again.
	LoseLink()
}

// Platform is what may be done to a device at its platform.
type Platform interface {
	// TakeSession takes the device's session over, and leaves it again.
	TakeSession()
	// EndPlan ends the plan that the device has in hand, as the operator's cancel does.
	// Without one it does nothing.
	EndPlan()
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
