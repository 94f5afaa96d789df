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
	// Of says of what these are the keys, where a device has several sets, for
	// details: "component app". It may be empty.
	Of string
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
		problems = append(
			problems, errors.New("without a key every package is refused: give one, or allow unsigned packages"))
	case len(t.Keys) > 0 && t.Threshold > len(t.Keys):
		problems = append(problems, fmt.Errorf("the threshold is %d, more than there are keys (%d)", t.Threshold,
			len(t.Keys)))
	}
	return errors.Join(problems...)
}

// Open verifies the signatures of an envelope and returns the manifest inside.
// Every error is a *ota.Failure. It has code signature_invalid if too few keys
// have signed and a signature that claims to be of a trusted key does not
// verify, key_untrusted if there are too few for any other reason, and
// manifest_mismatch if what was signed is not a manifest.
func (t *Trust) Open(e ota.Envelope) (*ota.Manifest, error) {
	if failure := t.Verify(e); failure != nil {
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

// Verify returns nil if enough different trusted keys have signed what an envelope
// holds, whatever its type is. The codes are those of Open. Each check of a
// signature reads the whole payload, and whoever sends one chooses how many come:
// one is held against the key that it names, and against the others only if that
// leaves too few.
func (t *Trust) Verify(e ota.Envelope) *ota.Failure {
	switch n := len(e.Signatures); {
	case n == 0 && t.AllowUnsigned:
		return nil
	case n == 0:
		return &ota.Failure{Code: ota.KeyUntrusted, Detail: "the manifest is not signed"}
	case n > ota.MaxSignatures:
		return &ota.Failure{Code: ota.KeyUntrusted, Detail: "the envelope has too many signatures"}
	}
	signed := PAE(e.PayloadType, e.Payload)
	signers := map[int]bool{} // the places of the keys
	var others []ota.Signature
	for _, s := range e.Signatures {
		if i := t.named(s.KeyID); i >= 0 && verifies(t.Keys[i], signed, s.Sig) {
			signers[i] = true
		} else {
			others = append(others, s)
		}
	}
	need, broken := max(t.Threshold, 1), false
	for _, s := range others {
		if len(signers) >= need {
			break
		}
		if i := t.signer(signed, s.Sig); i >= 0 {
			signers[i] = true
		} else {
			broken = broken || t.named(s.KeyID) >= 0
		}
	}
	switch {
	case len(signers) >= need:
		return nil
	case broken:
		return &ota.Failure{Code: ota.SignatureInvalid, Detail: "the signature of a trusted key does not fit the manifest"}
	}
	return &ota.Failure{Code: ota.KeyUntrusted,
		Detail: fmt.Sprintf("signed by %d of the trusted keys%s, and %d must have signed", len(signers), t.of(), need)}
}

func (t *Trust) of() string {
	if t.Of == "" {
		return ""
	}
	return " of " + t.Of
}

// signer finds the place of the key that made a signature, whatever key id the
// signature claims; -1 if no trusted key did. A key that is listed twice is
// always found at its first place, and so counts once.
func (t *Trust) signer(signed, sig []byte) int {
	return slices.IndexFunc(t.Keys, func(k ed25519.PublicKey) bool { return verifies(k, signed, sig) })
}

// named finds the first place of the key that a key id names; -1 if it names no
// trusted key.
func (t *Trust) named(keyID string) int {
	return slices.IndexFunc(t.Keys, func(k ed25519.PublicKey) bool { return KeyID(k) == keyID })
}

func verifies(key ed25519.PublicKey, signed, sig []byte) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, signed, sig)
}
