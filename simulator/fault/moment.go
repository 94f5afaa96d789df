package fault

import (
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// at calls act each time that the fault's place and moment come, with the
// number of the occurrence, and tells that the fault fired. An answer of the
// storage at a share of which it comes takes the turn.
func (in *Injection) at(g Gear, turn Turn, act func(occurrence int)) Gear {
	return in.when(g, turn, func(occurrence int) {
		in.tell()
		act(occurrence)
	})
}

// when calls act like at, and leaves it to act to tell.
func (in *Injection) when(g Gear, turn Turn, act func(occurrence int)) Gear {
	status, isStatus := in.fault.At.Status()
	switch {
	case in.fault.At == scenario.AtBoot:
		in.later(g.Body, 0, act)
	case in.fault.At == scenario.AtConnect:
		return in.onConnect(g, act)
	case in.fault.At == scenario.AtReport:
		return in.onReport(g, act)
	case isStatus && status == ota.Downloading && in.fault.After.ByShare():
		return in.onTransfer(g, turn, act)
	case isStatus:
		return in.onStatus(g, status, act)
	}
	return g
}

// later strikes after the fault's delay within a step of the given length.
func (in *Injection) later(body Body, step time.Duration, act func(occurrence int)) {
	if occurrence, ok := in.strike(); ok {
		body.After(in.delay(occurrence, step), func() { act(occurrence) })
	}
}

// onConnect strikes when the session with the platform is up.
func (in *Injection) onConnect(g Gear, act func(int)) Gear {
	next, body := g.Deliver, g.Body
	g.Deliver = func(input agent.Input) {
		next(input)
		if _, connected := input.(agent.Connected); connected {
			in.later(body, 0, act)
		}
	}
	return g
}

// onReport strikes just before a report leaves.
func (in *Injection) onReport(g Gear, act func(int)) Gear {
	return in.onSend(g, func(occurrence int, send func()) {
		act(occurrence)
		send()
	})
}

// onStatus strikes after a component has entered the status, durably.
func (in *Injection) onStatus(g Gear, status ota.Status, act func(int)) Gear {
	next, body := g.Reported, g.Body
	g.Reported = func(r *ota.Report) {
		next(r)
		if r.Status == status && in.about(r.Component) {
			_, install := body.Busy()
			in.later(body, install, act)
		}
	}
	return g
}

// onExchange changes what comes of a request about the fault's component. A
// refusal that another fault has brought about is left as it is.
func (in *Injection) onExchange(g Gear, change func(*Exchange)) Gear {
	next := g.Exchange
	g.Exchange = func(x *Exchange) {
		next(x)
		if x.Status == 0 && in.about(x.Component) {
			change(x)
		}
	}
	return g
}

// onTransfer strikes when a share of a download's bytes has come, at which the
// answer takes a turn.
func (in *Injection) onTransfer(g Gear, turn Turn, act func(int)) Gear {
	return in.onExchange(g, func(x *Exchange) {
		occurrence, ok := in.strike()
		if !ok {
			return
		}
		x.Moments = append(x.Moments, Moment{
			At: in.offset(occurrence, x.Length), Turn: turn,
			Fire: func() { act(occurrence) }, Spare: in.spare,
		})
	})
}

// head is the moment at which an answer has come that is wrong as a whole.
func (in *Injection) head() Moment {
	return Moment{At: AtHead, Turn: Passes, Fire: in.tell, Spare: in.spare}
}

// offset is the byte of a body before which the occurrence strikes. The whole
// of a body is all but its last byte: who has that does not read on.
func (in *Injection) offset(occurrence int, length int64) int64 {
	share := in.fault.After.Share.At(in.draw(aspectAfter, occurrence)).Share()
	return max(0, min(int64(share*float64(length)), length-1))
}

// spot is a byte of a body: where the scenario says, else anywhere.
func (in *Injection) spot(occurrence int, length int64) int64 {
	if in.fault.After.ByShare() {
		return in.offset(occurrence, length)
	}
	return int64(in.draw(aspectByte, occurrence) * float64(length))
}

// onBody lets an answer take a turn at one of its bytes.
func (in *Injection) onBody(g Gear, turn Turn) Gear {
	return in.onExchange(g, func(x *Exchange) {
		if occurrence, ok := in.strike(); ok {
			x.Moments = append(x.Moments, Moment{
				At: in.spot(occurrence, x.Length), Turn: turn, For: in.length(occurrence),
				Fire: in.tell, Spare: in.spare,
			})
		}
	})
}
