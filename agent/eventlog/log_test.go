package eventlog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func details(t *testing.T, l *Log) (all []string) {
	t.Helper()
	lines, err := l.Read()
	require.NoError(t, err)
	for _, line := range lines {
		all = append(all, line.Detail)
	}
	return all
}

func TestLines(t *testing.T) {
	dir := t.TempDir()
	l := Open(Config{Dir: dir})
	e := agent.Event{Time: noon, Kind: agent.EventEnded, Plan: "p-17", Attempt: 2, Component: "app", Step: "download",
		Code: "http_error", Detail: "500", Took: 1500 * time.Millisecond}
	l.Record(e)
	l.Record(agent.Event{Time: noon.Add(time.Second), Kind: agent.EventConnected})
	require.NoError(t, l.Close())
	content, err := os.ReadFile(filepath.Join(dir, Name))
	require.NoError(t, err)
	assert.Equal(t, `{"time":"2026-11-25T12:00:00Z","kind":"ended","plan":"p-17","attempt":2,"component":"app",`+
		`"step":"download","code":"http_error","detail":"500","took_ms":1500}
{"time":"2026-11-25T12:00:01Z","kind":"connected"}
`, string(content))

	l = Open(Config{Dir: dir})
	defer l.Close()
	lines, err := l.Read()
	require.NoError(t, err)
	assert.Equal(t, []Line{
		{Time: noon, Kind: agent.EventEnded, Plan: "p-17", Attempt: 2, Component: "app", Step: "download",
			Code: "http_error", Detail: "500", TookMS: 1500},
		{Time: noon.Add(time.Second), Kind: agent.EventConnected},
	}, lines)
}

// However much happens, two files of bounded size hold it, and the newest is
// there.
func TestRotation(t *testing.T) {
	const most = 1000
	dir := t.TempDir()
	l := Open(Config{Dir: dir, Max: most})
	defer l.Close()
	for i := range 500 {
		l.Record(agent.Event{Time: noon, Kind: agent.EventStep, Detail: fmt.Sprint(i)})
		if i%100 == 0 { // over restarts too
			require.NoError(t, l.Close())
			l = Open(Config{Dir: dir, Max: most})
		}
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		assert.LessOrEqual(t, info.Size(), int64(most))
	}
	all := details(t, l)
	assert.Greater(t, len(all), 15)
	for i, detail := range all {
		assert.Equal(t, fmt.Sprint(500-len(all)+i), detail, "without a gap, to the last")
	}
}

func TestDetailsAreBounded(t *testing.T) {
	l := Open(Config{Dir: t.TempDir(), Max: 4096})
	defer l.Close()
	l.Record(agent.Event{Time: noon, Kind: agent.EventStep, Detail: strings.Repeat("ü", 5000) + " no valve"})
	all := details(t, l)
	require.Len(t, all, 1)
	assert.LessOrEqual(t, len(all[0]), maxDetail)
	assert.Greater(t, len(all[0]), maxDetail-8)
	assert.True(t, strings.HasPrefix(all[0], "üü") && strings.HasSuffix(all[0], "ü no valve"), all[0])
}

func TestTornLine(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, Name),
		[]byte(`{"time":"2026-11-25T12:00:00Z","kind":"step","detail":"whole"}
{"time":"2026-11-25T12:00:00Z","ki`), 0o600))
	l := Open(Config{Dir: dir})
	defer l.Close()
	l.Record(agent.Event{Time: noon, Kind: agent.EventStep, Detail: "next"})
	assert.Equal(t, []string{"whole", "next"}, details(t, l))
}

// A log that cannot be written says so once, and is written again when it can.
func TestDirectoryThatComesAndGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	var said bytes.Buffer
	l := Open(Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	defer l.Close()
	for range 3 {
		l.Record(agent.Event{Time: noon, Kind: agent.EventStep, Detail: "lost"})
	}
	assert.Equal(t, 1, strings.Count(said.String(), "events are lost"), said.String())
	require.NoError(t, os.Mkdir(dir, 0o755))
	l.Record(agent.Event{Time: noon, Kind: agent.EventStep, Detail: "kept"})
	assert.Equal(t, []string{"kept"}, details(t, l))
}

func FuzzDecodeLines(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-25T12:00:00Z","kind":"step"}` + "\n\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, err := decodeLines(bytes.NewReader(data))
		require.NoError(t, err)
		for _, line := range lines {
			assert.NotEmpty(t, line.Kind)
		}
	})
}

// TestSomethingElseInAPlace: it is removed, and the log goes on.
func TestSomethingElseInAPlace(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a directory":      func(path string) error { return os.MkdirAll(filepath.Join(path, "in it"), 0o700) },
		"a pipe":           func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link to itself": func(path string) error { return os.Symlink(path, path) },
		"a link to a pipe": func(path string) error {
			return errors.Join(syscall.Mkfifo(path+"-pipe", 0o600), os.Symlink(path+"-pipe", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			const most = 200
			dir := t.TempDir()
			require.NoError(t, put(filepath.Join(dir, Name)))
			require.NoError(t, put(filepath.Join(dir, OldName)))
			l := Open(Config{Dir: dir, Max: most})
			defer l.Close()
			l.Record(agent.Event{Time: noon, Kind: agent.EventStep, Detail: "first"})
			assert.Equal(t, []string{"first"}, details(t, l))
			for range 3 { // one line more than the file may have
				l.Record(agent.Event{Time: noon, Kind: agent.EventStep, Detail: "more"})
			}
			assert.Contains(t, details(t, l), "more")
			assert.FileExists(t, filepath.Join(dir, OldName))
		})
	}
}

// TestLongLine: what the agent has not written hides nothing that comes after it.
func TestLongLine(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{maxLine - 1, maxLine, maxLine + 1, 3*maxLine + 7} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, Name), make([]byte, size), 0o600))
		l := Open(Config{Dir: dir})
		l.Record(agent.Event{Time: noon, Kind: agent.EventStep, Detail: "after it"})
		assert.Equal(t, []string{"after it"}, details(t, l), "%d bytes", size)
		require.NoError(t, l.Close())
	}
}
