package quecthing

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
)

// errSealed does not say what is wrong: whoever asks must learn nothing by it.
var errSealed = errors.New("cannot decrypt it")

// Cipher encrypts the payloads of a connection, whole frames, with its session key:
// AES-128-CBC, PKCS 7.
type Cipher struct {
	block cipher.Block
	iv    [aes.BlockSize]byte
}

// NewCipher returns the cipher of a session key, which has SessionKeySize bytes.
func NewCipher(key []byte) (*Cipher, error) {
	if len(key) != SessionKeySize {
		return nil, fmt.Errorf("a session key has %d bytes, not %d", SessionKeySize, len(key))
	}
	return newCipher(key, key)
}

// newCipher returns the cipher of a key, with the vector that is made from a secret.
func newCipher(key, secret []byte) (*Cipher, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cannot use the key: %w", err)
	}
	digest := sha256.Sum256(secret)
	return &Cipher{block: block, iv: [aes.BlockSize]byte(digest[:])}, nil
}

// Seal encrypts a payload.
func (c *Cipher) Seal(plain []byte) []byte {
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	sealed := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(c.block, c.iv[:]).CryptBlocks(sealed, sealed)
	return sealed
}

// Open decrypts a payload. It fails for what was not encrypted so; not for
// everything that was encrypted with another key.
func (c *Cipher) Open(sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, errSealed
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(c.block, c.iv[:]).CryptBlocks(plain, sealed)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errSealed
	}
	return plain[:len(plain)-pad], nil
}
