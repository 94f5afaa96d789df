package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"otafleet/internal/ota"
)

// Environment variables by which a program that begins again learns why.
const (
	unstartable = "OTA_AGENT_UNSTARTABLE" // a new one in its place could not be started
	takenBack   = "OTA_AGENT_TAKEN_BACK"  // the one before could not start with what was on trial
)

// startTrouble is what has kept the agent from starting before; empty for nothing.
type startTrouble struct {
	broken    string // of unstartable
	takenBack string // of takenBack
}

// ownFile is the path by which the program was started. An upgrade may put
// another file there: the running one then has another name, or none.
func ownFile() (string, error) {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("cannot find the program's own file: %w", err)
	}
	return path, nil
}

// restartProcess replaces the process by a new one of the program's file, which
// an upgrade may have replaced. If that file is no program, the running one
// begins again, to take the upgrade back: a device without an agent could not
// be repaired over the air any more.
func restartProcess(self string) error {
	err := syscall.Exec(self, os.Args, os.Environ())
	err = fmt.Errorf("cannot start %s: %w", self, err)
	return errors.Join(err, os.Setenv(unstartable, err.Error()),
		syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// beginAgain replaces the process after a new version was taken back, which may
// have been that of this program.
func beginAgain(why string) error {
	self, err := ownFile()
	if err == nil {
		err = os.Setenv(takenBack, ota.Clip(strings.ReplaceAll(why, "\x00", ""), ota.MaxDetail))
	}
	if err != nil {
		return err
	}
	return restartProcess(self)
}

// takeVariable gives what an environment variable says, once.
func takeVariable(name string) (string, error) { return os.Getenv(name), os.Unsetenv(name) }
