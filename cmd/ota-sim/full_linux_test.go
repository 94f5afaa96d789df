package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/simulator/history"
	"otafleet/simulator/verdict"
)

// TestFullDisk is told, whatever the verdict.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	o := sim(t, "run", "--quiet", file(t, "small.yaml", small), "--json", "/dev/full")
	assert.Equal(t, cli.Failed, o.code)
	assert.Contains(t, o.err, "no space left")
}

// TestHistoryOnAFullDisk costs the run nothing but its history: there is a verdict,
// which says so.
func TestHistoryOnAFullDisk(t *testing.T) {
	t.Parallel()
	s, err := readScenario(file(t, "small.yaml", small))
	require.NoError(t, err)
	for _, again := range []bool{false, true} {
		dir := t.TempDir()
		require.NoError(t, os.Symlink("/dev/full", filepath.Join(dir, "events.jsonl.zst")))
		w, err := history.Create(dir, history.Info{Text: s.text, Name: s.Scenario.Name, World: "virtual", Fleets: verdict.Sizes(s.Scenario), Started: time.Now()})
		require.NoError(t, err)
		f := &runFlags{worldFlags: worldFlags{virtual: true}, quiet: true}
		c, err := f.of(s.Scenario)
		require.NoError(t, err)
		options, err := f.options(c)
		require.NoError(t, err)
		var out bytes.Buffer
		v, err := f.simulate(t.Context(), &out, s, c, options, w)
		require.NoError(t, err)
		require.True(t, v.Held)

		v = (&recording{writer: w}).end(t.Context(), v, again)
		assert.False(t, v.Held)
		require.NoError(t, v.WriteText(&out, verdict.Style{}))
		assert.Regexp(t, `✗ the history is complete +history incomplete: cannot record the run: write .*no space left on device`, out.String())
		assert.Regexp(t, `upgraded +3 `, out.String())
		assert.Equal(t, &cli.Exit{Code: cli.Failed}, exitOf(v))
	}
}
