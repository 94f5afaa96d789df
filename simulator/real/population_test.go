package real

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestStillness: while the machine stands still nothing happens, which says nothing.
func TestStillness(t *testing.T) {
	var s stillness
	at := time.Duration(0)
	still := func(moved time.Duration, looks int, every time.Duration) (still time.Duration) {
		for range looks {
			at += every
			still = s.look(moved, at)
		}
		return still
	}
	assert.Equal(t, 2*time.Second, still(0, 8, settleEvery))
	assert.Equal(t, 2*time.Second+settleEvery, still(0, 1, time.Minute), "a minute without a look")
	assert.Equal(t, 3*time.Second, still(0, 3, time.Second), "a machine that is late")
	moved := at
	assert.Zero(t, still(moved, 1, settleEvery))
	assert.Equal(t, settleEvery, still(moved, 1, time.Minute), "all of it stood still")
	assert.Zero(t, still(at, 1, settleEvery), "it has moved again")
}
