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

	"otafleet/agent"
	"otafleet/agent/host"
	"otafleet/agent/statefile"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/firmware/file"
	"otafleet/internal/files"
)

// rescue rolls back what is on trial and keeps the agent from starting: nothing
// else would check its health, and the device would stay offline with it. A file,
// such as a key, the configuration or the agent itself, is exchanged for the one
// before. Of a system, a restart lets the boot loader count, and fall back to the
// previous one.
type rescue struct {
	stateDir string
	dirs     func() []string // where the state may be, too: a new configuration may name another place
	bootID   string
	patience time.Duration          // how long a start is tried again in a system on trial
	again    time.Duration          // between two tries
	restart  func() error           // the system
	begin    func(why string) error // the program again
	log      *slog.Logger
}

const (
	rescuePatience = time.Minute
	rescueAgain    = 5 * time.Second
	// maxRescues is more than any boot loader counts. A previous system in which
	// the agent does not start either is left to the technician.
	maxRescues = 10
	maxCount   = 4 << 10 // bytes of the file with their number
)

// retry starts the agent. In a system on trial a start that fails is tried again
// for a while, since a file system may be mounted late. What is on trial is rolled
// back then, a file first. It returns start's error if nothing is.
func (r *rescue) retry(ctx context.Context, start func() error) error {
	err := start()
	if err == nil {
		return nil
	}
	system := r.onTrial()
	if system {
		if err = r.wait(ctx, err, start); err == nil || ctx.Err() != nil {
			return err
		}
	}
	if taken := r.rollBack(ctx); len(taken) > 0 {
		r.log.Error("the agent cannot start with what is on trial, and has taken it back", "error", err, "files", taken)
		return errors.Join(err, r.begin(fmt.Sprintf("the agent could not start with the new version: %v", err)))
	}
	if system {
		return errors.Join(err, r.giveUp())
	}
	return err
}

// wait starts the agent again and again, until that works or patience ends.
func (r *rescue) wait(ctx context.Context, err error, start func() error) error {
	r.log.Error("the agent cannot start in a system on trial; it tries again, then takes the system back", "error", err,
		"patience", r.patience)
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
	return err
}

// rollBack makes the versions before live again of all files on trial, and gives
// their paths. Nothing is changed under an agent that runs.
func (r *rescue) rollBack(ctx context.Context) []string {
	var taken []string
	for _, dir := range r.dirs() {
		if j := r.lock(dir); j != nil {
			paths, err := file.RollBack(ctx, filepath.Join(dir, "components"), r.log)
			if err != nil {
				r.log.Error("cannot roll back what is on trial", "error", err)
			}
			taken = append(taken, paths...)
			_ = j.Close() // nothing was written to it
		}
	}
	return taken
}

// lock opens the state files in a state directory, which no other agent does then; nil
// if there is none that can be opened.
func (r *rescue) lock(dir string) *statefile.Store {
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	j, err := statefile.Open(statefile.Config{Dir: dir, Logger: r.log})
	if err != nil {
		return nil
	}
	return j
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
	j := r.lock(r.stateDir)
	if j == nil {
		return false
	}
	defer j.Close()
	saved, err := (&agent.Memory{File: j, Logger: r.log}).Load()
	return err == nil && saved.SystemOnTrial(r.bootID)
}

func (r *rescue) file() string { return filepath.Join(r.stateDir, "rescues") }

func (r *rescue) count() int {
	text, err := files.Read(r.file(), maxCount)
	switch {
	case files.NoFile(err):
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
	if _, err := os.Lstat(r.file()); err != nil {
		return // a read-only file system would refuse to remove nothing
	}
	if err := os.RemoveAll(r.file()); err != nil {
		r.log.Warn("cannot remove the count of restarts", "error", err)
	}
}

// newRescue makes the rescue of the device that a configuration at path describes,
// also of one that cannot be read otherwise.
func newRescue(path, stateDir string, system host.System, log *slog.Logger) *rescue {
	return &rescue{stateDir: stateDir, bootID: system.BootID(), patience: rescuePatience, again: rescueAgain, log: log,
		begin: host.BeginAgain,
		dirs:  func() []string { return config.StateDirs(path) },
		restart: func() error {
			if err := system.Reboot(context.Background()); err != nil {
				return fmt.Errorf("cannot restart: %w", err)
			}
			return nil
		}}
}
