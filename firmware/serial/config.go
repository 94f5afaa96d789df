// Package serial installs MCUs behind a serial line, by one of four protocols:
// XMODEM-1K and YMODEM, which a bootloader receives; a block-read protocol for
// MCUs that fetch their image themselves; and MCUmgr's SMP over its console
// framing, for MCUs with MCUboot.
//
// One flow through it, for the first three: Inspect sends the configured
// question and reads the version from the answer; Activate brings the MCU into
// its bootloader by configured exchanges, sends the image in blocks out of the
// staged file, and waits until the MCU says what it runs; Revert sends the image
// before. Package transfer does what these have in common. With SMP the MCU has
// two places: Stage uploads into the inactive one, Activate has it tested,
// Commit keeps it, and Revert makes MCUboot roll back.
//
// An MCU that does not answer is component_silent. Memory is bounded: a block of
// the image, and what an answer may have.
//
// The package applies no deltas, and drives neither DTR nor RTS nor pins: an MCU
// that enters its bootloader only by those needs a handler (package command).
package serial

import (
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"otafleet/firmware"
	"otafleet/firmware/port"
	"otafleet/firmware/transfer"
	"otafleet/internal/ota"
)

// Protocol is how an MCU takes its image.
type Protocol string

// The protocols.
const (
	XModem Protocol = "xmodem" // XMODEM-1K with CRC; 128 bytes or checksums for a receiver that knows no more
	YModem Protocol = "ymodem"
	Pull   Protocol = "pull" // the MCU reads blocks
	SMP    Protocol = "smp"  // MCUmgr over a console
)

// Config describes an MCU.
type Config struct {
	// Component is the component's id.
	Component string
	// StateDir is the installer's own directory for this component, absolute.
	StateDir string
	Port     port.Config
	Protocol Protocol
	// Version asks the MCU what it runs; the first group of its pattern is the
	// version. SMP has its own question.
	Version port.Exchange
	// Enter brings the MCU into its bootloader, Start out of it. SMP has no use
	// for them.
	Enter, Start []port.Exchange
	// Timeout is how long the MCU may take for the answer to a block, or, with
	// Pull, for its next request; 0 for 10 s and 60 s.
	Timeout time.Duration
	// Attempts is how often a block or request is sent, or, with Pull, how often
	// a silent MCU is spoken to; 0 for 10, with Pull and SMP for 3.
	Attempts int
	// Tries is how often an image is sent as a whole; 0 for 3.
	Tries int
	// StartLimit is how long the MCU may take to say what it runs, after an image
	// was sent; 0 for 30 s. With Pull it is also the time for the MCU to write
	// what it has read; 0 for 20 min.
	StartLimit time.Duration
	// Pause is between two questions to an MCU that is silent, and two tries; 0
	// for 1 s.
	Pause time.Duration
	// Block is the piece that a pulling MCU is given at a time; 0 for the whole
	// image.
	Block int64
	// Factory is what runs before the first upgrade, if its image is known. SMP
	// has no use for it.
	Factory transfer.Factory
	// Capacity is the largest image in bytes; 0 for no limit but free space.
	Capacity int64
	// Disk makes the installer's own changes; the zero Disk is the real one.
	Disk firmware.Disk
	// Logger receives a line for each transfer; nil discards.
	Logger *slog.Logger
}

const (
	defaultTimeout     = 10 * time.Second
	defaultAttempts    = 10
	fewAttempts        = 3
	defaultPullTimeout = time.Minute
	defaultPullLimit   = 20 * time.Minute
	defaultStart       = 30 * time.Second
	defaultPause       = time.Second
)

// Validate says everything that is wrong with the configuration, but for the
// factory's image.
func (c Config) Validate() error {
	var wrong firmware.Problems
	known := c.Protocol == XModem || c.Protocol == YModem || c.Protocol == Pull || c.Protocol == SMP
	wrong.When(!known, "protocol %q is not known", c.Protocol)
	wrong.When(c.Port.Path == "", "there is no port")
	wrong.When(c.Port.Baud < port.MinBaud || c.Port.Baud > port.MaxBaud, "%d baud is not from %d to %d", c.Port.Baud,
		port.MinBaud, port.MaxBaud)
	wrong.When(known && c.Protocol != SMP && (c.Version.Expect == nil || c.Version.Expect.NumSubexp() < 1),
		"version has no pattern with a group")
	wrong.When(!ota.ValidComponentID(c.Component), "component %q is not a component id", c.Component)
	wrong.When(!filepath.IsAbs(c.StateDir), "state directory %q is not an absolute path", c.StateDir)
	wrong.When(min(c.Timeout, c.StartLimit, c.Pause) < 0, "a time is negative")
	wrong.When(c.Attempts < 0 || c.Block < 0, "a count or size is negative")
	return errors.Join(wrong...)
}

// New makes the installer of one MCU. It touches no file and opens no port.
func New(cfg Config) (firmware.Installer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Protocol == Pull || cfg.Protocol == SMP {
		fallback(&cfg.Attempts, fewAttempts)
	}
	if cfg.Protocol == Pull {
		fallback(&cfg.Timeout, defaultPullTimeout)
		fallback(&cfg.StartLimit, defaultPullLimit)
	}
	fallback(&cfg.Attempts, defaultAttempts)
	fallback(&cfg.Timeout, defaultTimeout)
	fallback(&cfg.StartLimit, defaultStart)
	fallback(&cfg.Pause, defaultPause)
	if cfg.Protocol == SMP {
		return newTwoSlots(cfg), nil
	}
	return transfer.New(transfer.Config{
		Component: cfg.Component, StateDir: cfg.StateDir, Driver: &driver{cfg}, Factory: cfg.Factory, Tries: cfg.Tries,
		StartLimit: cfg.StartLimit, Pause: cfg.Pause, Capacity: cfg.Capacity, Disk: cfg.Disk, Logger: cfg.Logger,
	})
}

func fallback[T int | time.Duration](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}
