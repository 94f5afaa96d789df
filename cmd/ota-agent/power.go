package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
)

const (
	rebootLimit = time.Minute
	rebootAgain = 30 * time.Second
)

// power restarts the agent or the system.
type power struct {
	restart func() // begins the program again
	system  config.System
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
			if err := reboot(p.system); err != nil {
				p.log.Error("cannot restart the system; trying again", "error", err, "wait", rebootAgain)
			}
			time.Sleep(rebootAgain)
		}
	}()
	return nil
}

// reboot runs the configured command, or asks the init system, under either of its
// usual names.
func reboot(system config.System) error {
	ways := [][]string{{"systemctl", "reboot"}, {"reboot"}}
	if len(system.RestartCommand) > 0 {
		ways = [][]string{system.RestartCommand}
	}
	var failures []string
	for _, args := range ways {
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
func bootID(system config.System) string {
	const limit = 4 << 10
	path := system.BootIDFile
	if path == "" {
		path = "/proc/sys/kernel/random/boot_id"
	}
	text, err := firmware.ReadFile(path, limit)
	if err != nil {
		return fmt.Sprint("pid-", os.Getpid(), "-", time.Now().UnixNano())
	}
	return strings.TrimSpace(string(text))
}
