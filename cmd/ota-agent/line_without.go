//go:build noline

package main

import (
	"errors"
	"log/slog"

	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
)

func newLineInstaller(*config.Component, string, *slog.Logger) (firmware.Installer, error) {
	return nil, errors.New("this program was built without serial and modem components (tag noline)")
}
