package fault

import (
	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// post is what becomes of one message: it passes the message on by send when and
// as often as it likes, or declines the chance, and then nothing has happened.
type post func(occurrence int, send func())

// onMessage lets a fault at a message: at report, a report that the device
// sends; at a status, the first message from the platform after a component has
// entered it.
func (in *Injection) onMessage(g Gear, act post) Gear {
	if in.fault.At == scenario.AtReport {
		return in.onSend(g, act)
	}
	status, _ := in.fault.At.Status()
	reported, deliver := g.Reported, g.Deliver
	g.Reported = func(r *ota.Report) {
		reported(r)
		if r.Status == status && in.about(r.Component) {
			in.arm()
		}
	}
	g.Deliver = func(input agent.Input) {
		if _, message := input.(agent.Received); message && in.disarm() {
			if occurrence, ok := in.strike(); ok {
				act(occurrence, func() { deliver(input) })
				return
			}
		}
		deliver(input)
	}
	return g
}

// onSend lets a fault at the reports of a device.
func (in *Injection) onSend(g Gear, act post) Gear {
	next := g.Link
	g.Link = sendFunc(func(m ota.Up) {
		if r, report := m.(*ota.Report); report && in.about(r.Component) {
			if occurrence, ok := in.strike(); ok {
				act(occurrence, func() { next.Send(m) })
				return
			}
		}
		next.Send(m)
	})
	return g
}
