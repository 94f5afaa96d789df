package main

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestHoldMemory is not parallel: what it looks at is the process's.
func TestHoldMemory(t *testing.T) {
	limit := func() int64 { return debug.SetMemoryLimit(-1) }
	was := limit()
	t.Cleanup(func() { debug.SetMemoryLimit(was) })
	debug.SetMemoryLimit(math.MaxInt64)

	holdMemory(worthHolding - 1)()
	assert.Equal(t, int64(math.MaxInt64), limit())
	free := holdMemory(400 << 20)
	assert.Equal(t, int64(300<<20), limit())
	free()
	assert.Equal(t, int64(math.MaxInt64), limit())

	debug.SetMemoryLimit(200 << 20)
	free = holdMemory(400 << 20)
	assert.Equal(t, int64(200<<20), limit(), "the user's own is lower")
	free()
	assert.Equal(t, int64(200<<20), limit())
}
