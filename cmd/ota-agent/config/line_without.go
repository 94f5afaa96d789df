//go:build noline

package config

import (
	"errors"

	"otafleet/internal/yamlform"
)

// ErrNoLine is why a configuration with a component on a serial line is refused.
var ErrNoLine = errors.New("this program was built without serial and modem components (tag noline)")

// LineInstallers is nothing in a program that was built without them.
type LineInstallers struct{}

func readLineInstallers(m *yamlform.Map, _ base, used Installer) (none LineInstallers) {
	if used == InstallerSerial || used == InstallerModem {
		m.Problemf("installer", "%s", ErrNoLine)
	}
	return none
}

// OnLine is false.
func (LineInstallers) OnLine() bool { return false }

func (LineInstallers) port() (key, path string) { return "", "" }
