// Package modem installs the firmware of a cellular module by AT commands: the
// module is given the package as a file, or its address, and the command to begin,
// and says by unsolicited result codes how far it is, through its own restarts.
//
// One flow through it: Activate asks for the version, uploads the file in a data
// phase of known length, sends the command that begins the upgrade, and follows
// the result codes; the port may go and come back meanwhile. After the last code
// it waits until the module says that it runs the target. Package transfer does
// the rest: files, record, restarts.
//
// A cut of the device does not stop the module. An Activate that is run again
// therefore asks first what the module runs, and follows an upgrade that may be
// under way before it begins another one: what the module works with must not be
// taken from it. Only a step forward gives an upgrade new time.
//
// The commands and codes are a Profile: Quectel's is here, others are
// configuration. The package dials nothing and knows nothing of the network; a
// module that is managed by another program must be left alone by it meanwhile.
package modem

import (
	"errors"
	"log/slog"
	"regexp"
	"time"

	"otafleet/firmware"
	"otafleet/firmware/port"
	"otafleet/firmware/transfer"
)

// Profile is how a family of modules is upgraded. In texts to send, {name},
// {size} and {version} stand for the package's file name, its bytes and the
// target version.
type Profile struct {
	// Version asks the module what it runs; the first group of its pattern is the
	// version.
	Version port.Exchange
	// Prepare is said before the upload.
	Prepare []port.Exchange
	// Upload begins the data phase: its pattern is the module's word that it
	// waits for {size} bytes. The zero Exchange uploads nothing: Trigger then
	// tells the module where the package is.
	Upload port.Exchange
	// Uploaded is the module's word that it has the file. A first group is the
	// number of bytes, a second one their checksum in hex: all 16-bit big-endian
	// words combined by exclusive or.
	Uploaded *regexp.Regexp
	// Trigger begins the upgrade.
	Trigger port.Exchange
	// Progress is a result code on the way; a first group is percent.
	Progress *regexp.Regexp
	// End is the last result code; its first group is an error code, 0 for none.
	End *regexp.Regexp
	// Failed is a result code that ends the upgrade; a first group says why. nil
	// if End says everything.
	Failed *regexp.Regexp
}

// Quectel is the profile of modules with AT+QFOTADL (Quectel, DFOTA user guides
// and FILE AT commands manuals of EC2x, EG9x, EP06, BG96). The package is put
// into the module's user file system.
func Quectel() Profile {
	const answer = 5 * time.Second
	return Profile{
		Version: port.Exchange{
			Send:    "AT+QGMR\r",
			Expect:  regexp.MustCompile(`^\s*(?:AT\S*\s+)?(?:[+^][^\r\n]*\s+)*(\S+)\r\n(?:[^\r\n]*\r\n)*?OK\r\n`),
			Timeout: answer, Attempts: 3,
		},
		Prepare: []port.Exchange{
			{Send: "ATE0\r", Expect: regexp.MustCompile(`OK\r\n`), Timeout: answer, Attempts: 3},
			{
				Send: "AT+QFDEL=\"{name}\"\r", Expect: regexp.MustCompile(`(OK|ERROR[^\r]*)\r\n`), Timeout: answer, Attempts: 1,
			}, // there may be none
		},
		Upload: port.Exchange{
			Send: "AT+QFUPL=\"{name}\",{size},60\r", Expect: regexp.MustCompile(`CONNECT\r\n`), Timeout: answer, Attempts: 1,
		},
		Uploaded: regexp.MustCompile(`\+QFUPL: (\d+),([0-9a-fA-F]+)\r\n\s*OK\r\n`),
		Trigger: port.Exchange{
			Send: "AT+QFOTADL=\"/data/ufs/{name}\"\r", Expect: regexp.MustCompile(`OK\r\n`), Timeout: 3 * answer, Attempts: 1,
		},
		Progress: regexp.MustCompile(`\+QIND: ?"FOTA","(?:START|HTTPSTART|HTTPEND|UPDATING|RESTORE)"(?:, ?(\d+))?\r\n`),
		End:      regexp.MustCompile(`\+QIND: ?"FOTA","END", ?(\d+)\r\n`),
		Failed:   regexp.MustCompile(`\+QIND: ?"FOTA","HTTPEND", ?([1-9]\d*)\r\n`),
	}
}

