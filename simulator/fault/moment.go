package fault

import (
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// at calls act each time that the fault's place and moment come, with the
// number of the occurrence, and reports that the fault fired. An answer of the
// storage at a share of which it comes takes the turn.
func (in *Injection) at(h Hooks, turn Turn, act func(occurrence int)) Hooks {
	return in.when(h, turn, func(occurrence int) {
		in.report()
		act(occurrence)
	})
}

// when calls act like at, and leaves the report to act.
func (in *Injection) when(h Hooks, turn Turn, act func(occurrence int)) Hooks {
	status, isStatus := in.fault.At.Status()
	switch {
	case in.fault.At == scenario.AtBoot:
		in.later(h.Control, 0, act)
	case in.fault.At == scenario.AtConnect:
		return in.onConnect(h, act)
	case in.fault.At == scenario.AtReport:
		return in.onReport(h, act)
	case isStatus && status == ota.Downloading && in.fault.After.ByShare():
		return in.onTransfer(h, turn, act)
	case isStatus:
		return in.onStatus(h, status, act)
	}
	return h
}

// later strikes after the fault's delay within a step of the given length.
func (in *Injection) later(control Control, step time.Duration, act func(occurrence int)) {
	if occurrence, ok := in.strike(); ok {
		control.After(in.delay(occurrence, step), func() { act(occurrence) })
	}
}

// onConnect strikes when the session with the platform is up.
func (in *Injection) onConnect(h Hooks, act func(int)) Hooks {
	next, control := h.Deliver, h.Control
	h.Deliver = func(input agent.Input) {
		next(input)
		if _, connected := input.(agent.Connected); connected {
			in.later(control, 0, act)
		}
	}
	return h
}

// onReport strikes just before a report leaves.
func (in *Injection) onReport(h Hooks, act func(int)) Hooks {
	return in.onSend(h, func(occurrence int, send func()) {
		act(occurrence)
		send()
	})
}

// onStatus strikes after a component has entered the status, durably.
func (in *Injection) onStatus(h Hooks, status ota.Status, act func(int)) Hooks {
	next, control := h.Reported, h.Control
	h.Reported = func(r *ota.Report) {
		next(r)
		if r.Status == status && in.about(r.Component) {
			_, install := control.Busy()
			in.later(control, install, act)
		}
	}
	return h
}
