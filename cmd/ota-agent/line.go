//go:build !noline

package main

import (
	"log/slog"

	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/firmware/modem"
	"otafleet/firmware/serial"
)

// newLineInstaller makes the installer of a component on a serial line.
func newLineInstaller(c *config.Component, dir string, log *slog.Logger) (firmware.Installer, error) {
	if c.Serial != nil {
		mcu := *c.Serial
		mcu.Component, mcu.StateDir, mcu.Logger = c.ID, dir, log
		return serial.New(mcu)
	}
	module := *c.Modem
	module.Component, module.StateDir, module.Logger = c.ID, dir, log
	return modem.New(module)
}
