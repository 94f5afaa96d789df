package catalogue_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/scenarios"
	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// seeds is how many seeds a scenario is tried with in virtual time.
const seeds = 20

// TestHoldsWhateverTheSeed is so cheap in virtual time that every scenario is in
// it.
func TestHoldsWhateverTheSeed(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		s := parse(t, name)
		for i := range uint64(seeds) {
			held(t, virtually(t, s, s.Seed+i))
		}
	})
}

// TestBothWorldsAgree runs the small scenarios on real sockets, too: their verdict
// is that of the virtual world.
func TestBothWorldsAgree(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		s := parse(t, name)
		if virtualOnly()[name] != "" {
			return
		}
		real, err := simulator.Simulate(t.Context(), simulator.Options{Scenario: s})
		require.NoError(t, err)
		held(t, real)
		assert.Equal(t, outcome(virtually(t, s, s.Seed)), outcome(real))
	})
}

// outcome is what must be the same in both worlds: where devices and components
// end, and what the faults did.
func outcome(v *verdict.Verdict) map[string]int {
	all := map[string]int{}
	for _, f := range v.Figures.Fleets {
		for class, n := range f.Classes {
			all[fmt.Sprint(f.Name, " ", class)] = n
		}
	}
	for component, statuses := range v.Figures.Components {
		for status, n := range statuses {
			all[fmt.Sprint(component, " ", status)] = n
		}
	}
	for _, f := range v.Figures.Faults {
		all[f.Name+" drawn"], all[f.Name+" fired"] = f.Drawn, f.Fired
	}
	maps.DeleteFunc(all, func(_ string, n int) bool { return n == 0 })
	return all
}

// TestListsAreOfScenarios that exist, and that what takes long is named.
func TestListsAreOfScenarios(t *testing.T) {
	for name := range virtualOnly() {
		assert.Contains(t, scenarios.Names(), name)
	}
	for name := range fewer() {
		assert.NotEmpty(t, virtualOnly()[name], name)
	}
	for _, name := range scenarios.Names() {
		if parse(t, name).Duration > longest {
			assert.NotEmpty(t, virtualOnly()[name], name)
		}
	}
}

// TestEverythingIsShown somewhere in the catalogue: every kind of fault, and every
// event.
func TestEverythingIsShown(t *testing.T) {
	faults, actions := map[scenario.Kind]bool{}, map[scenario.Action]bool{}
	for _, name := range scenarios.Names() {
		s := parse(t, name)
		for i := range s.Faults {
			faults[s.Faults[i].Kind] = true
		}
		for i := range s.Events {
			actions[s.Events[i].Do] = true
		}
	}
	for _, row := range scenario.Kinds() {
		assert.True(t, faults[row.Kind], "no scenario has the fault %s", row.Kind)
	}
	for _, row := range scenario.Actions() {
		assert.True(t, actions[row.Action], "no scenario has the event %s", row.Action)
	}
}
