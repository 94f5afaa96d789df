//go:build !noline

package config

import (
	"otafleet/firmware/modem"
	"otafleet/firmware/serial"
	"otafleet/internal/yamlform"
)

// LineInstallers is the settings of a component on a serial line.
type LineInstallers struct {
	Serial *serial.Config // set with InstallerSerial, but for what is the program's
	Modem  *modem.Config  // set with InstallerModem, likewise
}

func readLineInstallers(m *yamlform.Map, in base, _ Installer) LineInstallers {
	return LineInstallers{readSerialInstaller(m.Map("serial"), in), readModemInstaller(m.Map("modem"), in)}
}

// OnLine reports whether the component is on a serial line.
func (l LineInstallers) OnLine() bool { return l.Serial != nil || l.Modem != nil }

// port is the serial port of a component, and where it is configured.
func (l LineInstallers) port() (key, path string) {
	switch {
	case l.Serial != nil:
		return "serial", l.Serial.Port.Path
	case l.Modem != nil:
		return "modem", l.Modem.Port.Path
	}
	return "", ""
}
