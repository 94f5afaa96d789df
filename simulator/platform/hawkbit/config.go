package hawkbit

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/hawkbit/management"
)

// DefaultSleep is the pause between two polls of a device.
const DefaultSleep = 30 * time.Second

// maxSleep is the longest pause that hawkBit's form of it can say.
const maxSleep = 24*time.Hour - time.Second

// Config says whom to let in, and what to tell devices. The zero value lets everybody
// in.
type Config struct {
	// Credentials decides on the target tokens of devices; nil accepts none, or, without
	// a gateway token either, every device.
	Credentials func(device, token string) bool
	// GatewayToken may act for every device; empty accepts none.
	GatewayToken string
	// Product is that of devices without an attribute "product"; empty means the tenant
	// that they name.
	Product string
	Sleep   time.Duration // between two polls, in whole seconds; 0 means DefaultSleep
	// Targets is what operators make by the management API; nil serves no such API.
	// Devices of its targets have the tokens that it gives them.
	Targets   *management.Store
	Operators func(user, password string) bool // decides on their passwords
	// FileURL gives a fresh address of a file of a package elsewhere, as of a hawkBit whose
	// artifacts lie on a CDN; nil for the server's own.
	FileURL func(reference, name string) (string, error)
	Logger  *slog.Logger // nil discards
}

// Validate says everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var problems []error
	if c.Sleep < 0 || c.Sleep > maxSleep || c.Sleep%time.Second != 0 {
		problems = append(problems, fmt.Errorf("pause %s between polls: want whole seconds, at most 23:59:59", c.Sleep))
	}
	if c.Product != "" && !ota.ValidKey(c.Product) {
		problems = append(
			problems,
			fmt.Errorf("product %q: want 1 to %d characters of [A-Za-z0-9_-]", c.Product, ota.MaxKey),
		)
	}
	if (c.Targets == nil) != (c.Operators == nil) {
		problems = append(problems, errors.New("the management API needs operators, and they need it"))
	}
	return errors.Join(problems...)
}

func (c Config) withDefaults() Config {
	if c.Sleep == 0 {
		c.Sleep = DefaultSleep
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
