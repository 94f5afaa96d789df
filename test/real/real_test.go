//go:build real

package real_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"otafleet/test/harness"
)

// Set once, before the tests.
var (
	programs         harness.Programs
	mosquittoProgram string
	versitygwProgram string
	ca               *authority
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	mosquittoProgram, versitygwProgram = os.Getenv("MOSQUITTO"), os.Getenv("VERSITYGW")
	if mosquittoProgram == "" || versitygwProgram == "" {
		return 0, errors.New("MOSQUITTO and VERSITYGW must name the servers; make test-real gets them and does so")
	}
	dir, err := os.MkdirTemp("", "ota-real-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if programs, err = harness.Build(dir, "1.0.0"); err != nil {
		return 0, err
	}
	if ca, err = newAuthority(dir); err != nil {
		return 0, err
	}
	// Where Go programs look for the authorities of this machine.
	if err := os.Setenv("SSL_CERT_FILE", ca.file); err != nil {
		return 0, err
	}
	// The tests wait for processes and timers, not for this one's processors.
	if err := flag.Set("test.parallel", "16"); err != nil {
		return 0, err
	}
	return m.Run(), nil
}
