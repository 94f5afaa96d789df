//go:build noquecthing

package config

import (
	"errors"

	"otafleet/internal/yamlform"
)

// ErrNoQuecThing is why a configuration with a quecthing platform is refused.
var ErrNoQuecThing = errors.New("this program was built without quecthing (tag noquecthing)")

func readQuecThing(m *yamlform.Map, _ base, _ *Config) {
	if m.Given() {
		m.Problemf("url", "%s", ErrNoQuecThing)
	}
}
