package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// keep runs a scenario in virtual time, in a process of its own, whose memory is what the
// run takes, and keeps its history.
func keep(t *testing.T, dir, text string, flags ...string) string {
	t.Helper()
	run := []string{"run", "--virtual", "--quiet", "--out", dir, file(t, "s.yaml", text)}
	cmd := process(t, "", append(run, flags...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// TestCompare holds a run against itself, whole and in shards, in every form.
func TestCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	before, after := keep(t, path("before"), sick), keep(t, path("after"), strings.Replace(sick, "A handful", "Some", 1))
	for _, i := range []string{"1", "2"} {
		keep(t, path("shards/part-"+i), sick, "--shard", i+"/2")
	}
	forms := []string{"--json", path("c.json"), "--junit", path("c.xml"), "--html", path("c.html")}
	o := sim(t, append([]string{"compare", before, after}, forms...)...)
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	assert.Contains(t, o.out, "the histories are the same to the byte")
	assert.Contains(t, o.out, "\nNO REGRESSION: 0 better, ")
	for name, want := range map[string]string{"c.json": `"identical": true`, "c.xml": `classname="small.compare.time"`,
		"c.html": "No regression"} {
		content, err := os.ReadFile(path(name))
		require.NoError(t, err)
		assert.Contains(t, string(content), want)
	}
	o = sim(t, "compare", "--against", before, "--against", path("shards"), path("shards"), after)
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	assert.Contains(t, o.out, "virtual world · 2 runs against 2 baselines")
	assert.Contains(t, o.out, "Not compared\n  resources.memory", "processes share what one has alone")
}

// TestCompareFindsWhatIsWorse, unless a flag or the scenario of the run allows it.
func TestCompareFindsWhatIsWorse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	before, after := keep(t, path("before"), small), keep(t, path("after"), small)
	worsen(t, after)
	o := sim(t, "compare", before, after)
	assert.Equal(t, cli.Failed, o.code, "%s%s", o.out, o.err)
	assert.Regexp(t, `Worse\n +resources.memory +\S+ MiB → 333.0 GiB `, o.out)
	assert.Contains(t, o.out, "\nREGRESSION: 1 worse, ")
	o = sim(t, "compare", before, after, "--tolerance", "resources.memory=400GiB")
	assert.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	o = sim(t, "compare", after, before)
	assert.Equal(t, cli.OK, o.code, "an improvement is no failure: %s%s", o.out, o.err)
	assert.Contains(t, o.out, "\nNO REGRESSION: 1 better, ")
	lenient := keep(t, path("lenient"), small+"compare: {resources: {memory: 400GiB}}\n")
	worsen(t, lenient)
	o = sim(t, "compare", before, lenient)
	assert.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
}

// worsen makes a kept run one that took very much memory.
func worsen(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "run.json")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var d map[string]any
	require.NoError(t, json.Unmarshal(content, &d))
	d["end"].(map[string]any)["resources"].(map[string]any)["peak_memory_bytes"] = 999 << 30
	content, err = json.Marshal(d)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o644))
}

