package link

import (
	"context"
	"fmt"
	"sync"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// Single is the session of one device, in a dialect that gives each device a session of
// its own.
type Single interface {
	agent.Link
	// Run keeps the session until ctx ends.
	Run(ctx context.Context)
	// Health is the condition of the connection, for people.
	Health() Health
}

// Separate is a Session of devices that each speak with the platform by themselves: the
// session's own device first, and then its members.
type Separate []Single

var _ Session = Separate(nil)

// Send takes a message of the session's own device, and returns at once.
func (s Separate) Send(m ota.Up) { s[0].Send(m) }

// Member is the link of the i-th member.
func (s Separate) Member(i int) agent.Link { return s[1+i] }

// Run keeps the sessions until ctx ends, and returns nil then.
func (s Separate) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, one := range s {
		running.Go(func() { one.Run(ctx) })
	}
	running.Wait()
	return nil
}

// Start is Run without a goroutine of the caller's.
func (s Separate) Start(ctx context.Context, ended func()) {
	go func() {
		_ = s.Run(ctx) // it is nil
		ended()
	}()
}

// Health is how the session of the own device does.
func (s Separate) Health() Health { return s[0].Health() }

// CheckDevices says everything that is wrong with the devices of such a session: its own
// and the members.
func CheckDevices(own Device, members []Device) []error {
	var problems []error
	if len(members) > MaxMembers {
		problems = append(problems, fmt.Errorf("%d devices behind the gateway: at most %d are possible", len(members),
			MaxMembers))
	}
	for _, d := range append([]Device{own}, members...) {
		if !ota.ValidKey(d.Identity.Device) {
			problems = append(problems, fmt.Errorf("device %q must be 1 to 64 characters of [A-Za-z0-9_-]", d.Identity.Device))
		}
		if d.Deliver == nil {
			problems = append(problems, fmt.Errorf("device %q: its messages go nowhere", d.Identity.Device))
		}
	}
	return problems
}
