//go:build noline

package main

import (
	"log/slog"

	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
)

func newLineInstaller(*config.Component, string, *slog.Logger) (firmware.Installer, error) {
	return nil, config.ErrNoLine
}
