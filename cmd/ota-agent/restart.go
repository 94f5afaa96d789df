package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// unstartable is the environment variable by which a program that had to begin
// again in the place of a new one learns why.
const unstartable = "OTA_AGENT_UNSTARTABLE"

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

// takeUnstartable says why the program that was to run could not be started;
// empty if this is the one that was to run. It says so once.
func takeUnstartable() (string, error) {
	return os.Getenv(unstartable), os.Unsetenv(unstartable)
}
