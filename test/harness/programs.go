package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a step may take on a loaded machine before a test gives
// it up. Nothing waits that long while all is well.
const Patience = 4 * time.Minute

// Programs are the paths of the built programs.
type Programs struct{ Agent, Sim string }

// Build builds both programs into dir, the agent under the given version.
func Build(dir, version string) (Programs, error) {
	p := Programs{Agent: filepath.Join(dir, "ota-agent"), Sim: filepath.Join(dir, "ota-sim")}
	return p, errors.Join(BuildAgent(p.Agent, version), build(p.Sim, "otafleet/cmd/ota-sim", version))
}

// BuildAgent builds ota-agent under a version.
func BuildAgent(path, version string) error { return build(path, "otafleet/cmd/ota-agent", version) }

// BuildSimOver builds ota-sim under a version, with other source files in the place of the
// tree's, as go build -overlay has it.
func BuildSimOver(path, version, overlay string) error {
	return build(path, "otafleet/cmd/ota-sim", version, "-overlay", overlay)
}

func build(path, pkg, version string, more ...string) error {
	flags := "-s -w -X main.version=" + version
	args := append([]string{"build", "-buildvcs=false", "-ldflags", flags, "-o", path}, more...)
	out, err := exec.Command("go", append(args, pkg)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// Outcome is how a program ended.
type Outcome struct {
	Code     int
	Out, Err string // what it wrote
}

// Run runs a program to its end, in dir.
func Run(t testing.TB, dir, program string, args ...string) Outcome {
	t.Helper()
	return runWith(t, nil, dir, program, args...)
}

func runWith(t testing.TB, user *syscall.SysProcAttr, dir, program string, args ...string) Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Dir, command.Stdout, command.Stderr, command.SysProcAttr = dir, &stdout, &stderr, user
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("cannot run %s %q: %v\n%s", program, args, errors.Join(err, ctx.Err()), stderr.String())
	}
	return Outcome{Code: command.ProcessState.ExitCode(), Out: stdout.String(), Err: stderr.String()}
}

// Await polls until hold says yes, and ends the test if it does not in time.
func Await(t testing.TB, what string, hold func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !hold(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}
