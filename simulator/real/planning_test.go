package real

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
)

// prepare prepares a run of all devices of a scenario.
func prepare(t *testing.T, s *scenario.Scenario) (*world, error) {
	t.Helper()
	all, err := selection.New(s, selection.Shard{}, nil)
	require.NoError(t, err)
	return newWorld(t.Context(), &World{}, &simulator.Options{Scenario: s, Seed: s.Seed, Devices: all})
}

// TestThePlatformTakesWhatTheLanguageAllows makes the world of a scenario with
// every key of the language, and lets nothing happen in it.
func TestThePlatformTakesWhatTheLanguageAllows(t *testing.T) {
	for _, file := range []string{"everything.yaml", "least.yaml"} {
		text, err := os.ReadFile("../scenario/testdata/good/" + file)
		require.NoError(t, err)
		s, err := scenario.Parse(file, text)
		require.NoError(t, err)
		w, err := prepare(t, s)
		require.NoError(t, err)
		devices := 0
		for _, a := range w.arrivals {
			devices += len(a.Members)
		}
		assert.Equal(t, s.Devices(), devices)
		w.began = time.Now()
		require.NoError(t, w.createPlans())
		require.NoError(t, w.close())
	}
}

func TestArrivals(t *testing.T) {
	s, err := scenario.Parse("s.yaml", []byte(`
scenario: arrivals
duration: 1m
fleet:
  - {name: herd, count: 2, product: p, arrive: {after: 2s}, components: &app [{id: app, type: module, version: "1"}]}
  - {name: even, count: 4, product: p, arrive: {over: 8s}, components: *app}
  - {name: rate, count: 3, product: p, arrive: {rate: 2/s, after: 10s}, components: *app}
`))
	require.NoError(t, err)
	w, err := prepare(t, s)
	require.NoError(t, err)
	var order []string
	for _, a := range w.arrivals {
		order = append(order, a.At.String()+" "+a.Gateway().Fleet.Device(a.Gateway().N))
	}
	assert.Equal(t, []string{"0s even-000001", "2s herd-000001", "2s herd-000002", "2s even-000002", "4s even-000003",
		"6s even-000004",
		"10s rate-000001", "10.5s rate-000002", "11s rate-000003"}, order)
	require.NoError(t, w.close())
}
