package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/scenarios"
)

// TestBundledScenarios runs each in virtual time, but for a million devices, and
// one over sockets.
func TestBundledScenarios(t *testing.T) {
	for _, name := range scenarios.Names() {
		s, err := readScenario(name, &deviceFlags{})
		require.NoError(t, err)
		var worlds []string
		if s.Devices() <= 100_000 && s.Windows == 0 { // memory of a soak is a process's own: test/catalogue runs it
			worlds = append(worlds, "--virtual=true")
		}
		if name == "happy" {
			worlds = append(worlds, "--virtual=false")
		}
		for _, world := range worlds {
			t.Run(name+" "+world, func(t *testing.T) {
				t.Parallel()
				o := sim(t, "run", "--quiet", world, name)
				assert.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
				assert.Contains(t, o.out, "\nHELD\n")
				assert.Empty(t, o.err)
			})
		}
	}
}

func TestVerdictInEveryForm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	scenario := file(t, "small.yaml", small+"expect: {devices: {upgraded: 3}}\n")
	o := sim(t, "run", scenario, "--json", filepath.Join(dir, "v.json"), "--junit", filepath.Join(dir, "v.xml"), "--seed",
		"7")
	require.Equal(t, cli.OK, o.code, o.err)
	assert.Regexp(t, `^small: 3 devices, broker mqtt://127\.0\.0\.1:\d+, at most 10m0s\n`, o.out)
	assert.Contains(t, o.out, "arrived 3  connected ", "the live view, as lines")
	assert.NotContains(t, o.out, "\x1b", "no colours in a file")
	assert.Contains(t, o.out, "seed 7")

	text, err := os.ReadFile(filepath.Join(dir, "v.json"))
	require.NoError(t, err)
	var v struct {
		Held    bool
		Seed    int
		Classes struct{ All map[string]int }
	}
	require.NoError(t, json.Unmarshal(text, &v))
	assert.True(t, v.Held)
	assert.Equal(t, 7, v.Seed)
	assert.Equal(t, 3, v.Classes.All["upgraded"])

	text, err = os.ReadFile(filepath.Join(dir, "v.xml"))
	require.NoError(t, err)
	var suites struct {
		Suite struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(text, &suites))
	assert.Equal(t, 4, suites.Suite.Tests)
	assert.Zero(t, suites.Suite.Failures)
}

// TestVerdictOnStandardOutput leaves nothing there but the JSON.
func TestVerdictOnStandardOutput(t *testing.T) {
	t.Parallel()
	o := sim(t, "run", file(t, "small.yaml", small+"expect: {devices: {upgraded: 2}}\n"), "--json", "-")
	assert.Equal(t, cli.Failed, o.code)
	var v struct{ Held bool }
	require.NoError(t, json.Unmarshal([]byte(o.out), &v))
	assert.False(t, v.Held)
	assert.Contains(t, o.err, "NOT HELD: 1 of 4 expectations failed")
}

// TestInterruptedProcess sends the signal of Ctrl-C to the program and gets a
// verdict.
func TestInterruptedProcess(t *testing.T) {
	t.Parallel()
	waiting := strings.Replace(small, "{name: gw,", "{name: gw, arrive: {over: 9m},", 1)
	cmd := process(t, "", "run", file(t, "small.yaml", waiting))
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	first := make([]byte, 6)
	_, err = io.ReadFull(output, first)
	require.NoError(t, err)
	assert.Equal(t, "small:", string(first), "the run is under way")
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	rest, err := io.ReadAll(output)
	require.NoError(t, err)
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	assert.Equal(t, cli.Interrupted, exit.ExitCode())
	assert.Contains(t, string(rest), "✗ the run came to its end")
	assert.Contains(t, string(rest), "NOT HELD")
}

// TestInterruptedBeforeItBegins is no unreachable broker.
func TestInterruptedBeforeItBegins(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := file(t, "small.yaml", small)
	assert.Equal(t, cli.Interrupted, simUntil(ctx, "run", path, "--broker", "mqtt://127.0.0.1:1", "--allow-unsigned").code)
	assert.Equal(t, cli.Interrupted, simUntil(ctx, "run", path).code)
}

// TestAgainstTheFakePlatformOfAnotherProcess runs devices against ota-sim platform.
func TestAgainstTheFakePlatformOfAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(path("app.bin"), bytes.Repeat([]byte("new"), 5000), 0o600))
	require.Equal(t, cli.OK, sim(t, "keygen", path("release")).code)
	o := sim(t, "pack", "--key", path("release.key"), "--product", "gw-200", "--component", "app", "--target", "1.1.0",
		"--release", "2",
		"--out", path("app.ota"), path("app.bin"))
	require.Equal(t, cli.OK, o.code, o.err)

	serving := process(t, "", "platform", "--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0", "--page", "",
		"--upgrade", path("app.ota"), "--until-done", "3")
	output, err := serving.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, serving.Start())
	url := firstURL(t, output)
	o = sim(t, "run", "--quiet", "--broker", url, "--trust", path("release.pub"),
		file(t, "small.yaml", small+"expect: {devices: {upgraded: 3}}\n"))
	assert.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	log, err := io.ReadAll(output)
	require.NoError(t, err)
	require.NoError(t, serving.Wait(), "it ends by itself")
	assert.Contains(t, string(log), "plan plan-1 for product gw-200: app to 1.1.0")
	assert.Equal(t, 3, strings.Count(string(log), "is now: Upgraded"))
}

// firstURL reads the broker's address from the first line of the platform.
func firstURL(t *testing.T, output io.Reader) string {
	t.Helper()
	var line []byte
	for deadline := time.Now().Add(patience); !bytes.HasSuffix(line, []byte("\n")); {
		require.True(t, time.Now().Before(deadline))
		one := make([]byte, 1)
		_, err := io.ReadFull(output, one)
		require.NoError(t, err, string(line))
		line = append(line, one...)
	}
	url := regexp.MustCompile(`mqtt://[0-9.:]+`).FindString(string(line))
	require.NotEmpty(t, url, string(line))
	return url
}
