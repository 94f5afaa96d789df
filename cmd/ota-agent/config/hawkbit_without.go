//go:build nohawkbit

package config

import (
	"errors"

	"otafleet/internal/yamlform"
)

// ErrNoHawkBit is why a configuration with a hawkBit server is refused.
var ErrNoHawkBit = errors.New("this program was built without hawkBit (tag nohawkbit)")

func readHawkBit(m *yamlform.Map, _ base, _ *Config) {
	if m.Given() {
		m.Problemf("url", "%s", ErrNoHawkBit)
	}
}
