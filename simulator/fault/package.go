package fault

import (
	"otafleet/agent"
	"otafleet/internal/ota"
)

// onPackage puts another envelope into a package of the fault's component on its
// way to the device. Without another one, the package arrives as it is and the
// fault has not struck.
func (in *Injection) onPackage(g Gear, forge func(ota.Envelope) (ota.Envelope, bool)) Gear {
	next := g.Deliver
	g.Deliver = func(input agent.Input) {
		received, _ := input.(agent.Received)
		if pkg, is := received.Message.(*ota.Package); is && in.about(pkg.Component) {
			if forged, ok := in.forge(pkg, forge); ok {
				input = agent.Received{Message: forged}
			}
		}
		next(input)
	}
	return g
}

// forge is a copy of a package with another envelope: the message may be shared.
func (in *Injection) forge(pkg *ota.Package, forge func(ota.Envelope) (ota.Envelope, bool)) (*ota.Package, bool) {
	if _, ok := in.strike(); !ok {
		return nil, false
	}
	envelope, ok := forge(pkg.Envelope)
	if !ok {
		in.spare()
		return nil, false
	}
	in.tell()
	forged := *pkg
	forged.Envelope = envelope
	return &forged, true
}
