package harness

import (
	"fmt"
	"os"
	"syscall"
)

// Inside makes the tests of a program of tests run inside of what a script sets up, which
// is a cluster of their own: the script starts this program again, and ends with its exit
// code. In there Inside does nothing. Each of the environment variables has to name
// something; the target of the Makefile sets them.
//
// The script is ended with what has started this program, however that ends.
func Inside(script, target string, variables ...string) error {
	for _, name := range variables {
		if os.Getenv(name) == "" {
			return fmt.Errorf("%s is not set: make %s gets what it names, and sets it", name, target)
		}
	}
	if os.Getenv("OTA_ALONE") != "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	const setpriv = "/usr/bin/setpriv"
	args := append([]string{setpriv, "--pdeathsig", "TERM", script, self}, os.Args[1:]...)
	return fmt.Errorf("%s of Debian's util-linux: %w", setpriv, syscall.Exec(setpriv, args, os.Environ()))
}
