package fault

import (
	"crypto/ed25519"
	"encoding/binary"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// wrongKey signs a package's manifest with a key that nobody trusts, the same
// for the same seed.
func (in *Injection) wrongKey(g Gear) Gear {
	return in.onPackage(g, func(e ota.Envelope) (ota.Envelope, bool) {
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
