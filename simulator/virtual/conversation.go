package virtual

import (
	"fmt"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
)

// conversation is how a device and the platform speak to each other, in one dialect. It
// is made once for a device, and outlives its restarts.
type conversation interface {
	// Link takes what the device says.
	agent.Link
	// begin is called when the device has power, and end when it has none any more: with
	// a goodbye where there is one, or abruptly.
	begin()
	end(abruptly bool)
	// broken is called when every connection of its line was cut.
	broken()
	// publish takes what the platform sends to devices that are told.
	publish(m ota.Down)
	// received is called with each message before the device gets it.
	received(m ota.Down)
	// online reports whether the device knows itself connected.
	online() bool
	// quiet reports whether the device would find nothing new by looking.
	quiet() bool
}

// Dialects lists those that the devices of this world speak.
func Dialects() []model.Dialect { return []model.Dialect{model.Native, model.HawkBit, model.QuecThing} }

// checkDialect refuses what no device of this world speaks, and what the scenario needs
// and the dialect cannot say.
func (r *run) checkDialect() error {
	if _, err := model.ParseDialect(string(r.dialect), Dialects()...); err != nil {
		return fmt.Errorf("cannot run devices in virtual time: %w", err)
	}
	return r.dialect.Check(r.scenario)
}

// converse gives a device its conversation.
func (r *run) converse(d *device) conversation {
	switch r.dialect {
	case model.HawkBit:
		return newPolled(d)
	case model.QuecThing:
		return newFramed(d)
	}
	return &d.session
}
