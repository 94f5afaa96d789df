// Package e2e_test runs the built programs against each other: real processes,
// sockets and files, with nothing but Go installed.
//
// One flow through it: TestMain builds ota-agent and ota-sim once; each test
// lays out a device in a directory of its own, serves a platform on free ports,
// starts the agent, and looks at what becomes of the device's files and at what
// has reached the platform. The tests mostly wait for processes, so many of
// them run at once.
//
// What one package does with strange input is for that package's tests; here
// stands what only the whole program can show.
package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"otafleet/test/harness"
)

// programs are built once, under this version.
var programs harness.Programs

const version = "1.0.0"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	// They wait for processes and timers, not for this one's processors.
	if err := flag.Set("test.parallel", "16"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "ota-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err = os.Chmod(dir, 0o755); err != nil { // for programs that run as another user
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if programs, err = harness.Build(dir, version); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
