package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

func TestPAE(t *testing.T) {
	// The example of the DSSE protocol.
	assert.Equal(t, "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
		string(wire.PAE("http://example.com/HelloWorld", []byte("hello world"))))
	assert.Equal(t, "DSSEv1 0  0 ", string(wire.PAE("", nil)))
	assert.NotEqual(t, wire.PAE("a", []byte("b c")), wire.PAE("a 1 b", []byte("c")))
}

func TestOpen(t *testing.T) {
	broken := func(e ota.Envelope) ota.Envelope {
		e.Signatures = append([]ota.Signature(nil), e.Signatures...)
		for i, s := range e.Signatures {
			sig := bytes.Clone(s.Sig)
			sig[0] ^= 1
			e.Signatures[i].Sig = sig
		}
		return e
	}
	withKeyID := func(e ota.Envelope, id string) ota.Envelope {
		e.Signatures = []ota.Signature{{KeyID: id, Sig: e.Signatures[0].Sig}}
		return e
	}
	withPayload := func(e ota.Envelope, payload string) ota.Envelope {
		e.Payload = []byte(payload)
		return e
	}
	join := func(a, b ota.Envelope) ota.Envelope {
		a.Signatures = append(append([]ota.Signature(nil), a.Signatures...), b.Signatures...)
		return a
	}
	signed := func(payloadType, payload string) ota.Envelope {
		e, err := wire.Sign(payloadType, []byte(payload), key(1))
		require.NoError(t, err)
		return e
	}
	one, two, stranger, unsigned := envelope(t, key(1)), envelope(t, key(2)), envelope(t, key(9)), envelope(t)
	many := unsigned
	many.Signatures = make([]ota.Signature, ota.MaxSignatures+1)
	const either = 0

	cases := []struct {
		name          string
		envelope      ota.Envelope
		threshold     int
		allowUnsigned bool
		want          ota.Code // empty if the manifest is accepted
	}{
		{"signed by one", one, either, false, ""},
		{"signed by the other", two, 1, false, ""},
		{"signed by both", join(one, two), 2, false, ""},
		{"one of two that are needed", one, 2, false, ota.KeyUntrusted},
		{"the same one twice", join(one, one), 2, false, ota.KeyUntrusted},
		{"three are needed", join(one, two), 3, false, ota.KeyUntrusted},
		{"unsigned", unsigned, either, false, ota.KeyUntrusted},
		{"unsigned, and that is allowed", unsigned, either, true, ""},
		{"a stranger", stranger, either, false, ota.KeyUntrusted},
		{"a stranger where unsigned is allowed", stranger, either, true, ota.KeyUntrusted},
		{"a stranger in a trusted key's name", withKeyID(stranger, wire.KeyID(public(1))), either, false,
			ota.SignatureInvalid},
		{"a stranger beside a trusted key", join(stranger, one), either, false, ""},
		{"a trusted key in no key's name", withKeyID(one, ""), either, false, ""},
		{"a trusted key in a stranger's name", withKeyID(one, "stranger"), either, false, ""},
		{"a trusted key in another's name", withKeyID(one, wire.KeyID(public(2))), either, false, ""},
		{"broken", broken(one), either, false, ota.SignatureInvalid},
		{"broken where unsigned is allowed", broken(one), either, true, ota.SignatureInvalid},
		{"broken beside a good one that suffices", join(broken(one), two), 1, false, ""},
		{"broken beside a good one that does not", join(broken(one), two), 2, false, ota.SignatureInvalid},
		{"broken by a stranger", broken(stranger), either, false, ota.KeyUntrusted},
		{"an empty signature", ota.Envelope{PayloadType: wire.ManifestType, Payload: one.Payload,
			Signatures: []ota.Signature{{KeyID: wire.KeyID(public(1))}}}, either, false, ota.SignatureInvalid},
		{"too many signatures", many, either, false, ota.KeyUntrusted},
		{"changed payload", withPayload(one, "{}"), either, false, ota.SignatureInvalid},
		{"signed as something else", signed("text/plain", string(one.Payload)), either, false, ota.ManifestMismatch},
		{"signed, but no manifest", signed(wire.ManifestType, `{"product":"../gw"}`), either, false, ota.ManifestMismatch},
		{"unsigned and no manifest", withPayload(unsigned, `[]`), either, true, ota.ManifestMismatch},
		{"nothing at all", ota.Envelope{}, either, false, ota.KeyUntrusted},
		{"nothing at all where unsigned is allowed", ota.Envelope{}, either, true, ota.ManifestMismatch},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			trust := wire.Trust{
				Keys:      []ed25519.PublicKey{nil, public(1), public(1), public(2)},
				Threshold: c.threshold, AllowUnsigned: c.allowUnsigned,
			}
			m, err := trust.Open(c.envelope)
			if c.want == "" {
				require.NoError(t, err)
				assert.Equal(t, manifest(), m)
				return
			}
			var failure *ota.Failure
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, c.want, failure.Code)
			assert.NotEmpty(t, failure.Detail)
			assert.Less(t, len(failure.Detail), ota.MaxDetail)
			assert.Nil(t, m)
		})
	}
}

