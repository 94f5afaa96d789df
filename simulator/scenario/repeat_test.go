package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// again is a plan that comes five times at most.
func again(t *testing.T, repeat string) (*scenario.Scenario, *scenario.Plan) {
	t.Helper()
	s, err := scenario.Parse("s.yaml", []byte(`
scenario: again
duration: 48h
fleet: [{name: gw, count: 1, product: p, components: [{id: app, type: module, version: "1"}]}]
plans:
  - {name: daily, product: p, starts: 1h, components: [{id: app, package: full, target: v1.09, size: 1}], repeat: `+
		repeat+`}
`))
	require.NoError(t, err)
	return s, s.Plan("daily")
}

func TestRoundsOfAPlan(t *testing.T) {
	s, p := again(t, "{every: 10h}")
	assert.Equal(t, time.Hour, s.Windows, "a rolling verdict comes with a plan that comes again")
	require.Equal(t, 5, p.Repeat.Rounds)
	var targets []string
	for n := 1; n <= p.Repeat.Rounds; n++ {
		round := p.Round(n)
		targets = append(targets, round.Components[0].Target)
		assert.True(t, round.Components[0].AllowDowngrade)
		assert.Equal(t, time.Hour+time.Duration(n-1)*10*time.Hour, round.Starts)
	}
	assert.Equal(t, []string{"v1.09", "v1.10", "v1.09", "v1.10", "v1.09"}, targets)
	assert.Equal(t, "v1.09", p.Components[0].Target)
	assert.Equal(t, 11*time.Hour, p.Round(1).Ends)
	assert.Zero(t, p.Round(5).Ends, "the last outlasts the run")
	assert.Equal(t, "daily.2", p.NameAt(11*time.Hour))
	assert.Equal(t, "daily.1", p.NameAt(0))
	assert.Equal(t, "daily.5", p.NameAt(48*time.Hour))

	_, p = again(t, "{every: 10h, times: 3, versions: count}")
	targets = nil
	for _, making := range p.Making() {
		targets = append(targets, making.Components[0].Target)
	}
	assert.Equal(t, []string{"v1.09", "v1.10", "v1.11"}, targets)
	assert.False(t, p.Round(2).Components[0].AllowDowngrade)
}

func TestNamesOfRounds(t *testing.T) {
	s, p := again(t, "{every: 10h}")
	for name, want := range map[string]int{"daily.1": 1, "daily.5": 5, "daily.6": 0, "daily.0": 0, "daily.x": 0,
		"daily": 0, "nightly.1": 0, "daily.": 0} {
		of, n := s.RoundOf(name)
		assert.Equal(t, want, n, name)
		assert.Equal(t, want > 0, of == p, name)
	}
	assert.True(t, p.IsOf("daily.4"))
	assert.False(t, p.IsOf("daily"))
	assert.False(t, p.IsOf("daily.4x"))
	once := scenario.Plan{Name: "once", Mode: ota.Silent}
	assert.True(t, once.IsOf("once"))
	assert.Equal(t, "once", once.NameAt(time.Hour))
}

// TestWidthOfWindows keeps their number within bounds, however long a run is.
func TestWidthOfWindows(t *testing.T) {
	for duration, want := range map[string]time.Duration{"24h": 0, "25h": time.Hour, "240h": time.Hour,
		"241h": 2 * time.Hour, "2160h": 16 * time.Hour} {
		s, err := scenario.Parse("s.yaml", []byte("scenario: s\nduration: "+duration+`
fleet: [{name: gw, count: 1, product: p, components: [{id: app, type: module, version: "1"}]}]
`))
		require.NoError(t, err)
		assert.Equal(t, want, s.Windows, duration)
	}
}
