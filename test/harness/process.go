package harness

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
	output  output
	ended   chan struct{} // closed when it has ended
}

// Start starts a program in dir. It is killed when the test ends.
func Start(t testing.TB, dir, program string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, name: filepath.Base(program), command: exec.Command(program, args...), ended: make(chan struct{})}
	p.command.Dir, p.command.Stdout, p.command.Stderr = dir, &p.output, &p.output
	p.command.WaitDelay = time.Second // what it left behind may hold its output
	if err := p.command.Start(); err != nil {
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
}

// PID is the process's id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Output is what the program has written so far.
func (p *Process) Output() string { return p.output.String() }

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
	for deadline := time.Now().Add(2 * Patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
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

// output keeps what a program writes, while it writes.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}
