package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/scenarios"
)

// TestWarningsAreShown holds that what can never happen is said before a run, and
// is no mistake.
func TestWarningsAreShown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.yaml")
	text := `scenario: own
duration: 1m
fleet: [{name: f, count: 23, product: p, components: [{id: app, type: module, version: "1"}]}]
expect: {devices: {upgraded: "> 50", not_upgraded: 23}}
`
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	want := "warning: " + path + ":4:30: expect.devices.upgraded: can never hold: there are 23 such devices\n"

	o := sim(t, "validate", path)
	assert.Equal(t, cli.OK, o.code)
	assert.Equal(t, want, o.err)
	assert.Contains(t, o.out, "valid: 23 devices")
	for _, args := range [][]string{{"plan", path}, {"run", "--virtual", "--quiet", path}} {
		assert.Contains(t, sim(t, args...).err, want, args)
	}
}

func TestBundledScenariosHaveNoWarnings(t *testing.T) {
	assert.Empty(t, sim(t, append([]string{"validate"}, scenarios.Names()...)...).err)
}
