package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"otafleet/agent/journal"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/internal/files"
)

// rescue takes back a system on trial in which the agent cannot start: nothing
// else would check its health, and the device would stay offline with it. A
// restart lets the boot loader count, and fall back to the previous system.
type rescue struct {
	stateDir string
	bootID   string
	patience time.Duration // how long a start is tried again before the restart
	again    time.Duration // between two tries
	restart  func() error  // the system
	log      *slog.Logger
}

const (
	rescuePatience = time.Minute
	rescueAgain    = 5 * time.Second
	// maxRescues is more than any boot loader counts. A previous system in which
	// the agent does not start either is left to the technician.
	maxRescues = 10
)

// retry starts the agent. If that fails in a system on trial, it tries again for
// a while, since a file system may be mounted late, and then restarts the system.
// It returns start's error otherwise.
func (r *rescue) retry(ctx context.Context, start func() error) error {
	err := start()
	if err == nil || !r.onTrial() {
		return err
	}
	r.log.Error("the agent cannot start in a system on trial; it tries again, then restarts the system, so that the boot loader takes it back",
		"error", err, "patience", r.patience)
	limit, end := context.WithTimeout(ctx, r.patience)
	defer end()
	tick := time.NewTicker(r.again)
	defer tick.Stop()
	for limit.Err() == nil {
		select {
		case <-tick.C:
			if err = start(); err == nil {
				return nil
			}
		case <-limit.Done():
		}
	}
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, r.giveUp())
}

// giveUp restarts the system, unless that has been done too often.
func (r *rescue) giveUp() error {
	restarts := r.count() + 1
	if restarts > maxRescues {
		r.log.Error("the system is not restarted again: that did not help", "restarts", maxRescues)
		return nil
	}
	// The count comes first: without it the restarts would have no end.
	if err := (firmware.Disk{}).Replace(r.file(), []byte(strconv.Itoa(restarts))); err != nil {
		return err
	}
	return r.restart()
}

// onTrial reports whether the saved state awaits proof of a system that was
// restarted into.
func (r *rescue) onTrial() bool {
	if _, err := os.Stat(r.stateDir); err != nil {
		return false
	}
	j, err := journal.Open(journal.Config{Dir: r.stateDir, Logger: r.log})
	if err != nil {
		return false
	}
	defer j.Close()
	saved, err := j.Load()
	return err == nil && saved.SystemOnTrial(r.bootID)
}

func (r *rescue) file() string { return filepath.Join(r.stateDir, "rescues") }

func (r *rescue) count() int {
	text, err := files.Read(r.file(), maxNumber)
	switch {
	case files.Foreign(err):
		return maxRescues
	case err != nil:
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 0 {
		return maxRescues // damaged: rather too few restarts than without end
	}
	return n
}

// forget ends the count. It is called once all of the agent has started.
func (r *rescue) forget() {
	if err := os.RemoveAll(r.file()); err != nil {
		r.log.Warn("cannot remove the count of restarts", "error", err)
	}
}

// newRescue makes the rescue of the device that a configuration describes, also
// of one that cannot be read otherwise.
func newRescue(stateDir string, system config.System, log *slog.Logger) *rescue {
	return &rescue{stateDir: stateDir, bootID: bootID(system), patience: rescuePatience, again: rescueAgain, log: log,
		restart: func() error {
			if err := reboot(context.Background(), system); err != nil {
				return fmt.Errorf("cannot restart: %w", err)
			}
			return nil
		}}
}
