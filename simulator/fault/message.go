package fault

import (
	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// post is what becomes of one message, which it passes on by send when and as
// often as it likes.
type post func(occurrence int, send func())

// onMessage lets a fault at a message: the plan or the package that comes before
// its status, else a report that leaves.
func (in *Injection) onMessage(g Gear, act post) Gear {
	if in.downward() {
		return in.onReceive(g, act)
	}
	return in.onSend(g, act)
}

// downward reports whether the fault's messages come from the platform.
func (in *Injection) downward() bool {
	return in.fault.At == scenario.At(ota.PlanReceived) || in.fault.At == scenario.At(ota.UpgradeConfirmed)
}

// onReceive lets a fault at the plan or the packages for a device.
func (in *Injection) onReceive(g Gear, act post) Gear {
	next := g.Deliver
	g.Deliver = func(input agent.Input) {
		if received, _ := input.(agent.Received); in.means(received.Message) {
			if occurrence, ok := in.strike(); ok {
				act(occurrence, func() { next(input) })
				return
			}
		}
		next(input)
	}
	return g
}

// means reports whether the fault is about a message from the platform.
func (in *Injection) means(m ota.Down) bool {
	switch m := m.(type) {
	case *ota.Plan:
		return in.fault.At == scenario.At(ota.PlanReceived) && (in.fault.Component == "" || m.Component(in.fault.Component) >= 0)
	case *ota.Package:
		return in.fault.At == scenario.At(ota.UpgradeConfirmed) && in.about(m.Component)
	}
	return false
}

// onSend lets a fault at the reports of a device: of one status, or of all.
func (in *Injection) onSend(g Gear, act post) Gear {
	next := g.Link
	status, one := in.fault.At.Status()
	g.Link = sendFunc(func(m ota.Up) {
		if r, report := m.(*ota.Report); report && in.about(r.Component) && (!one || r.Status == status) {
			if occurrence, ok := in.strike(); ok {
				act(occurrence, func() { next.Send(m) })
				return
			}
		}
		next.Send(m)
	})
	return g
}
