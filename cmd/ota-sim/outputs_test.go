package main

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// TestEarlierVerdictIsGone whatever keeps this run from having one.
func TestEarlierVerdictIsGone(t *testing.T) {
	t.Parallel()
	good := file(t, "small.yaml", small)
	for _, args := range [][]string{
		{"run", good, "--broker", "mqtt://127.0.0.1:1", "--stand-in"},
		{"run", file(t, "bad.yaml", "scenario: b a d")},
		{"run", good, "--virtual", "--store", "http://127.0.0.1:1"},
		{"report", t.TempDir()},
		{"merge", t.TempDir()},
		{"replay", t.TempDir(), "--only", "gw-000001"},
	} {
		json := file(t, "v.json", `{"held": true}`)
		html := filepath.Join(filepath.Dir(json), "link.html")
		require.NoError(t, os.WriteFile(html+".real", []byte("held"), 0o600))
		require.NoError(t, os.Symlink(html+".real", html))
		o := sim(t, append(args, "--json", json, "--html", html)...)
		assert.NotEqual(t, cli.OK, o.code)
		assert.NoFileExists(t, json, args)
		text, err := os.ReadFile(html + ".real")
		require.NoError(t, err)
		assert.Empty(t, text, args)
	}
}

// TestOneFileForTwo things is refused, whatever it is called, and left as it is.
func TestOneFileForTwo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(path("small.yaml"), []byte(small), 0o600))
	require.NoError(t, os.WriteFile(path("v"), []byte("kept"), 0o600))
	require.NoError(t, os.Link(path("v"), path("hard")))
	require.NoError(t, os.Symlink("v", path("soft")))
	require.NoError(t, os.Symlink(dir, path("dir")))
	for _, args := range [][]string{
		{"--json", path("v"), "--html", path("v")},
		{"--json", path("v"), "--junit", path("hard")},
		{"--html", path("v"), "--junit", path("soft")},
		{"--html", path("new"), "--junit", dir + "/./new"},
		{"--html", path("new.part"), "--json", path("new")},
		{"--html", path("new"), "--json", path("new.part")},
		{"--profile", path("new"), "--json", path("new")},
		{"--profile", path("dir"), "--html", path("heap.pprof")},
		{"--profile", path("out"), "--out", path("out")},
		{"--html", path("new"), "--json", path("dir/new")},
		{"--json", path("small.yaml")},
		{"--json", path("v"), "--trust", path("v")},
		{"--out", path("out"), "--json", path("out/run.json")},
		{"--out", path("out"), "--html", path("out/report.html")},
	} {
		o := sim(t, append([]string{"run", "--virtual", path("small.yaml")}, args...)...)
		assert.Equal(t, cli.Usage, o.code, "%s%s", args, o.out)
		assert.Regexp(t, "the same file as|has to itself", o.err)
	}
	for name, want := range map[string]string{"v": "kept", "small.yaml": small} {
		text, err := os.ReadFile(path(name))
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
	}
	require.Equal(t, cli.OK, sim(t, "run", "--virtual", "--out", path("look"), path("small.yaml")).code)
	for _, verb := range []string{"report", "merge"} {
		assert.Equal(t, cli.Usage, sim(t, verb, path("look"), "--html", path("look/events.jsonl.zst")).code)
	}
	assert.Equal(t, cli.OK, sim(t, "report", path("look"), "--html", path("look/report.html")).code)
	assert.FileExists(t, path("look/report.html"))
}

// TestSignalsEndARun with a verdict in every form that was asked for.
func TestSignalsEndARun(t *testing.T) {
	t.Parallel()
	waiting := strings.Replace(small, "{name: gw,", "{name: gw, arrive: {over: 9m},", 1)
	for _, sent := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if signal.Ignored(sent) {
			continue // a run started by nohup goes on, and so would these
		}
		json := filepath.Join(t.TempDir(), "v.json")
		cmd := process(t, "", "run", file(t, "small.yaml", waiting), "--json", json)
		output, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = io.ReadFull(output, make([]byte, 6))
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(sent))
		rest, err := io.ReadAll(output)
		require.NoError(t, err)
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Wait(), &exit)
		assert.Equal(t, cli.Interrupted, exit.ExitCode(), "%s", sent)
		assert.Contains(t, string(rest), "✗ the run came to its end", "%s", sent)
		text, err := os.ReadFile(json)
		require.NoError(t, err)
		assert.Contains(t, string(text), `"interrupted": true`)
	}
}