func TestATypeIsSignedWithItsPayload(t *testing.T) {
	e := envelope(t, key(1))
	e.PayloadType = "application/json"
	trust := wire.Trust{Keys: []ed25519.PublicKey{public(1)}}
	_, err := trust.Open(e)
	var failure *ota.Failure
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, ota.SignatureInvalid, failure.Code)
}

func TestTrustIsValidated(t *testing.T) {
	two := []ed25519.PublicKey{public(1), public(2)}
	for want, trust := range map[string]wire.Trust{
		"":                               {Keys: two, Threshold: 2},
		"without a key every package":    {},
		"threshold must not be negative": {Keys: two, Threshold: -1},
		"threshold is 3":                 {Keys: two, Threshold: 3},
		"key 3 is listed twice":          {Keys: append(two[:2:2], public(1))},
		"key 1 is not an Ed25519 public": {Keys: []ed25519.PublicKey{make([]byte, 31), public(1)}},
		"key 2 is not an Ed25519 public": {Keys: []ed25519.PublicKey{public(1), nil}, AllowUnsigned: true},
	} {
		if want == "" {
			assert.NoError(t, trust.Validate())
		} else {
			assert.ErrorContains(t, trust.Validate(), want)
		}
	}
	onlyUnsigned := wire.Trust{AllowUnsigned: true}
	assert.NoError(t, onlyUnsigned.Validate())
}

func TestSignRefusesWhatIsNoKey(t *testing.T) {
	_, err := wire.Sign(wire.ManifestType, []byte("{}"), key(1), nil)
	assert.EqualError(t, err, "cannot sign with key 2: it is not an Ed25519 private key")
}

func TestEnvelopesAreReadInEitherBase64(t *testing.T) {
	// Three bytes that differ between the alphabets, and two that need padding.
	data := []byte{0xfb, 0xff, 0xfe, 0xfb, 0xff}
	want := ota.Envelope{PayloadType: "t", Payload: data, Signatures: []ota.Signature{{KeyID: "k", Sig: data}}}
	for name, encoding := range map[string]*base64.Encoding{
		"standard": base64.StdEncoding, "standard without padding": base64.RawStdEncoding,
		"URL-safe": base64.URLEncoding, "URL-safe without padding": base64.RawURLEncoding,
	} {
		t.Run(name, func(t *testing.T) {
			text := encoding.EncodeToString(data)
			got, err := wire.DecodeEnvelope(fmt.Appendf(nil,
				`{"payloadType":"t","payload":%q,"signatures":[{"keyid":"k","sig":%q}]}`, text, text))
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	for _, text := range []string{"+-AA", "+_AA", "A", "A===", "AA=A", "§§§§"} {
		_, err := wire.DecodeEnvelope(fmt.Appendf(nil, `{"payloadType":"t","payload":%q,"signatures":[]}`, text))
		requireInvalid(t, err, "payload: must be base64")
	}
}

func TestEnvelopeIsChecked(t *testing.T) {
	payload, err := wire.EncodeEnvelope(envelope(t, key(1)))
	require.NoError(t, err)
	checkEdits(t, "envelope", payload, []edit{
		{"type too long", `application/`, strings.Repeat("a", 200), "payloadType: must be at most 128"},
		{"type with a line end", `application/`, `application\n`, "payloadType: must be"},
		{"payload is a list", `"payload":"`, `"payload":[],"other":"`, "payload: must not be of the JSON type array"},
		{"signature is empty", `"sig":"`, `"sig":"","other":"`, "signatures[0].sig: must be base64"},
		{"signatures are an object", `"signatures":[`, `"signatures":{},"others":[`,
			"signatures: must not be of the JSON type object"},
		{"no key id", `"keyid"`, `"key"`, ""},
	})
}
