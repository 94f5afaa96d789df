package harness

import (
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shown is how many lines of a program's output a failed test shows.
const shown = 40

// Process is a running program.
type Process struct {
	t       testing.TB
	name    string
	command *exec.Cmd
	output  *os.File      // without a name
	ended   chan struct{} // closed when it has ended
}

// Start starts a program in dir. It is killed when the test ends.
func Start(t testing.TB, dir, program string, args ...string) *Process {
	t.Helper()
	return startWith(t, nil, dir, program, args...)
}

func startWith(t testing.TB, user *syscall.SysProcAttr, dir, program string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, name: filepath.Base(program), command: exec.Command(program, args...), ended: make(chan struct{})}
	// Into a file, not through a pipe: what a program has written is there at once.
	var err error
	if p.output, err = os.CreateTemp("", "ota-output-"); err == nil {
		err = os.Remove(p.output.Name())
	}
	p.command.Dir, p.command.Stdout, p.command.Stderr, p.command.SysProcAttr = dir, p.output, p.output, user
	if err = errors.Join(err, p.command.Start()); err != nil {
		t.Fatalf("cannot start %s: %v", program, err)
	}
	go func() {
		_ = p.command.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.cleanUp)
	return p
}

func (p *Process) cleanUp() {
	p.Kill()
	if p.t.Failed() {
		lines := strings.Split(strings.TrimSpace(p.Output()), "\n")
		p.t.Logf("the last lines of %s:\n%s", p.name, strings.Join(lines[max(0, len(lines)-shown):], "\n"))
	}
	_ = p.output.Close()
}

// PID is the process's id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Output is what the program has written so far.
func (p *Process) Output() string {
	p.t.Helper()
	text, err := io.ReadAll(io.NewSectionReader(p.output, 0, math.MaxInt64))
	if err != nil {
		p.t.Fatalf("cannot read what %s has written: %v", p.name, err)
	}
	return string(text)
}

// Running reports whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Kill ends the program as a power cut would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // it may have ended by itself
	<-p.ended
}

// Stop asks the program to end and returns its exit code.
func (p *Process) Stop() int {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && p.Running() {
		p.t.Fatalf("cannot stop %s: %v", p.name, err)
	}
	return p.Wait()
}

// Wait waits until the program has ended by itself and returns its exit code,
// -1 if a signal ended it.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.command.ProcessState.ExitCode()
	case <-time.After(Patience):
		p.t.Fatalf("%s does not end", p.name)
		return -1
	}
}

// AwaitOutput waits until the program has written a text.
func (p *Process) AwaitOutput(text string) {
	p.t.Helper()
	err := p.awaitOutput(text)
	if err != nil {
		p.t.Fatalf("%s: %v: %q", p.name, err, text)
	}
}

func (p *Process) awaitOutput(text string) error {
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		running := p.Running()
		switch {
		case strings.Contains(p.Output(), text):
			return nil
		case !running:
			return errors.New("ended without writing")
		}
	}
	return errors.New("does not write")
}
