package scenario_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
)

func TestRangesAreEven(t *testing.T) {
	dice := scenario.Range[int]{Lo: 1, Hi: 6}
	var counts [7]int
	const draws = 600
	for i := range draws {
		counts[dice.At(float64(i)/draws)]++
	}
	assert.Equal(t, [7]int{0, 100, 100, 100, 100, 100, 100}, counts)
	assert.Equal(t, 6, dice.At(0.999999999999))

	signal := scenario.Range[int]{Lo: -110, Hi: -60}
	assert.Equal(t, -110, signal.At(0))
	assert.Equal(t, -60, signal.At(0.9999))
	times := seconds(5, 20)
	assert.Equal(t, 5*time.Second, times.At(0))
	assert.InDelta(t, float64(12500*time.Millisecond), float64(times.At(0.5)), 1)
	shares := scenario.Range[scenario.Percent]{Lo: 20, Hi: 80}
	assert.Equal(t, scenario.Percent(50), shares.At(0.5))
	assert.Equal(t, 3, scenario.Range[int]{Lo: 3, Hi: 3}.At(0.7))
}

// install reads an installation time as the language gives it.
func install(t *testing.T, text string) scenario.Range[time.Duration] {
	t.Helper()
	s, err := scenario.Parse("s.yaml", fmt.Appendf(nil, `
scenario: s
duration: 1m
fleet: [{name: f, count: 1, product: p, components: [{id: app, type: module, version: "1"}], install: {time: "%s"}}]
`, text))
	require.NoError(t, err)
	return s.Fleets[0].Install.Time
}

// TestQuantilesOfShapes holds drawn values against the tables of statistics.
func TestQuantilesOfShapes(t *testing.T) {
	for _, test := range []struct {
		text string
		u    float64
		want float64 // seconds
	}{
		{"normal(100s, 10s)", 0.5, 100},
		{"normal(100s, 10s)", 0.975, 119.59964},
		{"normal(100s, 10s)", 0.025, 80.40036},
		{"normal(0s, 10s)", 0.5, 6.744898},    // cut at 0: the half above is the whole
		{"normal(1h, 10s)", 0.5, 3593.255102}, // cut at an hour
		{"exp(10s)", 0, 0},
		{"exp(10s)", 0.5, 6.931472},
		{"exp(10s)", 0.95, 29.957323},
		{"lognormal(10s, 0.5)", 0.5, 10},
		{"lognormal(10s, 0.5)", 0.841344746, 16.487213}, // one sigma above
	} {
		assert.InDelta(t, test.want, install(t, test.text).At(test.u).Seconds(), 0.001, "%s at %v", test.text, test.u)
	}
}

// TestShapesKeepTheirBounds holds that draws rise with the random number and
// never leave the bounds, of the key and of the range that says so.
func TestShapesKeepTheirBounds(t *testing.T) {
	const greatest = 1 - 1.0/(1<<53)
	for _, text := range []string{"normal(0s, 1h)", "normal(1h, 1ms)", "normal(1s, 10s)", "exp(1h)", "exp(1ns)",
		"lognormal(1h, 3)", "lognormal(1s, 0.001)"} {
		drawn := install(t, text)
		assert.LessOrEqual(t, time.Duration(0), drawn.Lo, text)
		assert.Less(t, drawn.Lo, drawn.Hi, text)
		assert.LessOrEqual(t, drawn.Hi, time.Hour, text)
		last := drawn.Lo
		for i := range 1001 {
			d := drawn.At(min(float64(i)/1000, greatest))
			assert.LessOrEqual(t, last, d, "%s at %d", text, i)
			last = d
		}
		assert.LessOrEqual(t, last, drawn.Hi, text)
		assert.Equal(t, text, drawn.String())
	}
}

// TestWholeNumbersOfShapes holds the share of each number against the area under
// the curve from half below it to half above.
func TestWholeNumbersOfShapes(t *testing.T) {
	s, err := parseFile(t, "testdata/good/everything.yaml")
	require.NoError(t, err)
	battery := *s.Fleet("sensors").Battery
	assert.Equal(t, scenario.Range[int]{Lo: 0, Hi: 100, Shape: scenario.Normal, Centre: 60, Spread: 15}, battery)
	counts := map[int]int{}
	const draws = 100_000
	for i := range draws {
		counts[battery.At((float64(i)+0.5)/draws)]++
	}
	assert.InDelta(t, 0.026586, float64(counts[60])/draws, 0.0002)
	assert.InDelta(t, 0.016127, float64(counts[45])/draws, 0.0002)
	assert.Len(t, counts, 101)
	assert.Equal(t, 100, battery.At(1-1.0/(1<<53)))
	assert.Equal(t, 0, battery.At(0))
}
