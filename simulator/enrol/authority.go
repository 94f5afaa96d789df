package enrol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Algorithm is one of keys.
type Algorithm string

// The algorithms.
const (
	P256    Algorithm = "p256"    // ECDSA on NIST's curve P-256, which every broker takes
	Ed25519 Algorithm = "ed25519" // of RFC 8032 and RFC 8410
)

// Algorithms lists them.
func Algorithms() []Algorithm { return []Algorithm{P256, Ed25519} }

// Platform is the common name of the certificate by which a platform logs in to the
// broker of its devices.
const Platform = "ota-platform"

// commonName of the authority, which says to whoever finds it that it proves nothing.
const commonName = "test authority of ota-sim, not for production"

// Authority signs the certificates of devices. It is not changed after NewAuthority,
// so it may be shared.
type Authority struct {
	algorithm   Algorithm
	seed        uint64
	key         crypto.Signer
	certificate *x509.Certificate
}

// Pair is a certificate and its key, both PEM; the key as PKCS #8.
type Pair struct{ Certificate, Key []byte }

// NewAuthority makes the authority of a seed, whose keys and those of its devices are
// of the algorithm.
func NewAuthority(seed uint64, a Algorithm) (*Authority, error) {
	key, err := newKey(a, seed, "authority")
	if err != nil {
		return nil, err
	}
	template := certificate(seed, "authority", commonName)
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	// Without a source of random numbers ECDSA signs as RFC 6979 says, always the same.
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("cannot make an authority: %w", err)
	}
	own, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cannot make an authority: %w", err)
	}
	return &Authority{algorithm: a, seed: seed, key: key, certificate: own}, nil
}

// Pair is the authority's own certificate and key.
func (a *Authority) Pair() (Pair, error) { return encode(a.certificate.Raw, a.key) }

// Issue makes the key of a device, or of Platform, and a certificate with its device
// key as the common name, for clients of TLS.
func (a *Authority) Issue(device string) (Pair, error) {
	key, err := newKey(a.algorithm, a.seed, "device "+device)
	if err != nil {
		return Pair{}, err
	}
	template := certificate(a.seed, "device "+device, device)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(nil, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("cannot make a certificate for %s: %w", device, err)
	}
	return encode(der, key)
}

// Token is a secret of 32 hexadecimal digits for a device, by which a platform without
// certificates knows it.
func (a *Authority) Token(device string) string {
	sum := digest(a.seed, "token of "+device, 0)
	return hex.EncodeToString(sum[:16])
}

// certificate is a template. Its times do not depend on the clock, or the same seed
// would not give the same bytes.
func certificate(seed uint64, purpose, name string) *x509.Certificate {
	serial := digest(seed, "serial of "+purpose, 0)
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:16]),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC),
	}
}

// newKey is the key of a purpose.
func newKey(a Algorithm, seed uint64, purpose string) (crypto.Signer, error) {
	switch a {
	case Ed25519:
		sum := digest(seed, "key of "+purpose, 0)
		return ed25519.NewKeyFromSeed(sum[:]), nil
	case P256:
		for try := uint64(0); ; try++ { // one number in 2^32 is not a key of the curve
			sum := digest(seed, "key of "+purpose, try)
			if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:]); err == nil {
				return key, nil
			}
		}
	}
	return nil, fmt.Errorf("%q is not an algorithm; want %s or %s", a, P256, Ed25519)
}

// digest is 32 bytes that depend on its arguments alone.
func digest(seed uint64, purpose string, try uint64) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "ota-sim enrol %d %d %s", seed, try, purpose))
}

func encode(der []byte, key crypto.Signer) (Pair, error) {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("cannot encode a key: %w", err)
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}
