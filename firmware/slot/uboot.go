package slot

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"otafleet/firmware"
)

// UBoot is U-Boot, whose environment the programs fw_printenv and fw_setenv of
// libubootenv read and write. The trial is U-Boot's own boot counter (its
// doc/api/bootcount.rst): while upgrade_available is 1, each start adds one to
// bootcount, and when that exceeds bootlimit, altbootcmd runs in the place of
// bootcmd. ota_slot names the slot for bootcmd.
//
// A choice is one call of fw_setenv with a script, so that a redundant
// environment is written in one step. One that is not redundant may be torn by
// a power cut.
type UBoot struct {
	Printenv string // program; empty for fw_printenv
	Setenv   string // program; empty for fw_setenv
	Config   string // where the environment is: fw_env.config(5); empty for the programs' default
	Dir      string // for the script: the installer's state directory, absolute
	Disk     firmware.Disk
}

const (
	ubootSlot  = "ota_slot"
	ubootTrial = "upgrade_available"
	ubootCount = "bootcount"
	ubootLimit = "bootlimit"

	ubootProgramLimit = time.Minute
)

// Choice reads the environment.
func (u UBoot) Choice(ctx context.Context) (Choice, error) {
	outcome, err := u.program(u.Printenv, "fw_printenv").Run(ctx)
	if err == nil && outcome.Exit != 0 {
		err = outcome.Failed()
	}
	if err != nil {
		return Choice{}, fmt.Errorf("cannot read U-Boot's environment: %w", err)
	}
	choice, err := parseUBoot(string(outcome.Stdout))
	if err != nil {
		return Choice{}, fmt.Errorf("cannot understand U-Boot's environment: %w", err)
	}
	return choice, nil
}

// parseUBoot reads what fw_printenv prints, NAME=VALUE lines.
func parseUBoot(environment string) (Choice, error) {
	values := make(map[string]string)
	for line := range strings.Lines(environment) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		values[name] = value
	}
	choice, err := parseChoice(values[ubootSlot], "")
	if err != nil {
		return Choice{}, fmt.Errorf("%s: %w", ubootSlot, err)
	}
	if values[ubootTrial] != "1" {
		return choice, nil
	}
	limit, err := strconv.ParseUint(values[ubootLimit], 10, 16)
	if err != nil {
		return Choice{}, fmt.Errorf("%s: %q is not a number", ubootLimit, values[ubootLimit])
	}
	// A counter that was never set counts from 0.
	count, _ := strconv.ParseUint(values[ubootCount], 10, 16)
	choice.Trial = true
	choice.Tries = min(max(0, int(limit)-int(count)), MaxTries)
	return choice, nil
}

// Choose writes the environment.
func (u UBoot) Choose(ctx context.Context, choice Choice) error {
	script := filepath.Join(u.Dir, "uboot.env")
	trial := 0
	if choice.Trial {
		trial = 1
	}
	text := fmt.Sprintf("%s=%s\n%s=%d\n%s=0\n", ubootSlot, choice.Slot, ubootTrial, trial, ubootCount)
	if choice.Trial || choice.Tries > 0 { // without a trial it only keeps the room
		text += fmt.Sprintf("%s=%d\n", ubootLimit, choice.Tries)
	}
	if err := u.Disk.MkdirAll(u.Dir); err != nil {
		return fmt.Errorf("cannot prepare U-Boot's environment: %w", err)
	}
	if err := u.Disk.WriteFile(script, []byte(text)); err != nil {
		return fmt.Errorf("cannot prepare U-Boot's environment: %w", err)
	}
	outcome, err := u.program(u.Setenv, "fw_setenv", "--script", script).Run(ctx)
	if err == nil && outcome.Exit != 0 {
		err = outcome.Failed()
	}
	if err != nil {
		return fmt.Errorf("cannot write U-Boot's environment: %w", err)
	}
	return nil
}

func (u UBoot) program(path, usual string, args ...string) firmware.Program {
	if path == "" {
		path = usual
	}
	all := []string{path}
	if u.Config != "" {
		all = append(all, "--config", u.Config)
	}
	return firmware.Program{Args: append(all, args...), Dir: "/", Limit: ubootProgramLimit}
}
