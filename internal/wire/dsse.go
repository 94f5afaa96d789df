package wire

import (
	"crypto/ed25519"
	"fmt"
	"strconv"

	"otafleet/internal/ota"
)

// ManifestType is the payload type of an envelope that holds a manifest.
const ManifestType = "application/vnd.ota.manifest.v1+json"

// SidecarSuffix is what the name of an envelope's file ends with that lies beside the
// files of its package, on platforms that keep files as they are.
const SidecarSuffix = ".ota-manifest"

// maxHint is the characters of an envelope's payload type and of a key id.
const maxHint = 128

// PAE is DSSE's pre-authentication encoding: the bytes that a signature covers.
func PAE(payloadType string, payload []byte) []byte {
	const frame = 64 // bytes enough for the word, two numbers and the spaces
	b := make([]byte, 0, frame+len(payloadType)+len(payload))
	b = append(b, "DSSEv1 "...)
	b = strconv.AppendInt(b, int64(len(payloadType)), 10)
	b = append(b, ' ')
	b = append(b, payloadType...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(payload)), 10)
	b = append(b, ' ')
	return append(b, payload...)
}

// Sign puts a payload into an envelope with one signature of each key, in their
// order. Without keys the envelope is unsigned, and only devices that allow it
// accept it. A key of the wrong length is an error.
func Sign(payloadType string, payload []byte, keys ...ed25519.PrivateKey) (ota.Envelope, error) {
	e := ota.Envelope{PayloadType: payloadType, Payload: payload}
	signed := PAE(payloadType, payload)
	for i, key := range keys {
		if len(key) != ed25519.PrivateKeySize {
			return ota.Envelope{}, fmt.Errorf("cannot sign with key %d: it is not an Ed25519 private key", i+1)
		}
		e.Signatures = append(e.Signatures, ota.Signature{
			KeyID: KeyID(key.Public().(ed25519.PublicKey)),
			Sig:   ed25519.Sign(key, signed),
		})
	}
	return e, nil
}

// EncodeEnvelope writes an envelope as it stands in a package file. An error is
// an *Invalid, if the envelope itself is at fault.
func EncodeEnvelope(e ota.Envelope) ([]byte, error) {
	return encode(nil, "envelope", newEnvelope(e))
}

// DecodeEnvelope reads an envelope and verifies nothing: Trust.Open does that.
// An error is an *Invalid.
func DecodeEnvelope(payload []byte) (ota.Envelope, error) {
	var b envelopeBody
	if err := decode("envelope", payload, &b); err != nil {
		return ota.Envelope{}, err
	}
	return b.envelope(), nil
}

type envelopeBody struct {
	PayloadType string          `json:"payloadType"`
	Payload     blob            `json:"payload"`
	Signatures  []signatureBody `json:"signatures"`
}

type signatureBody struct {
	KeyID string `json:"keyid"`
	Sig   blob   `json:"sig"`
}

func newEnvelope(e ota.Envelope) *envelopeBody {
	b := &envelopeBody{
		PayloadType: e.PayloadType,
		Payload:     blob{data: e.Payload},
		Signatures:  []signatureBody{}, // DSSE wants the list even when it is empty
	}
	for _, s := range e.Signatures {
		b.Signatures = append(b.Signatures, signatureBody{KeyID: s.KeyID, Sig: blob{data: s.Sig}})
	}
	return b
}

func (b *envelopeBody) envelope() ota.Envelope {
	return ota.Envelope{
		PayloadType: b.PayloadType,
		Payload:     b.Payload.data,
		Signatures: mapped(b.Signatures, func(s signatureBody) ota.Signature {
			return ota.Signature{KeyID: s.KeyID, Sig: s.Sig.data}
		}),
	}
}

func (b *envelopeBody) check(c *checker) {
	c.text("payloadType", b.PayloadType, maxHint)
	c.must(!b.Payload.bad && len(b.Payload.data) > 0, "payload", ruleBase64)
	if !c.count("signatures", len(b.Signatures), 0, ota.MaxSignatures) {
		return
	}
	for i, s := range b.Signatures {
		c.enter("signatures", i)
		c.text("keyid", s.KeyID, maxHint)
		c.must(!s.Sig.bad && len(s.Sig.data) > 0, "sig", ruleBase64)
		c.leave()
	}
}
