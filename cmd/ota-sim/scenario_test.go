package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// inParts writes a scenario with a variable and a part.
func inParts(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "parts"), 0o700))
	path = filepath.Join(dir, "own.yaml")
	for name, text := range map[string]string{
		"own.yaml": "scenario: own\nduration: 30s\nvars: {devices: 4, target: 2}\ninclude: [parts/fleet.yaml]\n" +
			"plans: [{name: p, product: p, components: [{id: app, package: full, target: $(target), size: 1KiB}]}]\n",
		"parts/fleet.yaml": "fleet: [{name: f, count: $(devices), product: p, install: {time: 10ms}, " +
			"components: [{id: app, type: module, version: 1}]}]\nexpect: {devices: {upgraded: $(devices)}}\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return path
}

// digestOf is that of the history of a run in virtual time.
func digestOf(t *testing.T, args ...string) string {
	t.Helper()
	o := sim(t, append([]string{"run", "--virtual", "--quiet"}, args...)...)
	require.Equal(t, cli.OK, o.code, o.err)
	_, text, found := strings.Cut(o.out, "  history ")
	require.True(t, found, o.out)
	return strings.Fields(text)[0]
}

// TestAHistoryNeedsNoParts runs a scenario in parts, and then does everything with its
// history alone.
func TestAHistoryNeedsNoParts(t *testing.T) {
	t.Parallel()
	path := inParts(t)
	kept := filepath.Join(t.TempDir(), "kept")
	first := digestOf(t, path, "--set", "devices=7", "--out", kept)
	require.NoError(t, os.RemoveAll(filepath.Dir(path)))

	assert.Equal(t, first, digestOf(t, filepath.Join(kept, "scenario.yaml")))
	o := sim(t, "report", kept)
	assert.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, first)
	o = sim(t, "replay", kept, "--only", "f-000007")
	assert.Equal(t, cli.OK, o.code, o.err)
	text, err := os.ReadFile(filepath.Join(kept, "scenario.yaml"))
	require.NoError(t, err)
	for _, gone := range []string{"vars", "include", "$("} {
		assert.NotContains(t, string(text), gone)
	}
}

// TestShardsOfAScenarioInParts are of one run if they are set alike, and are repaired
// with what was set.
func TestShardsOfAScenarioInParts(t *testing.T) {
	t.Parallel()
	path, dir := inParts(t), t.TempDir()
	part := func(i string) string { return filepath.Join(dir, i) }
	run := func(i, devices string) {
		o := sim(t, "run", path, "--virtual", "--quiet", "--set", "devices="+devices, "--shard", i[:1]+"/2", "--out", part(i))
		require.Equal(t, cli.OK, o.code, o.err)
	}
	run("1", "6")
	run("2", "6")
	o := sim(t, "merge", part("1"), part("2"))
	assert.Equal(t, cli.OK, o.code, o.err)
	run("2x", "5")
	assert.Equal(t, cli.Usage, sim(t, "merge", part("1"), part("2x")).code)

	o = sim(t, "merge", part("1"))
	assert.Equal(t, exitShardLost, o.code)
	assert.Contains(t, o.err, "--set=devices=6")
	assert.Contains(t, o.err, path)
	require.NoError(t, os.RemoveAll(filepath.Dir(path)))
	o = sim(t, "merge", part("1"))
	assert.NotContains(t, o.err, "--set", "the record's own copy has nothing to set")
	assert.Contains(t, o.err, filepath.Join(part("1"), "scenario.yaml"))
}

// TestSetWhereAScenarioIsNamed sets a variable in each verb that takes a scenario.
func TestSetWhereAScenarioIsNamed(t *testing.T) {
	t.Parallel()
	path := inParts(t)
	for _, verb := range []string{"validate", "plan", "run --virtual --quiet", "explore --pairs 0 --quiet",
		"list --resolved"} {
		words := append(strings.Fields(verb), path)
		o := sim(t, append(words, "--set", "devices=1", "--set", "target=3")...)
		assert.Equal(t, cli.OK, o.code, "%s: %s", verb, o.err)
		o = sim(t, append(words, "--set", "devises=1")...)
		assert.Equal(t, cli.Usage, o.code, verb)
		assert.Contains(t, o.err, `there is no variable "devises"; did you mean "devices"?`, verb)
	}
	assert.Contains(t, sim(t, "list", "regions").out, "$(target)")
	assert.Contains(t, sim(t, "list", "regions", "--resolved", "--set", "devices=123").out, "count: 123\n")
	assert.Equal(t, cli.Usage, sim(t, "list", "--resolved").code)
}
