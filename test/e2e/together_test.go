package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// keptStart is what a record says of its start.
type keptStart struct {
	Waiting bool
	Start   struct {
		Planned, Began time.Time
		Ahead          *float64 `json:"clock_ahead_seconds"`
	}
}

func readStart(t *testing.T, dir string) (kept keptStart) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "run.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &kept))
	return kept
}

// TestShardsBeginTogether starts four processes some seconds apart, shard 1 last, with
// strangers at its port.
func TestShardsBeginTogether(t *testing.T) {
	dir, address := simulated(t), harness.FreeAddress(t)
	eight := strings.NewReplacer("count: 2", "count: 8", "upgraded: 2", "upgraded: 8").Replace(smallScenario)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "eight.yaml"), []byte(eight), 0o600))
	start := func(shard int) *harness.Process {
		return harness.Start(t, dir, programs.Sim, "run", "eight.yaml", "--quiet", "--verdict", "merge", "--shard",
			fmt.Sprint(shard, "/4"), "--start-with", address, "--out", fmt.Sprint("together-", shard))
	}
	var shards []*harness.Process
	for _, shard := range []int{4, 3, 2, 1} {
		p := start(shard)
		shards = append(shards, p)
		p.AwaitOutput(fmt.Sprintf("start: shard %d/4 is ready", shard))
		if shard > 1 {
			assert.True(t, readStart(t, filepath.Join(dir, fmt.Sprint("together-", shard))).Waiting)
			time.Sleep(2 * time.Second)
		}
	}
	for _, p := range shards {
		require.Equal(t, 0, p.Wait(), p.Output())
	}
	o := harness.Run(t, dir, programs.Sim, "merge", "together-1", "together-2", "together-3", "together-4", "--json", "-")
	require.Equal(t, 0, o.Code, o.Err)
	var merged struct {
		Starts struct {
			Processes int
			Apart     float64 `json:"apart_seconds"`
			Compared  bool    `json:"clocks_compared"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(o.Out), &merged))
	assert.Equal(t, 4, merged.Starts.Processes)
	assert.True(t, merged.Starts.Compared)
	assert.Less(t, merged.Starts.Apart, 0.1, "seconds between the first and the last start")
	assert.Contains(t, o.Err, "4 processes within")
	for shard := range 4 {
		kept := readStart(t, filepath.Join(dir, fmt.Sprint("together-", shard+1)))
		assert.False(t, kept.Waiting)
		assert.False(t, kept.Start.Began.Before(kept.Start.Planned), "none begins too soon")
		require.NotNil(t, kept.Start.Ahead)
	}
}

// TestPortOfAStartIsSentGarbage: nothing that strangers send ends the run, and a shard of
// another run is refused by name before anything begins.
func TestPortOfAStartIsSentGarbage(t *testing.T) {
	dir, address := simulated(t), harness.FreeAddress(t)
	args := func(shard string, more ...string) []string {
		return append([]string{"run", "small.yaml", "--quiet", "--shard", shard, "--start-with", address}, more...)
	}
	first := harness.Start(t, dir, programs.Sim, args("1/2", "--out", "garbage-1")...)
	first.AwaitOutput("shard 1/2 is ready")
	for range 200 {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: there\r\n\r\n\x00\xff"))
	}
	o := harness.Run(t, dir, programs.Sim, args("2/2", "--seed", "99")...)
	assert.Equal(t, 2, o.Code, o.Err)
	assert.Contains(t, o.Err, "shard 2/2 has the seed 99, and shard 1/2 has 1")
	first.AwaitOutput("shard 2/2 has the seed 99")

	second := harness.Start(t, dir, programs.Sim, args("2/2", "--out", "garbage-2")...)
	assert.Equal(t, 0, first.Wait(), first.Output())
	assert.Equal(t, 0, second.Wait(), second.Output())
}

// TestShardThatWaitsEndsBySignal ends one that waits: it has done nothing, and may be
// started again.
func TestShardThatWaitsEndsBySignal(t *testing.T) {
	dir := simulated(t)
	p := harness.Start(t, dir, programs.Sim, "run", "small.yaml", "--quiet", "--verdict", "merge", "--shard", "2/2",
		"--start-with", "name.invalid:7070", "--out", "waits")
	p.AwaitOutput("shard 2/2 is ready")
	require.NoError(t, syscall.Kill(p.PID(), syscall.SIGTERM))
	assert.Equal(t, 6, p.Wait(), p.Output())
	assert.Contains(t, p.Output(), "interrupted before the run began")
	assert.True(t, readStart(t, filepath.Join(dir, "waits")).Waiting)
}
