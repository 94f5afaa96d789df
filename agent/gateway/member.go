package gateway

import (
	"context"
	"fmt"
	"sync"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
)

// Member is a device behind the gateway.
type Member struct {
	Identity ota.Identity
	Sensors  agent.Sensors
	Runner   *agent.Runner // set before Start, unless Broken is
	Broken   error         // why it cannot be served; nil if it can
}

// Unserved is the error of a member that cannot be served.
func (m *Member) Unserved() error {
	return fmt.Errorf("not served since the agent's start: %w", m.Broken)
}

// Post passes an input on; a member that cannot be served gets none.
func (m *Member) Post(in agent.Input) {
	if m.Broken == nil {
		m.Runner.Post(in)
	}
}

// after calls back when what was posted before has been handled.
func (m *Member) after(then func()) {
	if m.Broken == nil {
		m.Runner.After(then)
	} else {
		then()
	}
}

// Members are all devices behind the gateway.
type Members []*Member

// Devices are the members as the session serves them.
func (all Members) Devices() []link.Device {
	devices := make([]link.Device, len(all))
	for i, m := range all {
		devices[i] = link.Device{Identity: m.Identity, Deliver: m.Post, After: m.after}
	}
	return devices
}

// Start runs the members until ctx ends.
func (all Members) Start(ctx context.Context, tasks *sync.WaitGroup, bootID string) {
	for _, m := range all {
		if m.Broken == nil {
			m.Runner.Start(ctx, tasks, bootID)
		}
	}
}

// Stop is for members whose context has ended: their tasks may be waited for afterwards.
func (all Members) Stop() {
	for _, m := range all {
		if m.Broken == nil {
			m.Runner.Stop()
		}
	}
}

// Measure passes new readings to the machines, one after the other.
func (all Members) Measure(ctx context.Context) {
	for _, m := range all {
		if m.Broken == nil && ctx.Err() == nil {
			m.Post(agent.Measured{Readings: m.Sensors.Read(ctx)})
		}
	}
}

// Post passes an input on to all of them.
func (all Members) Post(in agent.Input) {
	for _, m := range all {
		m.Post(in)
	}
}
