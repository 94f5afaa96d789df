package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

func TestTimeOfAStart(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-03-01T13:30:00+01:00":                      now.Add(30 * time.Minute),
		strconv.FormatInt(now.Add(time.Hour).Unix(), 10): now.Add(time.Hour),
	} {
		at, err := parseStart(text, now)
		require.NoError(t, err, text)
		assert.True(t, want.Equal(at), "%s is %s", text, at)
	}
	for _, wrong := range []string{"", "noon", "12:00", "2027-03-01T12:00:00Z", "1772366400000"} {
		_, err := parseStart(wrong, now)
		assert.ErrorContains(t, err, "--start-at "+wrong)
	}
}

func TestStartsThatCannotBe(t *testing.T) {
	t.Parallel()
	text := file(t, "small.yaml", small)
	for wrong, flags := range map[string][]string{
		"want one of them":             {"--shard", "1/2", "--start-with", "127.0.0.1:7070", "--start-at", "1"},
		"give --shard, too":            {"--start-with", "127.0.0.1:7070"},
		"want HOST:PORT":               {"--shard", "2/2", "--start-with", "127.0.0.1"},
		"such as sim-0.sim:7070":       {"--shard", "2/2", "--start-with", ":7070"},
		"--start-with 127.0.0.1:0":     {"--shard", "2/2", "--start-with", "127.0.0.1:0"},
		"want 1s to 24h":               {"--shard", "2/2", "--start-with", "127.0.0.1:7070", "--start-within", "10ms"},
		"at most 24h":                  {"--start-at", "2999-01-01T00:00:00Z"},
		"want 1 to 1000":               {"--shard", "2/1001", "--start-with", "127.0.0.1:7070"},
		"--start-with is for the real": {"--virtual", "--shard", "2/2", "--start-with", "127.0.0.1:7070"},
	} {
		o := sim(t, append(append([]string{"run", "--quiet"}, flags...), text)...)
		assert.Equal(t, cli.Usage, o.code, "%v", flags)
		assert.Contains(t, o.err, wrong, "%v", flags)
	}
	o := sim(t, "run", "--quiet", "--start-at", "2026-01-01T00:00:00Z", text)
	assert.Equal(t, exitShardLost, o.code)
	assert.Contains(t, o.err, "give it a later --start-at")
}

// A shard that was ended before it had begun has done nothing to its devices: it may be
// run again, in the real world, too.
func TestShardThatHasNotBegunIsTriedAgain(t *testing.T) {
	t.Parallel()
	text, out := file(t, "small.yaml", small), filepath.Join(t.TempDir(), "out")
	address := keptAddress(t)
	first := []string{"run", "--quiet", "--shard", "1/2", "--start-with", address, "--out", out, text}

	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	o := simUntil(ctx, first...)
	assert.Equal(t, cli.Interrupted, o.code, "%s%s", o.out, o.err)
	assert.Contains(t, o.err, "interrupted before the run began")

	o = sim(t, append(first, "--start-within", "1s")...)
	assert.Equal(t, exitShardLost, o.code)
	assert.Contains(t, o.err, "shard 2/2 not ready within 1s")

	ctx, stop = context.WithTimeout(t.Context(), time.Second)
	defer stop()
	o = simUntil(ctx, append(first, "--verdict", "merge")...)
	assert.Equal(t, exitAgain, o.code, "%s%s", o.out, o.err)

	other := sim(t, "run", "--quiet", "--shard", "2/2", "--start-with", address, "--start-within", "1s", text)
	assert.Equal(t, exitShardLost, other.code, "shard 1 is not there")
	assert.Contains(t, other.err, "shard 1/2 not ready")

	second := make(chan outcome)
	go func() {
		second <- sim(t, "run", "--quiet", "--shard", "2/2", "--start-with", address, "--out", out+"-2", text)
	}()
	o = sim(t, first...)
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	require.Equal(t, cli.OK, (<-second).code)
	assert.FileExists(t, filepath.Join(out, "try-4", "run.json"))

	o = sim(t, "merge", out, out+"-2", "--json", "-")
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	var merged struct {
		Starts struct {
			Processes int
			Apart     float64 `json:"apart_seconds"`
			Compared  bool    `json:"clocks_compared"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(o.out), &merged))
	assert.Equal(t, 2, merged.Starts.Processes)
	assert.True(t, merged.Starts.Compared)
	assert.Contains(t, o.err, "2 processes within")

	var kept struct {
		Waiting bool
		Start   struct {
			Planned, Began time.Time
			Ahead          *float64 `json:"clock_ahead_seconds"`
		}
	}
	content, err := os.ReadFile(filepath.Join(out+"-2", "run.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &kept))
	assert.False(t, kept.Waiting)
	assert.False(t, kept.Start.Began.Before(kept.Start.Planned))
	require.NotNil(t, kept.Start.Ahead)
}