// Config describes a module.
type Config struct {
	// Component is the component's id.
	Component string
	// StateDir is the installer's own directory for this component, absolute.
	StateDir string
	Port     port.Config
	Profile  Profile
	// StallTimeout is how long the module may say nothing in an upload, and make no
	// step forward in an upgrade; 0 for 10 min.
	StallTimeout time.Duration
	// StartLimit is how long its port may be gone, and how long it may take, after
	// its last result code, to say that it runs the target; 0 for 3 min. An upgrade
	// that may be under way is listened for so long before another one is begun.
	StartLimit time.Duration
	// UpgradeLimit is how long an upgrade may take as a whole; 0 for 2 h.
	UpgradeLimit time.Duration
	// Pause is between two looks for a port that has gone, and two questions to a
	// module that is silent; 0 for 1 s.
	Pause time.Duration
	// Tries is how often the upgrade is begun; 0 for 2.
	Tries int
	// Full says that packages do not depend on the version that runs, so that the
	// one before can be sent again to roll back. Else there is no rollback.
	Full bool
	// Factory is what runs before the first upgrade, with Full.
	Factory transfer.Factory
	// Capacity is the largest package in bytes; 0 for no limit but free space.
	Capacity int64
	// Disk makes the installer's own changes; the zero Disk is the real one.
	Disk firmware.Disk
	// Logger receives a line for each step; nil discards.
	Logger *slog.Logger
}

// Validate says everything that is wrong with the configuration, but for what
// package transfer checks.
func (c Config) Validate() error {
	var wrong firmware.Problems
	p := c.Profile
	wrong.When(c.Port.Path == "", "there is no port")
	wrong.When(c.Port.Baud < port.MinBaud || c.Port.Baud > port.MaxBaud, "%d baud is not from %d to %d", c.Port.Baud,
		port.MinBaud, port.MaxBaud)
	wrong.When(p.Version.Expect == nil || p.Version.Expect.NumSubexp() < 1, "version has no pattern with a group")
	wrong.When(p.Trigger.Send == "" || p.Trigger.Expect == nil, "trigger has no text or no pattern")
	wrong.When(p.End == nil || p.End.NumSubexp() < 1, "end has no group")
	wrong.When(p.Upload.Send != "" && (p.Upload.Expect == nil || p.Uploaded == nil), "upload has no pattern")
	wrong.When(min(c.StallTimeout, c.StartLimit, c.UpgradeLimit, c.Pause) < 0, "a time is negative")
	wrong.When(!c.Full && c.Factory != transfer.Factory{}, "a factory image is of use with full packages only")
	return errors.Join(wrong...)
}

const (
	defaultStall = 10 * time.Minute
	defaultStart = 3 * time.Minute
	defaultLimit = 2 * time.Hour
	defaultPause = time.Second
	defaultTries = 2
)

// New makes the installer of one module. It touches no file and opens no port.
func New(cfg Config) (firmware.Installer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	for _, t := range []struct {
		value     *time.Duration
		otherwise time.Duration
	}{{&cfg.StallTimeout, defaultStall}, {&cfg.StartLimit, defaultStart}, {&cfg.UpgradeLimit, defaultLimit},
		{&cfg.Pause, defaultPause}} {
		if *t.value == 0 {
			*t.value = t.otherwise
		}
	}
	if cfg.Tries == 0 {
		cfg.Tries = defaultTries
	}
	return transfer.New(transfer.Config{
		Component: cfg.Component, StateDir: cfg.StateDir, Driver: &driver{cfg}, Factory: cfg.Factory, OneWay: !cfg.Full,
		Tries:      cfg.Tries,
		StartLimit: cfg.StartLimit, Pause: cfg.Pause, Capacity: cfg.Capacity, Disk: cfg.Disk, Logger: cfg.Logger,
	})
}
