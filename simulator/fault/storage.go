package fault

// corrupt flips one bit of a download's answer.
func (in *Injection) corrupt(h Hooks) Hooks { return in.onBody(h, Flips) }

// truncate ends a download's answer in good order before all of it has come.
func (in *Injection) truncate(h Hooks) Hooks { return in.onBody(h, Ends) }

// stall pauses a download's answer.
func (in *Injection) stall(h Hooks) Hooks { return in.onBody(h, Stalls) }

// wrongRange makes the storage begin its answer too late, somewhere in the range
// that is asked for. There is no other range in a single byte.
func (in *Injection) wrongRange(h Hooks) Hooks {
	return in.onExchange(h, func(x *Exchange) {
		if x.Length < 2 {
			return
		}
		if occurrence, ok := in.strike(); ok {
			x.Shift = 1 + int64(in.draw(aspectByte, occurrence)*float64(x.Length-1))
			x.Moments = append(x.Moments, in.head())
		}
	})
}

// wrongDigest makes the storage send another object.
func (in *Injection) wrongDigest(h Hooks) Hooks {
	return in.onExchange(h, func(x *Exchange) {
		if _, ok := in.strike(); ok {
			x.OtherObject = true
			x.Moments = append(x.Moments, in.head())
		}
	})
}

// objectChanged breaks an answer off, and makes the next one be of an object
// that has taken the place of the first. The one after that is of the first
// object again.
func (in *Injection) objectChanged(h Hooks) Hooks {
	return in.onExchange(h, func(x *Exchange) {
		if in.disarm() {
			x.Changed, x.OtherObject = true, true
			x.Moments = append(x.Moments, Moment{At: AtHead, Turn: Passes, Fire: in.report, Refund: in.arm})
			return
		}
		if occurrence, ok := in.strike(); ok {
			x.Moments = append(x.Moments, Moment{At: in.spot(occurrence, x.Length), Fire: in.arm, Refund: in.refund})
		}
	})
}

// refuseAnswer makes the storage refuse: at once, or after a share of the bytes
// by breaking off and refusing what is asked next, once or for a time.
func (in *Injection) refuseAnswer(h Hooks, status int) Hooks {
	control := h.Control
	begin := func(occurrence int) {
		if in.length(occurrence) > 0 {
			in.lasts(control, occurrence)
		} else {
			in.arm()
		}
	}
	refuses := func() bool {
		if in.disarm() {
			in.report()
			return true
		}
		return in.fires()
	}
	return in.onExchange(h, func(x *Exchange) {
		if refuses() {
			x.Status = status
			return
		}
		occurrence, ok := in.strike()
		switch {
		case !ok:
		case in.fault.After.ByShare():
			x.Moments = append(x.Moments, Moment{At: in.offset(occurrence, x.Length), Fire: func() { begin(occurrence) },
				Refund: in.refund})
		default:
			begin(occurrence)
			refuses()
			x.Status = status
		}
	})
}

// onExchange changes what comes of a request about the fault's component. A
// refusal that another fault has brought about is left as it is.
func (in *Injection) onExchange(h Hooks, change func(*Exchange)) Hooks {
	next := h.Exchange
	h.Exchange = func(x *Exchange) {
		next(x)
		if x.Status == 0 && in.about(x.Component) {
			change(x)
		}
	}
	return h
}

// onTransfer strikes when a share of a download's bytes has come, at which the
// answer takes a turn.
func (in *Injection) onTransfer(h Hooks, turn Turn, act func(int)) Hooks {
	return in.onExchange(h, func(x *Exchange) {
		occurrence, ok := in.strike()
		if !ok {
			return
		}
		x.Moments = append(x.Moments, Moment{
			At: in.offset(occurrence, x.Length), Turn: turn,
			Fire: func() { act(occurrence) }, Refund: in.refund,
		})
	})
}

// onBody gives an answer a turn at one of its bytes.
func (in *Injection) onBody(h Hooks, turn Turn) Hooks {
	return in.onExchange(h, func(x *Exchange) {
		if occurrence, ok := in.strike(); ok {
			x.Moments = append(x.Moments, Moment{
				At: in.spot(occurrence, x.Length), Turn: turn, For: in.length(occurrence),
				Fire: in.report, Refund: in.refund,
			})
		}
	})
}

// head is the moment at which an answer has come that is wrong as a whole.
func (in *Injection) head() Moment {
	return Moment{At: AtHead, Turn: Passes, Fire: in.report, Refund: in.refund}
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
