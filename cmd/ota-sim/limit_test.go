package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// endless is a plan that comes again five hundred times.
const endless = `
scenario: endless
duration: 500h
fleet: [{name: gw, count: 20, product: p, components: [{id: app, type: module, version: "1"}], install: {time: 1s}}]
plans:
  - {name: again, product: p, components: [{id: app, package: full, target: "2", size: 1KiB}], repeat: {every: 1h}}
expect: {devices: {upgraded: 20}}
`

// TestHistoryLimit: a history takes no more than it may, and the run holds without it.
func TestHistoryLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	scenario := file(t, "endless.yaml", endless)
	o := sim(t, "run", scenario, "--virtual", "--quiet", "--out", filepath.Join(dir, "kept"), "--out-limit", "1MiB")
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	assert.Regexp(t, `kept up to its limit; the first event that it lacks is of [0-9hms]+`, o.out)
	size, err := os.Stat(filepath.Join(dir, "kept", "events.jsonl.zst"))
	require.NoError(t, err)
	assert.Less(t, size.Size(), int64(3<<20))
	o = sim(t, "report", filepath.Join(dir, "kept"))
	assert.Equal(t, cli.Failed, o.code)
	assert.Contains(t, o.out, "history incomplete: it has reached its limit of 1.0 MiB")
}

func TestBadHistoryLimit(t *testing.T) {
	t.Parallel()
	for want, flags := range map[string][]string{
		"--out-limit 1KiB: want 1MiB or more":       {"--out", "kept", "--out-limit", "1KiB"},
		"--out-limit: ":                             {"--out", "kept", "--out-limit", "much"},
		"--out-limit is for a history that is kept": {"--out-limit", "1GiB"},
		"--out-limit leaves nothing that merge could j": {"--out", "kept", "--out-limit", "1GiB", "--shard", "1/2",
			"--verdict", "merge"},
	} {
		o := sim(t, append([]string{"run", "happy", "--virtual", "--quiet"}, flags...)...)
		assert.Equal(t, cli.Usage, o.code)
		assert.Contains(t, o.err, want)
	}
}
