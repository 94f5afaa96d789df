package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// percentNow is the collector's, which stays as it is.
func percentNow() int {
	percent := debug.SetGCPercent(-1)
	debug.SetGCPercent(percent)
	return percent
}

// TestHoldMemory is not parallel: what it looks at is the process's.
func TestHoldMemory(t *testing.T) {
	limit := func() int64 { return debug.SetMemoryLimit(-1) }
	was, percent := limit(), percentNow()
	t.Cleanup(func() { debug.SetMemoryLimit(was) })
	debug.SetMemoryLimit(math.MaxInt64)

	free := holdMemory(worthHolding - 1)
	assert.Equal(t, int64(math.MaxInt64), limit())
	assert.Equal(t, percent, percentNow(), "a small one is Go's")
	free()

	free = holdMemory(400 << 20)
	assert.Equal(t, int64(450<<20), limit())
	assert.Equal(t, usualPercent, percentNow())
	free()
	assert.Equal(t, int64(math.MaxInt64), limit())

	debug.SetMemoryLimit(200 << 20)
	free = holdMemory(400 << 20)
	assert.Equal(t, int64(200<<20), limit(), "the user's own is lower")
	free()
	assert.Equal(t, int64(200<<20), limit())
}

// TestHeapGoalFollows what is in use, collection by collection, until it is over.
func TestHeapGoalFollows(t *testing.T) {
	percent := percentNow()
	free := holdMemory(worthHolding)
	held := make([]byte, 640<<20) // a tenth of it is about what may be garbage
	becomes := func(low, high int) {
		t.Helper()
		assert.Eventually(t, func() bool {
			runtime.GC()
			now := percentNow()
			return low <= now && now <= high
		}, time.Minute, time.Millisecond)
	}
	becomes(leastPercent, 20)
	runtime.KeepAlive(held)
	becomes(usualPercent, usualPercent)
	free()
	for range 3 {
		runtime.GC()
	}
	assert.Equal(t, percent, percentNow())
}

// TestWaitingFleetGivesBack what it has needed, once nothing has been collected for long.
func TestWaitingFleetGivesBack(t *testing.T) {
	was := debug.SetGCPercent(-1)
	defer debug.SetGCPercent(was)
	h := heapGoal{}
	h.begin()
	defer h.end()
	runtime.GC()
	for range 64 {
		spoilt = make([]byte, 1<<20)
	}
	_, before := heap()
	assert.Greater(t, before, uint64(60<<20))
	h.giveBack()
	inUse, after := heap()
	assert.Less(t, after, inUse/worthGiving+1<<20)
}

var spoilt []byte // what a test allocates, so that it is not left out

func TestHeapGoal(t *testing.T) {
	h := heapGoal{garbage: 80 << 20}
	for inUse, want := range map[uint64]int{0: 50, 1: 50, 100 << 20: 50, 160 << 20: 50, 200 << 20: 40, 400 << 20: 20,
		800 << 20: 10, 1 << 40: 10} {
		assert.Equal(t, want, h.percent(inUse), inUse)
	}
}
