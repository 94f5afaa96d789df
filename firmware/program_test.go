package firmware_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// shell is a program of the shell with time enough on any machine.
func shell(script string) firmware.Program {
	return firmware.Program{Args: []string{"/bin/sh", "-c", script}, Limit: time.Minute, Grace: 100 * time.Millisecond}
}

func TestProgramOutcome(t *testing.T) {
	tests := map[string]struct {
		script string
		want   firmware.Outcome
	}{
		"success":   {"echo out; echo err >&2", firmware.Outcome{Stdout: []byte("out\n"), Stderr: "err"}},
		"exit code": {"echo broken >&2; exit 75", firmware.Outcome{Exit: 75, Stdout: []byte{}, Stderr: "broken"}},
		"printable": {
			`printf ' \033[31mred\033[0m\377 one\n two\n' >&2`,
			firmware.Outcome{Stdout: []byte{}, Stderr: "[31mred[0m one\n two"},
		},
		"background": {"sleep 600 & echo $!", firmware.Outcome{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := shell(test.script).Run(t.Context())
			require.NoError(t, err)
			if name == "background" {
				// It keeps the output open and must not keep Run.
				pid, err := strconv.Atoi(strings.TrimSpace(string(got.Stdout)))
				require.NoError(t, err)
				require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
				return
			}
			test.want.Stdout = append([]byte(nil), test.want.Stdout...)
			got.Stdout = append([]byte(nil), got.Stdout...)
			assert.Equal(t, test.want, got)
		})
	}
	outcome := firmware.Outcome{Exit: 3, Stderr: "no valve"}
	require.EqualError(t, outcome.Failed(), "exit status 3: no valve")
	require.EqualError(t, firmware.Outcome{Exit: 3}.Failed(), "exit status 3")
	require.EqualError(t, firmware.Outcome{Exit: 3, Stdout: []byte("no pump\n")}.Failed(), "exit status 3: no pump")
}

func TestProgramKeepsTheEndOfOutput(t *testing.T) {
	got, err := shell(
		`i=0; while [ $i -lt 5000 ]; do echo "line $i of the output"; echo "complaint $i" >&2; i=$((i+1)); done`,
	).Run(t.Context())
	require.NoError(t, err)
	assert.Len(t, got.Stdout, firmware.MaxStdout)
	assert.True(t, strings.HasSuffix(string(got.Stdout), "line 4999 of the output\n"))
	assert.LessOrEqual(t, len(got.Stderr), firmware.MaxStderr)
	assert.True(t, strings.HasSuffix(got.Stderr, "complaint 4999"))
	got.Exit = 1
	assert.Greater(t, len(got.Failed().Error()), ota.MaxDetail-512)
	assert.Less(t, len(got.Failed().Error()), ota.MaxDetail-100, "no room for the words of who tells it")
	assert.True(t, strings.HasSuffix(got.Failed().Error(), "complaint 4999"))
}

// What a program has started is dead when a failed run ends, in whatever session
// and group it is, and nothing of it is when the run was good.
func TestProgramIsEndedWithWhatItStarted(t *testing.T) {
	const started = `
		setsid sh -c 'echo $$ >a; exec sleep 600' &
		timeout 600 sh -c 'echo $$ >b; exec sleep 600' &
		set -m; (echo $$ >/dev/null; sh -c 'echo $$ >c; trap "" TERM; while :; do sleep 1; done') &
		while [ ! -s a ] || [ ! -s b ] || [ ! -s c ]; do sleep 0.01; done
		exec >/dev/null 2>&1; `
	for name, end := range map[string]string{"fails by itself": "exit 1", "at its limit": "sleep 600",
		"ends well": "exit 0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := shell(started + end)
			p.Dir, p.Limit = t.TempDir(), 10*time.Second
			outcome, err := p.Run(t.Context())
			good := err == nil && outcome.Exit == 0
			for _, child := range []string{"a", "b", "c"} {
				pid := waitForPid(t, filepath.Join(p.Dir, child))
				assert.Equal(t, good, alive(pid), child)
				_ = syscall.Kill(pid, syscall.SIGKILL) // of the good run
			}
		})
	}
}

