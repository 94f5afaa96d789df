package engine

import (
	"time"

	"otafleet/internal/ota"
)

// turnedAway counts what came from devices that are not taken in.
type turnedAway struct {
	messages int       // since told
	heard    time.Time // when the last fact of it was returned
}

// LimitDevices sets how many devices the engine remembers; MaxDevices without it.
// Those that it knows already stay. Where every device may connect, nothing else
// bounds the memory that their keys take.
func (e *Engine) LimitDevices(most int) { e.maxDevices = most }

// turnAway answers a device that is not taken in: there is no plan for it, and its
// reports belong to none. It asks again with its next inventory, and need not keep
// its reports until then.
func (e *Engine) turnAway(in Message) {
	const between = time.Minute // of two facts: a fleet does not flood a log
	if !ota.ValidKey(in.Device.Product) || !ota.ValidKey(in.Device.Device) {
		return
	}
	switch m := in.Message.(type) {
	case *ota.Offline:
		return
	case *ota.Inventory:
		if m.Request {
			e.emit(Send{Device: in.Device, Message: &ota.NoPlan{Time: e.now, Reason: ota.NoPlanNone}})
		}
	case *ota.Report:
		if m.Seq >= 1 {
			e.emit(Send{Device: in.Device, Message: &ota.Ack{Plan: m.Plan, Seq: m.Seq}})
		}
	}
	t := &e.turnedAway
	t.messages++
	if t.heard.IsZero() || e.now.Sub(t.heard) >= between {
		e.emit(TurnedAway{Device: in.Device, Messages: t.messages, MaxDevices: e.maxDevices})
		t.messages, t.heard = 0, e.now
	}
}