// TestCompareRefuses what cannot be compared, with the reason.
func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	before := keep(t, path("before"), small)
	seed := keep(t, path("seed"), small, "--seed", "5")
	shard := keep(t, path("shards/part-1"), small, "--shard", "1/2")
	other := keep(t, path("other"), strings.Replace(small, "size: 10000", "size: 10001", 1))
	killed := keep(t, path("killed"), small)
	edit(t, filepath.Join(killed, "run.json"), `"end": {`, `"not the end": {`)
	interrupted := keep(t, path("interrupted"), small)
	edit(t, filepath.Join(interrupted, "run.json"), `"interrupted": false`, `"interrupted": true`)
	incomplete := keep(t, path("incomplete"), small)
	edit(t, filepath.Join(incomplete, "run.json"), `"end": {`, `"incomplete": "the disk is full", "not the end": {`)
	newer := keep(t, path("newer"), small)
	edit(t, filepath.Join(newer, "run.json"), `"format": 1`, `"format": 2`)
	damaged := keep(t, path("damaged"), small)
	edit(t, filepath.Join(damaged, "run.json"), `"events": `, `"events": 9`)
	for run, why := range map[string]string{
		seed:  before + " has the seed 1, and " + seed + " has 5",
		shard: before + " has the devices of the whole run, and " + shard + " has shard 1/2",
		other: before + " and " + other + " are not of the same scenario: what differs is plans",

		path("shards"): "shard 2/2 is not among the given directories",
		killed:         "the history in " + killed + " has no end: its program was killed",
		interrupted:    "the history in " + interrupted + " was interrupted",
		incomplete:     "the history in " + incomplete + " is incomplete: the disk is full",
		newer:          "has format 2, and this program knows 1",
		damaged:        "events, and the run recorded 9",
		path("absent"): "there is no record of a run in " + path("absent"),
	} {
		o := sim(t, "compare", before, run)
		assert.Equal(t, cli.Usage, o.code, run)
		assert.Contains(t, o.err, why)
	}
	for _, wrong := range [][]string{{}, {before}, {"--against", before}, {before, before, "--spread", "-1"},
		{before, before, "--tolerance", "luck=1%"}, {before, before, "--json", filepath.Join(before, "run.json")}} {
		o := sim(t, append([]string{"compare"}, wrong...)...)
		assert.Equal(t, cli.Usage, o.code, wrong)
	}
}

// edit replaces a text in a file.
func edit(t *testing.T, path, from, to string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(content), from)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(content), from, to, 1)), 0o644))
}

// TestRunAgainst gives the verdict and the comparison in one, and refuses a baseline that
// it cannot be compared with before anything runs.
func TestRunAgainst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	before, text := keep(t, path("before"), sick), file(t, "sick.yaml", sick)
	// This process is the test's, and takes what other tests take.
	whatever := []string{"--tolerance", "resources.memory=1GiB", "--tolerance", "resources.cpu=10m"}
	o := sim(t, append([]string{"run", "--virtual", "--quiet", text, "--against", before, "--json", path("v.json"),
		"--junit", path("v.xml"), "--html", path("v.html")}, whatever...)...)
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	assert.Regexp(t, `(?s)\nHELD\n.*\nNO REGRESSION: `, o.out)
	for name, wants := range map[string][]string{
		"v.json": {`"expectations": [`, `"comparison": {`},
		"v.xml":  {`classname="small"`, `classname="small.compare.devices"`},
		"v.html": {`id="expectations"`, `id="compared"`, `id="curves"`},
	} {
		content, err := os.ReadFile(path(name))
		require.NoError(t, err)
		for _, want := range wants {
			assert.Contains(t, string(content), want)
		}
	}
	many := keep(t, path("many"), sick)
	worsen(t, many)
	o = sim(t, append([]string{"run", "--virtual", "--quiet", text, "--against", many}, whatever...)...)
	assert.Equal(t, cli.OK, o.code, "better than the baseline: %s%s", o.out, o.err)

	for why, flags := range map[string][]string{
		"has the world virtual, and this run has real": {},
		"has the seed 1, and this run has 7":           {"--virtual", "--seed", "7"},
		"is compared when it is merged": {"--virtual", "--shard", "1/2", "--out", path("p"), "--verdict",
			"merge"},
	} {
		o := sim(t, append([]string{"run", "--quiet", text, "--against", before}, flags...)...)
		assert.Equal(t, cli.Usage, o.code, flags)
		assert.Contains(t, o.err, why)
		assert.Empty(t, o.out, "nothing has run")
	}
	o = sim(t, "run", "--virtual", "--quiet", text, "--tolerance", "time=5%")
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "give --against, too")
	edit(t, filepath.Join(before, "run.json"), `"events": `, `"events": 9`)
	o = sim(t, "run", "--virtual", "--quiet", text, "--against", before)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.out, "\nHELD\n", "what has run is judged")
	assert.Contains(t, o.out, "NOT COMPARED: ")
}
