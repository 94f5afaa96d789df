package model

import (
	"time"

	"otafleet/simulator/fault"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// UserOf is what the user of a device says to a manual plan, and how long after
// the plan is active and the device has been connected; false for nothing. Like
// every draw it depends on the seed, the device and the plan alone.
func UserOf(p *scenario.Plan, f *scenario.Fleet, device string, seed uint64) (operation engine.UserOperation,
	after time.Duration, answers bool) {
	if p.Users == nil || !p.Covers(f) {
		return "", 0, false
	}
	draw := func(occurrence int) float64 { return fault.Uniform(seed, device, "user of "+p.Name, occurrence) }
	switch u := draw(0); {
	case u < p.Users.Confirm.Share():
		operation = engine.UserConfirm
	case u < (p.Users.Confirm + p.Users.Cancel).Share():
		operation = engine.UserCancel
	default:
		return "", 0, false
	}
	return operation, p.Users.After.At(draw(1)), true
}
