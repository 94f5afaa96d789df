package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/chart"
)

// TestLayersLieOnEachOther: the lower edge of a layer is the upper edge of the one
// below it.
func TestLayersLieOnEachOther(t *testing.T) {
	area := chart.New([]float64{0, 0.25, 1})
	layer := func(heights ...float64) string {
		return area.Add(func(column int) float64 { return heights[column] })
	}
	assert.Equal(t, "M0,1000 250,500 1000,0 L1000,1000 250,1000 0,1000Z", layer(0, 0.5, 1))
	assert.Equal(t, "M0,750 250,0 1000,0 L1000,0 250,500 0,1000Z", layer(0.25, 0.5, 0))
}

// TestRowOfNothing is a line without a height, in whole numbers.
func TestRowOfNothing(t *testing.T) {
	assert.Equal(t, "M0,1000 1000,1000 L1000,1000 0,1000Z",
		chart.New([]float64{0, 1}).Add(func(int) float64 { return 0 }))
}
