package fault

import (
	"slices"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// badSignature flips one bit of every signature of a package's manifest on its
// way to the device.
func (in *Injection) badSignature(g Gear) Gear {
	next := g.Deliver
	g.Deliver = func(input agent.Input) {
		received, is := input.(agent.Received)
		pkg, isPackage := received.Message.(*ota.Package)
		if is && isPackage && in.about(pkg.Component) {
			if _, ok := in.strike(); ok {
				in.tell()
				input = agent.Received{Message: forged(pkg)}
			}
		}
		next(input)
	}
	return g
}

// forged is a copy: the message may be shared.
func forged(pkg *ota.Package) *ota.Package {
	f := *pkg
	f.Envelope.Signatures = slices.Clone(pkg.Envelope.Signatures)
	for i, s := range f.Envelope.Signatures {
		s.Sig = slices.Clone(s.Sig)
		if len(s.Sig) > 0 {
			s.Sig[0] ^= 1
		}
		f.Envelope.Signatures[i] = s
	}
	return &f
}
