//go:build nohawkbit

package main

import (
	"net/http"

	"otafleet/agent/link"
	"otafleet/cmd/ota-agent/config"
)

func (d *device) newHawkBit(link.Device) (link.Session, error) { return nil, config.ErrNoHawkBit }

func authorize(*config.Config) func(*http.Request) error { return nil }
