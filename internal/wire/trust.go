package wire

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"otafleet/internal/ota"
)

// Trust says whose packages a device accepts. It is not changed by use and may
// be shared.
type Trust struct {
	Keys          []ed25519.PublicKey
	Threshold     int  // how many different keys must have signed; 0 means 1
	AllowUnsigned bool // whether an envelope without any signature is accepted
}

// Validate says what keeps the trust from accepting any signed package, or
// from meaning what it seems to.
func (t *Trust) Validate() error {
	var problems []error
	for i, k := range t.Keys {
		if len(k) != ed25519.PublicKeySize {
			problems = append(problems, fmt.Errorf("key %d is not an Ed25519 public key", i+1))
		}
		if slices.ContainsFunc(t.Keys[:i], func(o ed25519.PublicKey) bool { return k.Equal(o) }) {
			problems = append(problems, fmt.Errorf("key %d is listed twice", i+1))
		}
	}
	switch {
	case t.Threshold < 0:
		problems = append(problems, errors.New("the threshold must not be negative"))
	case len(t.Keys) == 0 && !t.AllowUnsigned:
		problems = append(problems, errors.New("without a key every package is refused: give one, or allow unsigned packages"))
	case len(t.Keys) > 0 && t.Threshold > len(t.Keys):
		problems = append(problems, fmt.Errorf("the threshold is %d, and there are only %d keys", t.Threshold, len(t.Keys)))
	}
	return errors.Join(problems...)
}

// Open verifies the signatures of an envelope and returns the manifest inside.
// Every error is a *ota.Failure. It has code signature_invalid if too few keys
// have signed and a signature that claims to be of a trusted key does not
// verify, key_untrusted if there are too few for any other reason, and
// manifest_mismatch if what was signed is not a manifest.
func (t *Trust) Open(e ota.Envelope) (*ota.Manifest, error) {
	if failure := t.verify(e); failure != nil {
		return nil, failure
	}
	if e.PayloadType != ManifestType {
		return nil, &ota.Failure{Code: ota.ManifestMismatch, Detail: "the signed payload is not of type " + ManifestType}
	}
	m, err := DecodeManifest(e.Payload)
	if err != nil {
		return nil, &ota.Failure{Code: ota.ManifestMismatch, Detail: err.Error()}
	}
	return m, nil
}

// verify returns nil if enough different trusted keys have signed.
func (t *Trust) verify(e ota.Envelope) *ota.Failure {
	switch n := len(e.Signatures); {
	case n == 0 && t.AllowUnsigned:
		return nil
	case n == 0:
		return &ota.Failure{Code: ota.KeyUntrusted, Detail: "the manifest is not signed"}
	case n > ota.MaxSignatures:
		return &ota.Failure{Code: ota.KeyUntrusted, Detail: "the envelope has too many signatures"}
	}
	signed := PAE(e.PayloadType, e.Payload)
	var signers []int // the places of the keys
	broken := false
	for _, s := range e.Signatures {
		switch i := t.signer(signed, s.Sig); {
		case i < 0:
			broken = broken || t.claims(s.KeyID)
		case !slices.Contains(signers, i):
			signers = append(signers, i)
		}
	}
	need := max(t.Threshold, 1)
	switch {
	case len(signers) >= need:
		return nil
	case broken:
		return &ota.Failure{Code: ota.SignatureInvalid, Detail: "the signature of a trusted key does not fit the manifest"}
	}
	return &ota.Failure{
		Code:   ota.KeyUntrusted,
		Detail: fmt.Sprintf("signed by %d trusted keys, and %d are needed", len(signers), need),
	}
}

// signer finds the place of the key that made a signature, whatever key id the
// signature claims; -1 if no trusted key did. A key that is listed twice is
// always found at its first place, and so counts once.
func (t *Trust) signer(signed, sig []byte) int {
	return slices.IndexFunc(t.Keys, func(k ed25519.PublicKey) bool {
		return len(k) == ed25519.PublicKeySize && ed25519.Verify(k, signed, sig)
	})
}

// claims reports whether a key id names a trusted key.
func (t *Trust) claims(keyID string) bool {
	return slices.ContainsFunc(t.Keys, func(k ed25519.PublicKey) bool { return KeyID(k) == keyID })
}
