//go:build noquecthing

package main

import (
	"otafleet/agent/link"
	"otafleet/cmd/ota-agent/config"
)

func (d *device) newQuecThing(link.Device) (link.Session, error) { return nil, config.ErrNoQuecThing }
