package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"otafleet/firmware"
)

const (
	rebootLimit = time.Minute
	rebootAgain = 30 * time.Second
)

// power restarts the agent or the system.
type power struct {
	restart func() // begins the program again
	log     *slog.Logger
}

// Restart restarts soon and returns at once. A system that does not restart is
// asked again: the upgrade cannot go on without.
func (p *power) Restart(scope firmware.Restart) error {
	if scope == firmware.RestartProcess {
		p.restart()
		return nil
	}
	go func() {
		for {
			if err := reboot(); err != nil {
				p.log.Error("cannot restart the system; trying again", "error", err, "wait", rebootAgain)
			}
			time.Sleep(rebootAgain)
		}
	}()
	return nil
}

// reboot asks the init system, under either of its usual names.
func reboot() error {
	var failures []string
	for _, args := range [][]string{{"systemctl", "reboot"}, {"reboot"}} {
		outcome, err := firmware.Program{Args: args, Limit: rebootLimit}.Run(context.Background())
		if err == nil && outcome.Exit == 0 {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("exit code %d %s", outcome.Exit, strings.TrimSpace(outcome.Stderr))
		}
		failures = append(failures, fmt.Sprintf("%s: %v", strings.Join(args, " "), err))
	}
	return fmt.Errorf("cannot restart: %s", strings.Join(failures, "; "))
}

// bootID names this start of the system; empty where the system has no name
// for it, so that every restart of the agent counts as one of the system.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Sprint("pid-", os.Getpid(), "-", time.Now().UnixNano())
	}
	return strings.TrimSpace(string(text))
}
