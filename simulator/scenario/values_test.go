package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

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

func TestValuesPrintAsTheyAreGiven(t *testing.T) {
	assert.Equal(t, "3", scenario.Range[int]{Lo: 3, Hi: 3}.String())
	assert.Equal(t, "-110..-60", scenario.Range[int]{Lo: -110, Hi: -60}.String())
	assert.Equal(t, "5s..10m", scenario.Range[time.Duration]{Lo: 5 * time.Second, Hi: 10 * time.Minute}.String())
	assert.Equal(t, "0.5%", scenario.Percent(0.5).String())
	assert.Equal(t, "20%..80%", scenario.After{Share: scenario.Range[scenario.Percent]{Lo: 20, Hi: 80}}.String())
	assert.Equal(t, "5s", scenario.After{Delay: seconds(5, 5)}.String())
	assert.Equal(t, "normal(10s, 1.5s)", scenario.Range[time.Duration]{Shape: scenario.Normal, Centre: 10e9,
		Spread: 15e8}.String())
	assert.Equal(t, "exp(3)", scenario.Range[int]{Shape: scenario.Exp, Centre: 3}.String())
	assert.Equal(t, "lognormal(5%, 0.5)", scenario.Range[scenario.Percent]{Shape: scenario.LogNormal, Centre: 5,
		Spread: 0.5}.String())
	assert.Equal(t, ">= 99.9%", scenario.Comparison{Op: scenario.AtLeast, Value: 99.9, Percent: true}.String())
}

func TestPercentOf(t *testing.T) {
	assert.Equal(t, 150, scenario.Percent(3).Of(5000))
	assert.Equal(t, 1, scenario.Percent(5).Of(10))
	assert.Equal(t, 0, scenario.Percent(3).Of(10))
	assert.InDelta(t, 0.2, scenario.Percent(20).Share(), 1e-12)
	assert.Equal(t, scenario.Percent(99), scenario.P99.Percent())
	assert.Equal(t, scenario.Percent(99.9), scenario.P999.Percent())
	assert.Equal(t, scenario.Percent(100), scenario.Max.Percent())
}
