package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/internal/files"
)

// rebootLimit is how long a program that restarts the system may take.
const rebootLimit = time.Minute

// System is how the system is restarted, and how one of its starts differs from
// another.
type System struct {
	RestartCommand []string // a program and its arguments; empty for the init system
	BootIDFile     string   // holds another text after each start; empty for the kernel's
}

// Power restarts the agent or the system (agent.Power).
type Power struct {
	Program func() // begins the program again
	System  System
}

// Restart asks for a restart.
func (p *Power) Restart(ctx context.Context, scope firmware.Restart) error {
	if scope == firmware.RestartProcess {
		p.Program()
		return nil
	}
	return p.System.Reboot(ctx)
}

// Reboot runs the configured command, or asks the init system, under either of its
// usual names.
func (s System) Reboot(ctx context.Context) error {
	ways := [][]string{{"systemctl", "reboot"}, {"reboot"}}
	if len(s.RestartCommand) > 0 {
		ways = [][]string{s.RestartCommand}
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

// BootID names this start of the system. Where the system has no name for it, every
// start of the agent has another one, and counts as one of the system.
func (s System) BootID() string {
	path := s.BootIDFile
	if path == "" {
		path = "/proc/sys/kernel/random/boot_id"
	}
	text, err := files.Read(path, maxNumber)
	if err != nil {
		return fmt.Sprint("pid-", os.Getpid(), "-", time.Now().UnixNano())
	}
	return strings.TrimSpace(string(text))
}
