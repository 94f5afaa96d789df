package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// digest is what a verdict says of the history.
func digest(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var v struct {
		World  string
		Digest string `json:"history_digest"`
	}
	require.NoError(t, json.Unmarshal(content, &v))
	assert.Equal(t, "virtual", v.World)
	require.NotEmpty(t, v.Digest)
	return v.Digest
}

// TestVirtualHistoryIsTheSame on every run, judged again, and merged of shards.
func TestVirtualHistoryIsTheSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	text := file(t, "sick.yaml", strings.NewReplacer("count: 3", "count: 300", "upgraded: 2, upgrade_failed: 1",
		"upgraded: 198, upgrade_failed: 102").Replace(sick))
	steps := [][]string{
		{"run", "--virtual", text},
		{"run", "--virtual", text, "--out", path("kept")},
		{"report", path("kept")},
		{"run", "--virtual", text, "--html", path("page.html")},
	}
	merge := []string{"merge"}
	for _, i := range []string{"1", "2", "3", "4"} {
		o := sim(t, "run", "--virtual", text, "--shard", i+"/4", "--out", path("part-"+i))
		require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
		merge = append(merge, path("part-"+i))
	}
	want := ""
	for _, args := range append(steps, merge) {
		o := sim(t, append(args, "--json", path("v.json"))...)
		require.Equal(t, cli.OK, o.code, "%v: %s%s", args, o.out, o.err)
		if want == "" {
			want = digest(t, path("v.json"))
		}
		assert.Equal(t, want, digest(t, path("v.json")), "%v", args)
	}
	sim(t, "run", "--virtual", text, "--seed", "2", "--json", path("v.json"))
	assert.NotEqual(t, want, digest(t, path("v.json")))

	o := sim(t, "replay", path("part-3"), "--only", "gw-000007")
	_, ends, _ := strings.Cut(o.out, "\nthen ")
	then, now, both := strings.Cut(strings.TrimSpace(ends), "\nnow ")
	require.True(t, both, "%s%s", o.out, o.err)
	assert.Equal(t, strings.TrimSpace(then), strings.TrimSpace(now), "to the millisecond")
}

// TestVirtualAndReal: the plan, the view and the refusals of the virtual world.
func TestVirtualWorld(t *testing.T) {
	text := file(t, "many.yaml", strings.Replace(small, "count: 3", "count: 100000", 1))
	o := sim(t, "plan", "--virtual", text)
	assert.Equal(t, cli.OK, o.code)
	assert.Regexp(t, `\nIn virtual time it takes no sockets:\n\n  \S+ run --virtual=true `, o.out)
	o = sim(t, "plan", text)
	assert.Equal(t, exitPreflight, o.code)
	assert.Regexp(t, `\nIn virtual time it fits:\n\n  \S+ run --virtual `, o.out)

	o = sim(t, "run", "--virtual", file(t, "small.yaml", small))
	assert.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, "small: 3 devices, in virtual time, at most 10m0s of it\n")
	assert.Contains(t, o.out, "3 of 3 devices at the end\n")
	assert.Contains(t, o.out, "virtual world")

	o = sim(t, "run", "--virtual", "--broker", "mqtt://127.0.0.1:1", "--stand-in", "--metrics", "127.0.0.1:0", text)
	assert.Equal(t, cli.Usage, o.code)
	for _, flag := range []string{"--broker", "--fake-platform", "--metrics"} {
		assert.Contains(t, o.err, flag+" is for the real world")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o = simUntil(ctx, "run", "--virtual", "--quiet", text)
	assert.Equal(t, cli.Interrupted, o.code)
	assert.Contains(t, o.out, "✗ the run came to its end")
}

// TestTimeIsUp in the middle of everything, in either world: reports that are on
// their way are not lost, and are kept apart.
func TestTimeIsUp(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("count: 3", "count: 60\n    arrive: {over: 2s}\n    link: {latency: 400ms}",
		"duration: 10m", "duration: 4s").Replace(small)
	require.Contains(t, text, "count: 60")
	require.Contains(t, text, "duration: 4s")
	path := file(t, "up.yaml", text)
	for _, world := range []string{"--virtual=true", "--virtual=false"} {
		o := sim(t, "run", "--quiet", world, "--json", "-", path)
		assert.Equal(t, cli.OK, o.code, o.err)
		var v struct {
			Reports struct{ Numbered, Stored, Lost, Undelivered int }
		}
		require.NoError(t, json.Unmarshal([]byte(o.out), &v))
		assert.Zero(t, v.Reports.Lost, world)
		assert.Equal(t, v.Reports.Numbered, v.Reports.Stored+v.Reports.Undelivered, world)
		if world == "--virtual=true" { // on real sockets it is chance
			assert.Positive(t, v.Reports.Undelivered)
			assert.Contains(t, o.err, " undelivered when the run ended")
		}
	}
}