// A run that was cut by the agent's death is ended before the next one begins.
// One whose agent lives is not.
func TestProgramAfterTheAgentsDeath(t *testing.T) {
	p := shell("cat tool")
	p.Dir, p.Trace = t.TempDir(), filepath.Join(t.TempDir(), "run")
	for _, owner := range []string{"1 0", "1 " + startOf(t, 1)} {
		tool := exec.Command("setsid", "sleep", "600")
		tool.Env = []string{"OTA_RUN=left"}
		require.NoError(t, tool.Start())
		require.NoError(t, os.WriteFile(p.Trace, []byte("left "+owner+"\n"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(p.Dir, "tool"), nil, 0o600))
		_, err := p.Run(t.Context())
		require.NoError(t, err)
		if owner == "1 0" {
			assert.NoFileExists(t, p.Trace)
			assert.False(t, alive(tool.Process.Pid), "it works beside the next run")
		} else {
			assert.FileExists(t, p.Trace)
			assert.True(t, alive(tool.Process.Pid), "another agent's run was ended")
		}
		_ = tool.Process.Kill()
		_ = tool.Wait()
	}
}

func startOf(t *testing.T, pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	require.NoError(t, err)
	return strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))[19]
}

// A service manager ends the program and the agent; the program may be the first.
func TestProgramEndedBeforeItsAgent(t *testing.T) {
	for _, script := range []string{"kill -TERM $$", "exit 143"} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := shell(script).Run(ctx)
		require.ErrorIs(t, err, context.Canceled, script)
	}
	_, err := shell("kill -TERM $$").Run(t.Context())
	require.ErrorContains(t, err, "did not end by itself: signal: terminated", "the agent goes on")
}

func TestProgramEnvironment(t *testing.T) {
	t.Setenv("SECRET", "token")
	t.Setenv("HOME", "/home/agent")
	p := shell(`env; pwd`)
	p.Env, p.Dir = []string{"OTA_TARGET=1.1.0"}, t.TempDir()
	got, err := p.Run(t.Context())
	require.NoError(t, err)
	out := string(got.Stdout)
	assert.NotContains(t, out, "SECRET")
	assert.Contains(t, out, "HOME=/home/agent\n")
	assert.Contains(t, out, "PATH="+os.Getenv("PATH")+"\n")
	assert.Contains(t, out, "OTA_TARGET=1.1.0\n")
	assert.True(t, strings.HasSuffix(out, p.Dir+"\n"))
}

func TestProgramIsStopped(t *testing.T) {
	// The child ignores SIGTERM and outlives its parent unless the group is killed.
	const stubborn = `trap '' TERM; (trap '' TERM; echo $$ >leader; exec sleep 600) & echo $! >child; wait`
	run := func(t *testing.T, limit time.Duration, cancelled bool) error {
		p := shell(stubborn)
		p.Dir, p.Limit = t.TempDir(), limit
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { _, err := p.Run(ctx); ended <- err }()
		child := waitForPid(t, filepath.Join(p.Dir, "child"))
		if cancelled {
			cancel()
		}
		var err error
		select {
		case err = <-ended:
		case <-time.After(2 * time.Minute):
			require.Fail(t, "the program was not stopped")
		}
		require.Eventually(t, func() bool { return !alive(child) }, time.Minute, 5*time.Millisecond, "a child lives on")
		return err
	}
	t.Run("at its limit", func(t *testing.T) { // which leaves the child time to begin
		t.Parallel()
		require.ErrorContains(t, run(t, 10*time.Second, false), "took longer than 10s")
	})
	t.Run("when the context ends", func(t *testing.T) {
		t.Parallel()
		require.ErrorIs(t, run(t, time.Minute, true), context.Canceled)
	})
}

func waitForPid(t *testing.T, path string) (pid int) {
	require.Eventually(t, func() bool {
		content, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(content)))
		return err == nil
	}, time.Minute, 5*time.Millisecond)
	return pid
}

// alive reports whether a process runs; one that waits to be reaped does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestProgramThatDoesNotRun(t *testing.T) {
	dir := t.TempDir()
	notExecutable := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(notExecutable, []byte("text"), 0o644))
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"): "no such file or directory",
		"no-such-program-anywhere":    "executable file not found in $PATH",
		notExecutable:                 "permission denied",
	} {
		_, err := firmware.Program{Args: []string{path}, Limit: time.Minute}.Run(t.Context())
		require.ErrorContains(t, err, "cannot run "+path)
		require.ErrorContains(t, err, want)
	}
	_, err := shell("kill -9 $$").Run(t.Context())
	require.ErrorContains(t, err, "did not end by itself: signal: killed")
}
