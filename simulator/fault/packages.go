package fault

import (
	"crypto/ed25519"
	"encoding/binary"
	"slices"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// onPackage puts another envelope into a package of the fault's component on its
// way to the device. Without another one, the package arrives as it is and the
// fault has not struck.
func (in *Injection) onPackage(h Hooks, forge func(ota.Envelope) (ota.Envelope, bool)) Hooks {
	next := h.Deliver
	h.Deliver = func(input agent.Input) {
		received, _ := input.(agent.Received)
		if pkg, is := received.Message.(*ota.Package); is && in.about(pkg.Component) {
			if forged, ok := in.forge(pkg, forge); ok {
				input = agent.Received{Message: forged}
			}
		}
		next(input)
	}
	return h
}

// forge is a copy of a package with another envelope: the message may be shared.
func (in *Injection) forge(pkg *ota.Package, forge func(ota.Envelope) (ota.Envelope, bool)) (*ota.Package, bool) {
	if _, ok := in.strike(); !ok {
		return nil, false
	}
	envelope, ok := forge(pkg.Envelope)
	if !ok {
		in.refund()
		return nil, false
	}
	in.report()
	forged := *pkg
	forged.Envelope = envelope
	return &forged, true
}

// badSignature flips one bit of every signature of a package's manifest.
func (in *Injection) badSignature(h Hooks) Hooks {
	return in.onPackage(h, func(e ota.Envelope) (ota.Envelope, bool) {
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

// wrongKey signs a package's manifest with a key that is not trusted, the same
// for the same seed.
func (in *Injection) wrongKey(h Hooks) Hooks {
	return in.onPackage(h, func(e ota.Envelope) (ota.Envelope, bool) {
		forged, err := wire.Sign(e.PayloadType, e.Payload, in.strangerKey())
		return forged, err == nil
	})
}

func (in *Injection) strangerKey() ed25519.PrivateKey {
	seed := make([]byte, 0, ed25519.SeedSize)
	for h := mix(in.set.seed ^ hash(in.fault.Name)); len(seed) < ed25519.SeedSize; h = mix(h) {
		seed = binary.BigEndian.AppendUint64(seed, h)
	}
	return ed25519.NewKeyFromSeed(seed)
}

// downgrade gives a package's manifest the first release that there can be, and
// has the platform's owner sign it. It strikes only where a later one has run.
func (in *Injection) downgrade(h Hooks) Hooks {
	reported := h.Reported
	h.Reported = func(r *ota.Report) {
		reported(r)
		if r.Status == ota.UpgradeSucceeded {
			in.hasRun(r.Component)
		}
	}
	return in.onPackage(h, func(e ota.Envelope) (ota.Envelope, bool) {
		manifest, err := wire.DecodeManifest(e.Payload)
		if err != nil || !in.ran(manifest.Component) {
			return e, false
		}
		manifest.Release, manifest.AllowDowngrade = 0, false
		older, err := in.set.Sign(manifest)
		return older, err == nil
	})
}

// hasRun notes that a package of the component has run.
func (in *Injection) hasRun(component string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !slices.Contains(in.upgraded, component) {
		in.upgraded = append(in.upgraded, component)
	}
}

// ran reports whether a release above the first has run as the component.
func (in *Injection) ran(component string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	c := in.fleet.Component(component)
	return c != nil && c.Release > 0 || slices.Contains(in.upgraded, component)
}
