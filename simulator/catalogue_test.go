package simulator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// catalogue parses the bundled scenarios. The largest ones get fewer devices.
func catalogue(t *testing.T) map[string]*scenario.Scenario {
	t.Helper()
	paths, err := filepath.Glob("../scenarios/*.yaml")
	require.NoError(t, err)
	all := map[string]*scenario.Scenario{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		s, err := scenario.Parse(path, text)
		require.NoError(t, err)
		if s.Devices() > 3000 {
			s.Fleets[0].Count = 3000
		}
		all[strings.TrimSuffix(filepath.Base(path), ".yaml")] = s
	}
	return all
}

func virtually(t *testing.T, s *scenario.Scenario, seed uint64) *verdict.Verdict {
	t.Helper()
	f, err := virtual.Simulate(t.Context(), virtual.Options{Scenario: s, Seed: seed})
	require.NoError(t, err)
	return verdict.New(s, seed, "virtual", f)
}

// TestCatalogueInVirtualTime runs every bundled scenario with several seeds.
func TestCatalogueInVirtualTime(t *testing.T) {
	for name, s := range catalogue(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, seed := range []uint64{s.Seed, 1001, 1002, 1003} {
				for _, e := range virtually(t, s, seed).Expectations {
					assert.True(t, e.Held || e.Deferred, "seed %d: %s: %s", seed, e.Name, e.Measured)
				}
			}
		})
	}
}

// TestCatalogueInBothWorlds runs the small scenarios on real sockets too: each
// holds in both worlds, and its devices end in the same classes.
func TestCatalogueInBothWorlds(t *testing.T) {
	places := make(chan struct{}, 6) // so many at once do not disturb each other
	for name, s := range catalogue(t) {
		if s.Devices() > 60 || s.Duration > 2*time.Minute {
			continue // hours of virtual time, or more devices than a test should wait for
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			places <- struct{}{}
			defer func() { <-places }()
			v, err := simulator.Simulate(t.Context(), simulator.Options{Scenario: s})
			require.NoError(t, err)
			for _, e := range v.Expectations {
				assert.True(t, e.Held, "%s: %s", e.Name, e.Measured)
			}
			other := virtually(t, s, s.Seed)
			for i := range v.Figures.Fleets {
				assert.Equal(t, nonzero(other.Figures.Fleets[i].Classes), nonzero(v.Figures.Fleets[i].Classes), "fleet %s", v.Figures.Fleets[i].Name)
			}
		})
	}
}
