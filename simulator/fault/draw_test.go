package fault_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/scenario"
)

// layout is a scenario of fleets of these sizes with one fault.
func layout(f scenario.Fault, sizes ...int) *scenario.Scenario {
	s := &scenario.Scenario{Faults: []scenario.Fault{f}}
	for i, n := range sizes {
		id := "app"
		if i%2 == 1 {
			id = "motor"
		}
		s.Fleets = append(s.Fleets, scenario.Fleet{Name: fmt.Sprint("fleet-", i), Count: n, Product: "p",
			Components: []scenario.Installed{{ComponentVersion: ota.ComponentVersion{ID: id}},
				{ComponentVersion: ota.ComponentVersion{ID: "common"}}}})
	}
	return s
}

// drawAll gives the devices that have the fault.
func drawAll(s *scenario.Scenario, seed uint64) []string {
	set := fault.NewSet(s, seed, func(string, string) {})
	var have []string
	for i := range s.Fleets {
		for n := 1; n <= s.Fleets[i].Count; n++ {
			if len(set.Draw(&s.Fleets[i], n)) > 0 {
				have = append(have, s.Fleets[i].Device(n))
			}
		}
	}
	return have
}

// TestExactly gives the fault to exactly its share of the devices that can have
// it, in every layout of the fleets.
func TestExactly(t *testing.T) {
	layouts := [][]int{{1}, {2}, {3}, {100}, {1000}, {1023}, {1024}, {1025}, {1, 1, 1}, {10, 500, 3}, {7, 0, 93, 400}}
	for _, sizes := range layouts {
		for _, percent := range []scenario.Percent{0.5, 3, 33.3, 50, 99, 100} {
			for _, where := range []scenario.Fault{{}, {Fleet: "fleet-0"}, {Component: "app"}, {Component: "common"}} {
				f := where
				f.Name, f.Kind, f.Exactly, f.Times = "f", scenario.Drop, percent, times(1)
				s := layout(f, sizes...)
				for seed := range uint64(3) {
					assert.Len(t, drawAll(s, seed), percent.Of(s.Reach(&f)), "%v %s of fleet %q component %q", sizes, percent, f.Fleet,
						f.Component)
				}
			}
		}
	}
}

// TestExactlyIsAPermutation grows the share: who has a fault at a smaller one
// has it at every larger one, and at the end all have it.
func TestExactlyIsAPermutation(t *testing.T) {
	have := map[string]bool{}
	for n := range 50 {
		f := scenario.Fault{Name: "f", Exactly: scenario.Percent(2 * (n + 1)), Times: times(1)}
		now := map[string]bool{}
		for _, device := range drawAll(layout(f, 30, 20), 7) {
			now[device] = true
		}
		require.Len(t, now, n+1)
		for device := range have {
			assert.True(t, now[device], "%s at %s", device, f.Exactly)
		}
		have = now
	}
}

// TestExactlyChoosesEvenly: over many seeds each device is chosen about as often
// as any other.
func TestExactlyChoosesEvenly(t *testing.T) {
	const seeds, devices = 4000, 20
	f := scenario.Fault{Name: "f", Exactly: 25, Times: times(1)}
	s := layout(f, devices)
	chosen := map[string]int{}
	for seed := range uint64(seeds) {
		for _, device := range drawAll(s, seed) {
			chosen[device]++
		}
	}
	assert.Len(t, chosen, devices)
	for device, n := range chosen {
		assert.InDelta(t, seeds/4, n, 200, device) // 7 standard deviations
	}
}

func TestChance(t *testing.T) {
	const devices = 20_000
	for _, percent := range []scenario.Percent{1, 20, 50, 99} {
		f := scenario.Fault{Name: "f", Chance: percent, Times: times(1)}
		assert.InDelta(t, percent.Of(devices), len(drawAll(layout(f, devices), 1)), 500, "%s", percent)
	}
	f := scenario.Fault{Name: "f", Chance: 100, Times: times(1)}
	assert.Len(t, drawAll(layout(f, devices), 1), devices)
}

// TestDrawsDependOnNothingElse: the same seed, device and fault draw the same,
// whatever other devices and faults there are; another seed, another device or
// another name draws otherwise.
func TestDrawsDependOnNothingElse(t *testing.T) {
	f := scenario.Fault{Name: "f", Chance: 50, Times: times(1)}
	alone := drawAll(layout(f, 200), 1)
	assert.Equal(t, alone, drawAll(layout(f, 200), 1))
	assert.NotEqual(t, alone, drawAll(layout(f, 200), 2))

	more := layout(f, 200, 300)
	more.Faults = append([]scenario.Fault{{Name: "other", Chance: 100, Fleet: "fleet-1", Times: times(1)}}, more.Faults...)
	set := fault.NewSet(more, 1, func(string, string) {})
	var first []string
	for n := 200; n >= 1; n-- { // in another order
		if len(set.Draw(&more.Fleets[0], n)) > 0 {
			first = append([]string{more.Fleets[0].Device(n)}, first...)
		}
	}
	assert.Equal(t, alone, first)

	renamed := f
	renamed.Name = "g"
	assert.NotEqual(t, alone, drawAll(layout(renamed, 200), 1))
}

// TestTimesAreDrawn spreads the strikes over the range.
func TestTimesAreDrawn(t *testing.T) {
	f := scenario.Fault{Name: "mishap", Kind: scenario.Unhealthy, At: scenario.AtHealth, Chance: 100,
		Times: scenario.Range[int]{Lo: 1, Hi: 3}}
	s := layout(f, 300)
	fired := 0
	set := fault.NewSet(s, 1, func(string, string) { fired++ })
	var counts [4]int
	for n := 1; n <= 300; n++ {
		b := &bench{t: t, fault: set.Draw(&s.Fleets[0], n)[0]}
		b.boot()
		counts[countTrue(b.strikes(5, func() bool { return suffer(b, f.Kind, f.At) }))]++
	}
	assert.Zero(t, counts[0])
	for n := 1; n <= 3; n++ {
		assert.InDelta(t, 100, counts[n], 40, "struck %d times", n)
	}
	assert.Equal(t, counts[1]+2*counts[2]+3*counts[3], fired)
}

func TestUniform(t *testing.T) {
	var buckets [10]int
	for n := range 10_000 {
		u := fault.Uniform(1, fmt.Sprint("gw-", n), "battery", 0)
		require.GreaterOrEqual(t, u, 0.0)
		require.Less(t, u, 1.0)
		buckets[int(10*u)]++
	}
	for i, n := range buckets {
		assert.InDelta(t, 1000, n, 200, "tenth %d", i)
	}
	assert.NotEqual(t, fault.Uniform(1, "gw", "battery", 0), fault.Uniform(1, "gw", "rssi", 0))
	assert.NotEqual(t, fault.Uniform(1, "gw", "battery", 0), fault.Uniform(1, "gw", "battery", 1))
	assert.Equal(t, fault.Uniform(1, "gw", "battery", 0), fault.Uniform(1, "gw", "battery", 0))
}
