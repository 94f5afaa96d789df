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
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/internal/files"
)

// sensorLimit bounds the RSSI command.
const sensorLimit = 5 * time.Second

// maxNumber bounds a file with a number, in bytes.
const maxNumber = 4 << 10

// sensors measure the conditions that plans speak of. What cannot be read counts
// as not there, and is logged: a broken sensor must not keep a device from its
// security updates for ever.
type sensors struct {
	config config.Conditions
	room   room
	device string // for the RSSI command: OTA_DEVICE
	log    *slog.Logger

	mu   sync.Mutex        // guards the following
	told map[string]string // why a sensor cannot be read, as the log has it
}

// Read measures now.
func (s *sensors) Read(ctx context.Context) agent.Readings {
	r := agent.Readings{FreeBytes: s.room.most(), Busy: s.busy()}
	if s.config.BatteryFile != "" {
		r.Battery = s.number("battery", func() (string, error) {
			text, err := files.Read(s.config.BatteryFile, maxNumber)
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
	s.tell(what, err)
	if err != nil {
		return nil
	}
	return &n
}

// tell logs that a sensor cannot be read, or can be again: once, and again when
// the reason changes.
func (s *sensors) tell(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	told, now := s.told[what], ""
	if err != nil {
		now = err.Error()
	}
	switch {
	case now == told:
		return
	case err != nil:
		s.log.Warn("cannot read a sensor; conditions on it hold", "sensor", what, "error", err)
	default:
		s.log.Info("a sensor can be read again", "sensor", what)
	}
	if s.told == nil {
		s.told = map[string]string{}
	}
	s.told[what] = now
}

// busy reports whether the busy file exists. If that cannot be told, it does.
func (s *sensors) busy() bool {
	if s.config.BusyFile == "" {
		return false
	}
	_, err := os.Stat(s.config.BusyFile)
	return !errors.Is(err, fs.ErrNotExist)
}
