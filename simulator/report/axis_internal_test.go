package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestBarsAreFewAndRound: bars of a rounded width are as many as were asked for,
// or fewer.
func TestBarsAreFewAndRound(t *testing.T) {
	for _, longest := range []time.Duration{time.Microsecond, 3 * time.Millisecond, 9900 * time.Millisecond, time.Hour,
		24 * time.Hour} {
		for _, most := range []time.Duration{1, 2, 7, 40} {
			width := roundUp(longest/most + 1)
			assert.LessOrEqual(t, (longest+width-1)/width, most)
		}
	}
	assert.Equal(t, 2*time.Second, roundUp(9900*time.Millisecond/8+1))
}
