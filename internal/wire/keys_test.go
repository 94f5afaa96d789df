package wire_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/wire"
)

func publicFile(t testing.TB) []byte {
	file, err := wire.MarshalPublicKey(public(1))
	require.NoError(t, err)
	return file
}

func privateFile(t testing.TB) []byte {
	file, err := wire.MarshalPrivateKey(key(1))
	require.NoError(t, err)
	return file
}

func pemFile(t testing.TB, kind string, der []byte, err error) []byte {
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestKeyFilesAreReadBack(t *testing.T) {
	got, err := wire.ParsePublicKey(publicFile(t))
	require.NoError(t, err)
	assert.Equal(t, public(1), got)
	secret, err := wire.ParsePrivateKey(privateFile(t))
	require.NoError(t, err)
	assert.Equal(t, key(1), secret)
}

func TestPublicKeysInBase64(t *testing.T) {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding,
		base64.RawURLEncoding} {
		got, err := wire.ParsePublicKey([]byte("\n " + encoding.EncodeToString(public(4)) + "\r\n"))
		require.NoError(t, err)
		assert.Equal(t, public(4), got)
	}
}

func TestKeyID(t *testing.T) {
	// As "openssl pkey -pubin -outform der | sha256sum" says of this key.
	assert.Equal(t, "fd110d301d2f077de1414b8f99f441b1403fab207b2052fbd2c065e4ee8e7dc2", wire.KeyID(public(1)))
	assert.NotEqual(t, wire.KeyID(public(1)), wire.KeyID(public(2)))
	assert.Len(t, wire.KeyID(nil), 64)
}

func TestWhatIsNoPublicKeyIsRefused(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&other.PublicKey)
	cases := map[string]struct {
		file []byte
		want string
	}{
		"empty":               {nil, "must be PEM, or 32 bytes"},
		"text":                {[]byte("hello"), "must be PEM, or 32 bytes"},
		"too short":           {[]byte(base64.StdEncoding.EncodeToString(make([]byte, 31))), "must be PEM, or 32 bytes"},
		"too long":            {bytes.Repeat([]byte("A"), 1<<20), "must be PEM, or 32 bytes"},
		"a private key":       {privateFile(t), `holds a PEM block "PRIVATE KEY"`},
		"two keys":            {append(publicFile(t), publicFile(t)...), "one key"},
		"a torn block":        {publicFile(t)[:60], "not PEM"},
		"a block of nonsense": {pemFile(t, "PUBLIC KEY", []byte("nonsense"), nil), "cannot read"},
		"another kind of key": {pemFile(t, "PUBLIC KEY", der, err), "must be Ed25519"},
		"a huge file":         {append(publicFile(t), make([]byte, 1<<20)...), "more than any key"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := wire.ParsePublicKey(c.file)
			assert.Nil(t, got)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestWhatIsNoPrivateKeyIsRefused(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(other)
	cases := map[string]struct {
		file []byte
		want string
	}{
		"empty":               {nil, "not PEM"},
		"a public key":        {publicFile(t), `holds a PEM block "PUBLIC KEY"`},
		"a block of nonsense": {pemFile(t, "PRIVATE KEY", []byte("nonsense"), nil), "cannot read"},
		"another kind of key": {pemFile(t, "PRIVATE KEY", der, err), "must be Ed25519"},
		"two keys":            {append(privateFile(t), privateFile(t)...), "one key"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := wire.ParsePrivateKey(c.file)
			assert.Nil(t, got)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestKeysOfTheWrongLengthAreNotWritten(t *testing.T) {
	_, err := wire.MarshalPublicKey(ed25519.PublicKey{1})
	assert.EqualError(t, err, "cannot write a public key of 1 bytes")
	_, err = wire.MarshalPrivateKey(nil)
	assert.EqualError(t, err, "cannot write a private key of 0 bytes")
}
