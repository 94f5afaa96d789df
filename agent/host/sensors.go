package host

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
	"otafleet/firmware"
	"otafleet/internal/files"
)

// sensorLimit bounds the RSSI command.
const sensorLimit = 5 * time.Second

// maxNumber bounds a file with a number, in bytes.
const maxNumber = 4 << 10

// SensorConfig says where a device measures itself.
type SensorConfig struct {
	BatteryFile string   // holds percent; empty without a battery
	RSSICommand []string // prints dBm; empty without a radio
	BusyFile    string   // while it exists, the device must not be disturbed; empty for none
	Space       Space
	Device      string // for the RSSI command: OTA_DEVICE
	Logger      *slog.Logger
}

// Sensors measure the conditions that plans speak of. What cannot be read counts
// as not there, and is logged: a broken sensor must not keep a device from its
// security updates for ever.
type Sensors struct {
	config SensorConfig
	log    *slog.Logger

	mu     sync.Mutex        // guards the following
	logged map[string]string // why a sensor cannot be read, as the log has it
}

// NewSensors makes the sensors of a device.
func NewSensors(cfg SensorConfig) *Sensors { return &Sensors{config: cfg, log: cfg.Logger} }

// Read measures now (agent.Sensors).
func (s *Sensors) Read(ctx context.Context) agent.Readings {
	r := agent.Readings{FreeBytes: s.config.Space.Most(), Busy: s.busy()}
	if s.config.BatteryFile != "" {
		r.Battery = s.number("battery", func() (string, error) {
			text, err := files.Read(s.config.BatteryFile, maxNumber)
			return string(text), err
		}, 0, 100)
	}
	if len(s.config.RSSICommand) > 0 {
		r.RSSI = s.number("rssi", func() (string, error) {
			outcome, err := firmware.Program{Args: s.config.RSSICommand, Env: []string{"OTA_DEVICE=" + s.config.Device},
				Limit: sensorLimit}.Run(ctx)
			if err == nil && outcome.Exit != 0 {
				err = fmt.Errorf("exit code %d", outcome.Exit)
			}
			return string(outcome.Stdout), err
		}, -200, 100)
	}
	return r
}

// number reads a whole number within bounds.
func (s *Sensors) number(what string, read func() (string, error), lowest, highest int) *int {
	text, err := read()
	var n int
	if err == nil {
		n, err = strconv.Atoi(strings.TrimSpace(text))
	}
	if err == nil && (n < lowest || n > highest) {
		err = fmt.Errorf("%d is not within %d..%d", n, lowest, highest)
	}
	s.note(what, err)
	if err != nil {
		return nil
	}
	return &n
}

// note logs that a sensor cannot be read, or can be again: once, and again when
// the reason changes.
func (s *Sensors) note(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	logged, now := s.logged[what], ""
	if err != nil {
		now = err.Error()
	}
	switch {
	case now == logged:
		return
	case err != nil:
		s.log.Warn("cannot read a sensor; conditions on it hold", "sensor", what, "error", err)
	default:
		s.log.Info("a sensor can be read again", "sensor", what)
	}
	if s.logged == nil {
		s.logged = map[string]string{}
	}
	s.logged[what] = now
}

// busy reports whether the busy file exists. If that cannot be found out, the
// device counts as busy.
func (s *Sensors) busy() bool {
	if s.config.BusyFile == "" {
		return false
	}
	_, err := os.Stat(s.config.BusyFile)
	return !errors.Is(err, fs.ErrNotExist)
}
