package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
)

// sensorLimit bounds the RSSI command.
const sensorLimit = 5 * time.Second

// sensors measure the conditions that plans speak of. What cannot be read counts
// as not there, and is logged: a broken sensor must not keep a device from its
// security updates for ever.
type sensors struct {
	config config.Conditions
	room   room
	device string // for the RSSI command: OTA_DEVICE
	log    *slog.Logger
}

// Read measures now.
func (s *sensors) Read(ctx context.Context) agent.Readings {
	r := agent.Readings{FreeBytes: s.room.most(), Busy: s.busy()}
	if s.config.BatteryFile != "" {
		r.Battery = s.number("battery", func() (string, error) {
			text, err := os.ReadFile(s.config.BatteryFile)
			return string(text), err
		}, 0, 100)
	}
	if len(s.config.RSSICommand) > 0 {
		r.RSSI = s.number("rssi", func() (string, error) {
			outcome, err := firmware.Program{Args: s.config.RSSICommand, Env: []string{"OTA_DEVICE=" + s.device}, Limit: sensorLimit}.Run(ctx)
			if err == nil && outcome.Exit != 0 {
				err = fmt.Errorf("exit code %d", outcome.Exit)
			}
			return string(outcome.Stdout), err
		}, -200, 100)
	}
	return r
}

// number reads a whole number within bounds.
func (s *sensors) number(what string, read func() (string, error), lowest, highest int) *int {
	text, err := read()
	var n int
	if err == nil {
		n, err = strconv.Atoi(strings.TrimSpace(text))
	}
	if err == nil && (n < lowest || n > highest) {
		err = fmt.Errorf("%d is not within %d..%d", n, lowest, highest)
	}
	if err != nil {
		s.log.Warn("cannot read a sensor; conditions on it hold", "sensor", what, "error", err)
		return nil
	}
	return &n
}

// busy reports whether the busy file exists. If that cannot be told, it does.
func (s *sensors) busy() bool {
	if s.config.BusyFile == "" {
		return false
	}
	_, err := os.Stat(s.config.BusyFile)
	return !errors.Is(err, fs.ErrNotExist)
}
