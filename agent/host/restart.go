package host

import (
	"context"
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
	rolledBack  = "OTA_AGENT_TAKEN_BACK"  // the one before could not start with what was on trial
)

// StartTrouble is what has kept the agent from starting before; empty for nothing.
type StartTrouble struct {
	Broken     string // a new program could not be started
	RolledBack string // the program could not start with what was on trial
}

// TakeStartTrouble reads it from the environment, once.
func TakeStartTrouble() (t StartTrouble, err error) {
	if t.Broken, err = takeVariable(unstartable); err == nil {
		t.RolledBack, err = takeVariable(rolledBack)
	}
	return t, err
}

// takeVariable returns the value of an environment variable, and removes it.
func takeVariable(name string) (string, error) { return os.Getenv(name), os.Unsetenv(name) }

// OwnFile is the path by which the program was started. An upgrade may put
// another file there: the running one then has another name, or none.
func OwnFile() (string, error) {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("cannot find the program's own file: %w", err)
	}
	return path, nil
}

// RestartProcess replaces the process by a new one of the program's file, which
// an upgrade may have replaced. If that file is no program, or one that does not
// even print its version, the running one begins again, to roll the upgrade back: a
// device without an agent could not be repaired over the air any more.
func RestartProcess(self string) error {
	// One that hangs would take the process's place for good: nothing that starts the
	// agent again would see it end. packaging/launch asks the same.
	err := tryCommand(context.Background(), []string{self, "version"})
	if err == nil {
		err = syscall.Exec(self, os.Args, os.Environ())
	}
	err = fmt.Errorf("cannot start %s: %w", self, err)
	return errors.Join(err, os.Setenv(unstartable, err.Error()),
		syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// BeginAgain replaces the process after a new version was rolled back, which may
// have been that of this program.
func BeginAgain(why string) error {
	self, err := OwnFile()
	if err == nil {
		err = os.Setenv(rolledBack, ota.Clip(strings.ReplaceAll(why, "\x00", ""), ota.MaxDetail))
	}
	if err != nil {
		return err
	}
	return RestartProcess(self)
}
