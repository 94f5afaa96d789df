package fault

import (
	"slices"

	"otafleet/internal/ota"
)

// badSignature flips one bit of every signature of a package's manifest.
func (in *Injection) badSignature(g Gear) Gear {
	return in.onPackage(g, func(e ota.Envelope) (ota.Envelope, bool) {
		e.Signatures = slices.Clone(e.Signatures)
		for i := range e.Signatures {
			s := &e.Signatures[i]
			s.Sig = slices.Clone(s.Sig)
			if len(s.Sig) > 0 {
				s.Sig[0] ^= 1
			}
		}
		return e, true
	})
}
