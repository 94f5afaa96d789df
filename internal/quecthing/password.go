package quecthing

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// RandomSize is how many characters the random part of a password has: digits and
// letters.
const RandomSize = 16

// ErrPassword is the reason of every password that is refused.
var ErrPassword = errors.New("the password is wrong")

// maxPassword is far above what the two forms have.
const maxPassword = 1024

// FirstPassword is what a device logs in with that has no secret of its own yet. It
// asks for encrypted payloads with session. random has RandomSize digits or letters.
func FirstPassword(product, productSecret, device, random string, session bool) (string, error) {
	c, err := productCipher(productSecret)
	if err != nil {
		return "", err
	}
	plain := device + ";" + random + ";" + sign(device, productSecret, random)
	return "0;" + flag(session) + ";" + product + ";" +
		base64.StdEncoding.EncodeToString(c.Seal([]byte(plain))), nil
}

// LoginPassword is what a device logs in with that has a secret.
func LoginPassword(productSecret, deviceSecret, random string, session bool) string {
	return "1;" + flag(session) + ";" + random + ";" + sign(deviceSecret, productSecret, random)
}

// productCipher encrypts first contacts. Its key is the beginning of the secret.
func productCipher(productSecret string) (*Cipher, error) {
	if len(productSecret) < MinProductSecret {
		return nil, fmt.Errorf("a product secret has at least %d characters", MinProductSecret)
	}
	return newCipher([]byte(productSecret[:MinProductSecret]), []byte(productSecret))
}

func sign(parts ...string) string {
	digest := sha256.Sum256([]byte(strings.Join(parts, ";")))
	return base64.StdEncoding.EncodeToString(digest[:])
}

func flag(session bool) string {
	if session {
		return "0001"
	}
	return "0000"
}

// Password is one that a platform got, taken apart and not yet checked.
type Password struct {
	First   bool   // of a first contact
	Session bool   // encrypted payloads are wanted
	Product string // of a first contact

	random string // of a login
	proof  string // what is encrypted, or signed
}

// ParsePassword takes a password apart. Its error wraps ErrPassword.
func ParsePassword(text string) (Password, error) {
	parts := strings.Split(text, ";")
	switch {
	case len(text) > maxPassword || len(parts) != 4:
		return Password{}, fmt.Errorf("%w: it has not four parts", ErrPassword)
	case parts[0] != "0" && parts[0] != "1":
		return Password{}, fmt.Errorf("%w: it has neither form 0 nor 1", ErrPassword)
	case parts[1] != "0000" && parts[1] != "0001":
		return Password{}, fmt.Errorf("%w: its flag is neither 0000 nor 0001", ErrPassword)
	}
	p := Password{First: parts[0] == "0", Session: parts[1] == "0001", proof: parts[3]}
	if p.First {
		p.Product = parts[2]
	} else {
		p.random = parts[2]
	}
	return p, nil
}

// CheckFirst gives the device that made this password of a first contact with the
// product's secret. Its error wraps ErrPassword, or says that no secret is so short.
func (p Password) CheckFirst(productSecret string) (device string, err error) {
	c, err := productCipher(productSecret)
	if err != nil {
		return "", err
	}
	sealed, err := base64.StdEncoding.DecodeString(p.proof)
	if err != nil || !p.First {
		return "", fmt.Errorf("%w: it is not one of a first contact", ErrPassword)
	}
	plain, err := c.Open(sealed)
	if err != nil {
		return "", fmt.Errorf("%w: it was not made with the secret of the product", ErrPassword)
	}
	parts := strings.Split(string(plain), ";")
	if len(parts) != 3 || !same(parts[2], sign(parts[0], productSecret, parts[1])) {
		return "", fmt.Errorf("%w: it was not made with the secret of the product", ErrPassword)
	}
	return parts[0], nil
}

// CheckLogin says whether the password was made with these secrets. Its error wraps
// ErrPassword.
func (p Password) CheckLogin(productSecret, deviceSecret string) error {
	if p.First || !same(p.proof, sign(deviceSecret, productSecret, p.random)) {
		return fmt.Errorf("%w: it was not made with the secrets of the device", ErrPassword)
	}
	return nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
