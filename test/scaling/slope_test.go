package main

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// costing is what sizes cost by a rule.
func costing(of func(n float64) float64, sizes ...float64) (points []point) {
	for _, n := range sizes {
		points = append(points, point{n, of(n)})
	}
	return points
}

func TestSlope(t *testing.T) {
	sizes := []float64{1, 10, 100, 1000, 10_000}
	for name, c := range map[string]struct {
		of    func(n float64) float64
		power float64
		knee  int
	}{
		"linear above what is fixed": {func(n float64) float64 { return 5 + 0.01*n }, 1, 0},
		"square":                     {func(n float64) float64 { return 1 + n*n }, 2, 100},
		"root":                       {func(n float64) float64 { return 1 + math.Sqrt(n) }, 0.5, 0},
		"dearer from a size on":      {func(n float64) float64 { return n + 3*max(0, n-1000) }, 1.1, 10_000},
		"nothing":                    {func(float64) float64 { return 7 }, math.NaN(), 0},
	} {
		s := slopeOf(costing(c.of, sizes...), 0.001)
		if math.IsNaN(c.power) {
			assert.True(t, math.IsNaN(s.power), name)
		} else {
			assert.InDelta(t, c.power, s.power, 0.1, name)
		}
		assert.Equal(t, c.knee, s.knee, name)
	}
}

// What lies within the noise bends no line.
func TestSlopeLeavesNoiseOut(t *testing.T) {
	points := []point{{1, 0.020}, {10, 0.012}, {100, 0.021}, {1000, 1.02}, {10_000, 10.02}}
	s := slopeOf(points, 0.02)
	assert.InDelta(t, 1, s.power, 0.01)
	assert.Zero(t, s.knee)
}

func TestRow(t *testing.T) {
	r := row{name: "devices", unit: "device", sizes: []int{1, 10, 100, 1000},
		costs: []cost{{0.01, 20}, {0.1, 20.5}, {1, 25}, {10, 70}}}
	var out bytes.Buffer
	r.write(&out)
	assert.Equal(t, "| devices, processor | 1 to 1000 | 0.01 s | 10 ms | linear (n^1.00) | none |\n"+
		"| devices, memory | 1 to 1000 | 20 MiB | 51.3 KiB | linear (n^1.00) | none |\n", out.String())
	assert.Empty(t, r.beyond())

	r.costs[3].cpu, r.costs[2].cpu = 1000, 10
	assert.Equal(t, []string{"devices: processor time grows as n^1.98"}, r.beyond())
}

func TestCostOfProcess(t *testing.T) {
	stat := "812 (a (b) c) S 1 812 812 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 9 0 100 1 2"
	got, err := costOfProcess(stat, "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n")
	require.NoError(t, err)
	assert.Equal(t, cost{cpu: 3, memory: 2}, got)
	_, err = costOfProcess("812 (a", "")
	assert.Error(t, err)
}
