// Package link says what a session with a platform is for the agent. Each
// protocol by which a platform is reached is a dialect: a package below this one
// that implements Session, and passes the suite in package linktest.
//
// One flow through it: the program gives a dialect the devices that the session
// serves and calls Run. The session delivers Connected to each device, then what
// the platform sends to it; what a device gives to Send leaves in its order. When
// the connection is lost, the session delivers Disconnected and connects again by
// itself, until the context ends.
//
// # What a session promises
//
//   - Order: messages of one device arrive, and leave, in the order in which they
//     were sent.
//   - Acknowledgement: a message of the platform is acknowledged after the device
//     has handled it (Device.After), not when it arrives.
//   - Replay: a message that was not acknowledged when the connection was lost, or
//     the process ended, is delivered again. A device may therefore see a message
//     twice, and never misses one.
//   - Nothing is carried over: what was given to Send and has not left when the
//     connection is lost is dropped. What must arrive, the device sends again after
//     the next Connected, from its own record on disk. A second memory in the
//     session would only send it twice.
//   - Bounds: a platform that sends faster than a device works, or takes nothing,
//     costs a bounded amount of memory.
//
// The package does not know any protocol, and does not decide what is sent.
package link

import (
	"context"
	"errors"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
)

const (
	// MaxMembers is how many devices one session may serve beside its own.
	MaxMembers = 1000
	// MaxQueue is how many messages wait to be sent. A device that falls so far
	// behind has a platform that takes nothing: connecting again sends what
	// matters.
	MaxQueue = 512
	// MaxMemberQueue is how many more may wait for each member.
	MaxMemberQueue = 64
	// MaxUnhandled is how many messages one device holds that it has not handled.
	MaxUnhandled = 16
)

// ErrAbrupt is a cause of Run's context that ends the session as a power cut does:
// the platform hears nothing of it.
var ErrAbrupt = errors.New("the connection ends without a goodbye")

// Device is one of those that a session serves: a gateway's own device, and the
// members behind it.
type Device struct {
	Identity ota.Identity
	// Deliver takes Connected, Disconnected, Received, BadPlan and BadPackage, one at
	// a time. Nothing is read meanwhile. It takes CheckRequested, at any time, when
	// messages were dropped because the device did not keep up, and it has caught up.
	Deliver func(agent.Input)
	// After calls back when everything that was delivered before has been handled,
	// or never if the device ends before. A message is acknowledged then, so that
	// what waits is bounded, and what a power cut takes is sent again. Nil
	// acknowledges what was delivered at once.
	After func(then func())
}

// WhenHandled calls then when what was delivered before has been handled: at once
// without After.
func (d Device) WhenHandled(then func()) {
	if d.After == nil {
		then()
		return
	}
	d.After(then)
}

// Session is the connection of a device, and of the members behind it, with their
// platform.
type Session interface {
	// Send queues a message of the session's own device and returns at once.
	// Without a connection the message is dropped, and progress also when many
	// messages wait. Too many waiting messages end the connection.
	agent.Link
	// Member is the link of the i-th member.
	Member(i int) agent.Link
	// Run keeps the session until ctx ends, and returns nil then: after a goodbye
	// by which the platform learns that the devices are offline, or without one for
	// ErrAbrupt. It may be called again afterwards.
	Run(ctx context.Context) error
	// Start is Run without a goroutine of the caller's: it returns at once, and
	// calls ended when ctx has ended and nothing is done any more.
	Start(ctx context.Context, ended func())
	// Health is the condition of the connection, for people.
	Health() Health
}

// Health is the condition of a connection.
type Health struct {
	Since   time.Time // when it was made; zero without one
	Trouble string    // why there is none, or what is of no use of what comes over it; empty for nothing
}
