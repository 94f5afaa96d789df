package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
)

// Config says where the broker listens and who may use it.
type Config struct {
	Address string      // where to listen; empty means 127.0.0.1:0, a free port
	TLS     *tls.Config // nil means plain TCP
	Prefix  string      // of every topic; empty means ota/v1

	// Credentials decides whether a device's user name and password are right.
	// Nil lets everybody in, which is meant for loopback. It is called
	// concurrently.
	Credentials func(username, password string) bool

	// Gateways names, by user name, the devices that a gateway speaks for
	// beside itself, each as <product>.<device>.
	Gateways map[string][]string

	// PlatformUser may publish and subscribe everywhere under the prefix, as a
	// platform in another process does. Empty means that none may.
	PlatformUser     string
	PlatformPassword string

	// MaxAway is how many sessions may wait for clients that are not connected: of
	// more, the one that has waited longest ends. 0 means any number.
	MaxAway int

	// Handle receives every message published to <prefix>/+/+/up/+, wills
	// included. It is called in the goroutine of the device's connection: in
	// order for one device, concurrently for several, and a slow Handle slows
	// its device down. It may call Publish. It must not change the payload.
	Handle func(topic string, payload []byte)

	Logger *slog.Logger // nil discards
}

// Validate reports everything that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	if c.Prefix != "" && !validPrefix(c.Prefix) {
		errs = append(errs, fmt.Errorf("prefix %q: want levels of a topic without wildcards, such as ota/v1", c.Prefix))
	}
	if c.PlatformUser == "" && c.PlatformPassword != "" {
		errs = append(errs, errors.New("platform password without a platform user"))
	}
	for user, devices := range c.Gateways {
		for _, d := range devices {
			if !deviceID(d) {
				errs = append(errs, fmt.Errorf("gateway %q: %q is not <product>.<device>", user, d))
			}
		}
	}
	return errors.Join(errs...)
}
