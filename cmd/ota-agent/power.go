package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/internal/files"
)

// rebootLimit is how long a program that restarts the system may take.
const rebootLimit = time.Minute

// power restarts the agent or the system.
type power struct {
	restart func() // begins the program again
	system  config.System
}

// Restart asks for a restart.
func (p *power) Restart(ctx context.Context, scope firmware.Restart) error {
	if scope == firmware.RestartProcess {
		p.restart()
		return nil
	}
	return reboot(ctx, p.system)
}

// reboot runs the configured command, or asks the init system, under either of its
// usual names.
func reboot(ctx context.Context, system config.System) error {
	ways := [][]string{{"systemctl", "reboot"}, {"reboot"}}
	if len(system.RestartCommand) > 0 {
		ways = [][]string{system.RestartCommand}
	}
	var failures []string
	for _, args := range ways {
		outcome, err := firmware.Program{Args: args, Limit: rebootLimit}.Run(ctx)
		if err == nil && outcome.Exit == 0 {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("exit code %d %s", outcome.Exit, strings.TrimSpace(outcome.Stderr))
		}
		failures = append(failures, fmt.Sprintf("%s: %v", strings.Join(args, " "), err))
	}
	return errors.New(strings.Join(failures, "; "))
}

// bootID names this start of the system; empty where the system has no name
// for it, so that every restart of the agent counts as one of the system.
func bootID(system config.System) string {
	const limit = 4 << 10
	path := system.BootIDFile
	if path == "" {
		path = "/proc/sys/kernel/random/boot_id"
	}
	text, err := files.Read(path, limit)
	if err != nil {
		return fmt.Sprint("pid-", os.Getpid(), "-", time.Now().UnixNano())
	}
	return strings.TrimSpace(string(text))
}
