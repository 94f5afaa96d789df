package firmware

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode"

	"otafleet/internal/ota"
)

// Program is a program of the device's builder that an installer runs: a
// handler, or the command that restarts a service.
type Program struct {
	Args  []string      // path or name, and arguments
	Dir   string        // working directory
	Env   []string      // NAME=value, beside PATH and HOME; nothing else is inherited
	Limit time.Duration // it is stopped after that
	Grace time.Duration // between SIGTERM and SIGKILL; 0 for 5 s
	// Trace is a file that names the run while it lasts, in a directory that
	// exists. What a run has left that was cut by the agent's death is ended
	// before the next one with the same Trace begins. Empty for none.
	Trace string
}

// Bounds of what is kept of a program's output, in bytes, from its end.
const (
	MaxStdout = 64 << 10
	MaxStderr = 4 << 10
)

const (
	defaultGrace = 5 * time.Second
	defaultPath  = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Outcome is how a program ended by itself.
type Outcome struct {
	Exit   int    // exit code
	Stdout []byte // its last MaxStdout bytes
	Stderr string // its last MaxStderr bytes, printable
}

// Run runs the program and waits for it. When the limit is reached, when ctx ends
// or when the program fails, everything that it has started gets SIGTERM, and
// SIGKILL after the grace; it is dead when Run returns. What a program that exits
// with 0 leaves in the background stays. An error means that the program could
// not be started or did not end by itself.
func (p Program) Run(ctx context.Context) (Outcome, error) {
	limited, cancel := context.WithTimeout(ctx, p.Limit)
	defer cancel()
	grace := p.Grace
	if grace <= 0 {
		grace = defaultGrace
	}
	r, err := p.begin()
	if err != nil {
		return Outcome{}, fmt.Errorf("cannot run %s: %w", p.Args[0], err)
	}
	stdout, stderr := tail{max: MaxStdout}, tail{max: MaxStderr}
	command := exec.CommandContext(limited, p.Args[0], p.Args[1:]...)
	command.Dir, command.Env = p.Dir, append(p.environment(), r.mark())
	command.Stdout, command.Stderr = &stdout, &stderr
	command.WaitDelay = grace
	// The death signal comes from the thread that started the program, so this
	// one must live as long: no handler works on beside a restarted agent.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command.Cancel = func() error {
		r.signal(syscall.SIGTERM)
		return syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
	}

	err = command.Run()
	outcome := Outcome{Stdout: stdout.bytes(), Stderr: printable(stderr.bytes())}
	if command.Process == nil {
		return outcome, errors.Join(fmt.Errorf("cannot run %s: %w", p.Args[0], startCause(err)), r.over())
	}
	outcome, err = p.judge(ctx, limited, outcome, err)
	if err != nil || outcome.Exit != 0 {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM) // all may have ended
		if left := r.end(grace); left != nil {
			// The trace stays: the next run tries again, and does not begin beside it.
			return outcome, errors.Join(err, fmt.Errorf("%s: %w", p.Args[0], left))
		}
	}
	return outcome, errors.Join(err, r.over())
}

func (p Program) judge(ctx, limited context.Context, outcome Outcome, err error) (Outcome, error) {
	var exit *exec.ExitError
	switch {
	case clean(err):
		return outcome, nil
	case ctx.Err() != nil:
		return outcome, fmt.Errorf("%s was stopped: %w", p.Args[0], ctx.Err())
	case limited.Err() != nil:
		return outcome, fmt.Errorf("%s took longer than %s%s", p.Args[0], p.Limit, said(outcome.Stderr))
	case ended(err) && stopped(ctx):
		// A service manager's SIGTERM may reach the program before the agent.
		return outcome, fmt.Errorf("%s was stopped: %w", p.Args[0], ctx.Err())
	case errors.As(err, &exit) && exit.Exited():
		outcome.Exit = exit.ExitCode()
		return outcome, nil
	}
	return outcome, fmt.Errorf("%s did not end by itself: %w%s", p.Args[0], err, said(outcome.Stderr))
}

// ended reports whether a program was ended by SIGTERM, in its shell's words too.
func ended(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, is := exit.Sys().(syscall.WaitStatus)
	return is &&
		(status.Signaled() && status.Signal() == syscall.SIGTERM || status.ExitStatus() == 128+int(syscall.SIGTERM))
}

// stopped waits a moment for the end of ctx.
func stopped(ctx context.Context) bool {
	const moment = 2 * time.Second
	select {
	case <-ctx.Done():
		return true
	case <-time.After(moment):
		return false
	}
}

// clean reports whether a program exited with 0. One that left its output to a
// process in the background has done so too.
func clean(err error) bool { return err == nil || errors.Is(err, exec.ErrWaitDelay) }

// Failed describes an exit code other than 0, with what the program said: on
// stderr, or on stdout if it said nothing there.
func (o Outcome) Failed() error {
	return fmt.Errorf("exit status %d%s", o.Exit, said(cmp.Or(o.Stderr, printable(o.Stdout))))
}

// said is what an error says of a program's words: their end, which says most,
// and no more than fits a failure's detail behind the agent's own words.
func said(stderr string) string {
	if stderr == "" {
		return ""
	}
	const own = 256 // bytes
	return ": " + strings.ToValidUTF8(stderr[max(0, len(stderr)-ota.MaxDetail+own):], "")
}

func (p Program) environment() []string {
	env := []string{"PATH=" + defaultPath, "HOME=/"}
	for _, name := range []string{"PATH", "HOME"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return append(env, p.Env...)
}

// startCause takes the path out of an error that names it again.
func startCause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		return lookup.Err
	}
	return err
}

// printable makes a program's words fit for a report.
func printable(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(string(b), "")))
}

// tail keeps the last max bytes written to it.
type tail struct {
	max  int
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	// Cutting only at twice the bound moves each byte once or twice, not each time.
	if len(t.kept) > 2*t.max {
		t.kept = append(t.kept[:0], t.bytes()...)
	}
	return len(p), nil
}

func (t *tail) bytes() []byte { return t.kept[max(0, len(t.kept)-t.max):] }
