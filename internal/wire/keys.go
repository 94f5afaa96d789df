package wire

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxKeyFile is the bytes of a key file; an Ed25519 key takes some hundred.
const maxKeyFile = 16 << 10

// The types of PEM blocks.
const (
	pemPublic  = "PUBLIC KEY"
	pemPrivate = "PRIVATE KEY"
)

// KeyID is the name of a key in a signature: the lower-case hex SHA-256 of its
// PKIX DER form.
func KeyID(key ed25519.PublicKey) string {
	der, _ := x509.MarshalPKIXPublicKey(key) // never fails for this type of key
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// ParsePublicKey reads a key file: one Ed25519 public key in PEM (PKIX), or its
// 32 bytes in base64.
func ParsePublicKey(file []byte) (ed25519.PublicKey, error) {
	if !bytes.Contains(file, []byte("-----BEGIN")) {
		return parseRawKey(file)
	}
	der, err := pemBlock(file, pemPublic)
	if err != nil {
		return nil, fmt.Errorf("cannot read the public key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("cannot read the public key: %w", err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("cannot use the public key: it is of type %T, and must be Ed25519", parsed)
	}
	return key, nil
}

func parseRawKey(file []byte) (ed25519.PublicKey, error) {
	text := bytes.TrimSpace(file)
	if len(text) > 2*ed25519.PublicKeySize {
		return nil, errors.New("cannot read the public key: it must be PEM, or 32 bytes in base64")
	}
	key, err := decodeBase64(string(text))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("cannot read the public key: it must be PEM, or 32 bytes in base64")
	}
	return key, nil
}

// ParsePrivateKey reads a key file: one Ed25519 private key in PEM (PKCS #8,
// not encrypted).
func ParsePrivateKey(file []byte) (ed25519.PrivateKey, error) {
	der, err := pemBlock(file, pemPrivate)
	if err != nil {
		return nil, fmt.Errorf("cannot read the private key: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("cannot read the private key: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("cannot use the private key: it is of type %T, and must be Ed25519", parsed)
	}
	return key, nil
}

// pemBlock returns the content of the one PEM block of a key file.
func pemBlock(file []byte, want string) ([]byte, error) {
	if len(file) > maxKeyFile {
		return nil, fmt.Errorf("the file has %d bytes, more than any key", len(file))
	}
	block, rest := pem.Decode(file)
	switch {
	case block == nil:
		return nil, errors.New("the file is not PEM")
	case block.Type != want:
		return nil, fmt.Errorf("the file holds a PEM block %.32q, and must hold a %q", block.Type, want)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("the file must hold one key and nothing behind it")
	}
	return block.Bytes, nil
}

// MarshalPublicKey writes a key file that ParsePublicKey reads, in PEM (PKIX).
func MarshalPublicKey(key ed25519.PublicKey) ([]byte, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("cannot write a public key of %d bytes", len(key))
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot write the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der}), nil
}

// MarshalPrivateKey writes a key file that ParsePrivateKey reads, in PEM (PKCS
// #8). The file is a secret: it belongs to its owner alone.
func MarshalPrivateKey(key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("cannot write a private key of %d bytes", len(key))
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cannot write the private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), nil
}
