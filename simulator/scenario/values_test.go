package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

func TestComparisonHolds(t *testing.T) {
	tests := []struct {
		c        scenario.Comparison
		n, total int
		want     bool
	}{
		{scenario.Comparison{Op: scenario.AtLeast, Value: 99, Percent: true}, 99, 100, true},
		{scenario.Comparison{Op: scenario.AtLeast, Value: 99, Percent: true}, 98, 100, false},
		{scenario.Comparison{Op: scenario.AtMost, Value: 1, Percent: true}, 1, 100, true},
		{scenario.Comparison{Op: scenario.AtMost, Value: 1, Percent: true}, 2, 100, false},
		{scenario.Comparison{Op: scenario.Equal, Value: 99.9, Percent: true}, 999, 1000, true},
		{scenario.Comparison{Op: scenario.Equal, Value: 99.9, Percent: true}, 1000, 1000, false},
		{scenario.Comparison{Op: scenario.Above, Value: 0.0001, Percent: true}, 1, 1_000_000, false},
		{scenario.Comparison{Op: scenario.Below, Value: 0.0002, Percent: true}, 1, 1_000_000, true},
		{scenario.Comparison{Op: scenario.AtLeast, Value: 99, Percent: true}, 0, 0, true},
		{scenario.Comparison{Op: scenario.Equal, Value: 0}, 0, 100, true},
		{scenario.Comparison{Op: scenario.Equal, Value: 0}, 1, 100, false},
		{scenario.Comparison{Op: scenario.Above, Value: 10}, 11, 100, true},
		{scenario.Comparison{Op: scenario.Above, Value: 10}, 10, 100, false},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, tt.c.Holds(tt.n, tt.total), "%d of %d %s", tt.n, tt.total, tt.c)
	}
}

func TestLimitHolds(t *testing.T) {
	l := scenario.Limit{Op: scenario.Below, Value: 5 * time.Minute}
	assert.True(t, l.Holds(4*time.Minute))
	assert.False(t, l.Holds(5*time.Minute))
	assert.Equal(t, "< 5m", l.String())
}

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

func TestValuesPrintAsTheyAreGiven(t *testing.T) {
	assert.Equal(t, "3", scenario.Range[int]{Lo: 3, Hi: 3}.String())
	assert.Equal(t, "-110..-60", scenario.Range[int]{Lo: -110, Hi: -60}.String())
	assert.Equal(t, "5s..10m", scenario.Range[time.Duration]{Lo: 5 * time.Second, Hi: 10 * time.Minute}.String())
	assert.Equal(t, "0.5%", scenario.Percent(0.5).String())
	assert.Equal(t, "20%..80%", scenario.After{Share: scenario.Range[scenario.Percent]{Lo: 20, Hi: 80}}.String())
	assert.Equal(t, "5s", scenario.After{Delay: seconds(5, 5)}.String())
	assert.Equal(t, ">= 99.9%", scenario.Comparison{Op: scenario.AtLeast, Value: 99.9, Percent: true}.String())
}

func TestPercentOf(t *testing.T) {
	assert.Equal(t, 150, scenario.Percent(3).Of(5000))
	assert.Equal(t, 1, scenario.Percent(5).Of(10))
	assert.Equal(t, 0, scenario.Percent(3).Of(10))
	assert.InDelta(t, 0.2, scenario.Percent(20).Share(), 1e-12)
	assert.Equal(t, scenario.Percent(99), scenario.P99.Percent())
	assert.Equal(t, scenario.Percent(100), scenario.Max.Percent())
}

// TestTableOfFaults holds that every kind is said in full, that every place is
// one, and that no line stands twice.
func TestTableOfFaults(t *testing.T) {
	beside := []scenario.Place{scenario.AtConnect, scenario.AtReport, scenario.AtBoot, scenario.AtHealth}
	seen := map[scenario.Kind]bool{}
	for _, row := range scenario.Kinds() {
		assert.False(t, seen[row.Kind], row.Kind)
		seen[row.Kind] = true
		assert.NotEmpty(t, row.Sentence, row.Kind)
		assert.NotEmpty(t, row.Places, row.Kind)
		for _, p := range row.Places {
			status, isStatus := p.Status()
			assert.True(t, isStatus || assert.Contains(t, beside, p), "%s at %s", row.Kind, p)
			assert.False(t, isStatus && status == ota.PlanNotReceived, "no device enters %s", p)
		}
		again, ok := row.Kind.Row()
		assert.True(t, ok)
		assert.Equal(t, row, again)
	}
	_, ok := scenario.Kind("slow").Row()
	assert.False(t, ok)
}
