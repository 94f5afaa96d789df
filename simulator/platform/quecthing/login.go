package quecthing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
)

// Config says whom to let in, and how patient to be. The zero value lets everybody in.
type Config struct {
	// Products holds the secret of each product, by its key. Without any, every device
	// is let in, and no password is looked at.
	Products map[string]string
	// Secrets holds the secrets of devices, by their keys. Without it, each device of
	// Products gets one at its first contact, always the same; with it, others than
	// these are refused.
	Secrets  map[string]string
	Patience Patience
	Logger   *slog.Logger // nil discards
}

// Validate says everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var problems []error
	for _, product := range slices.Sorted(maps.Keys(c.Products)) {
		if secret := c.Products[product]; !ota.ValidKey(product) || len(secret) < codec.MinProductSecret {
			problems = append(problems, fmt.Errorf(
				"product %.70q: want a key of 1 to %d characters of [A-Za-z0-9_-], and a secret of at least %d", product,
				ota.MaxKey, codec.MinProductSecret))
		}
	}
	for _, device := range slices.Sorted(maps.Keys(c.Secrets)) {
		if secret := c.Secrets[device]; secret == "" || len(secret) > codec.MaxDeviceSecret {
			problems = append(problems, fmt.Errorf(
				"the secret of device %.70q has %d characters: want 1 to %d", device, len(secret), codec.MaxDeviceSecret))
		}
	}
	if c.Secrets != nil && len(c.Products) == 0 {
		problems = append(problems, errors.New(
			"there are secrets of devices and none of a product: a device signs with both"))
	}
	return errors.Join(problems...)
}

// login is what a device has logged in with.
type login struct {
	id      ota.Identity
	first   bool   // it has no secret of its own
	session bool   // it wants its payloads encrypted
	secret  string // of the device
}

// errProduct is why a device of an unknown product is not let in.
var errProduct = errors.New("its product is not known here")

// check finds out which device a client is by its password, which nothing else needs.
// known gives the products that the platform knows.
func (c *Config) check(client, password string, known func() []string) (login, error) {
	given, err := codec.ParsePassword(password)
	if err != nil {
		return login{}, err
	}
	l := login{first: given.First, session: given.Session}
	products := slices.Collect(maps.Keys(c.Products))
	if len(products) == 0 {
		products = append(known(), given.Product)
	}
	err = errProduct
	for _, product := range products {
		device, is := strings.CutPrefix(client, codec.ClientID(product, ""))
		if !is || !ota.ValidKey(product) || !ota.ValidKey(device) || given.First && product != given.Product {
			continue
		}
		l.id = ota.Identity{Product: product, Device: device}
		if l.secret, err = c.prove(l.id, given); err == nil {
			return l, nil
		}
	}
	return login{}, err
}

// prove checks a password and gives the secret of its device.
func (c *Config) prove(id ota.Identity, given codec.Password) (secret string, err error) {
	product := c.Products[id.Product]
	if secret = c.Secrets[id.Device]; c.Secrets == nil {
		secret = derived(product, id)
	}
	switch {
	case len(c.Products) == 0:
		return secret, nil
	case secret == "":
		return "", errors.New("it is not among the devices whose secrets are known")
	case !given.First:
		return secret, given.CheckLogin(product, secret)
	}
	device, err := given.CheckFirst(product)
	if err == nil && device != id.Device {
		err = fmt.Errorf("%w: it was made by another device", codec.ErrPassword)
	}
	return secret, err
}

// derived is the secret of a device that has none from elsewhere. It needs no memory.
func derived(productSecret string, id ota.Identity) string {
	mac := hmac.New(sha256.New, []byte(productSecret))
	_, _ = mac.Write([]byte("device secret of " + id.Product + ";" + id.Device))
	return hex.EncodeToString(mac.Sum(nil))[:codec.MaxDeviceSecret]
}
