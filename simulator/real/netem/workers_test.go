package netem

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestWorkers do everything, and end.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers()
		var mu sync.Mutex
		done := 0
		for range 1000 {
			w.do(func() { mu.Lock(); defer mu.Unlock(); done++ })
		}
		synctest.Wait()
		assert.Equal(t, 1000, done)
		assert.LessOrEqual(t, w.n, maxWorkers)
		w.end() // the test fails if one stays
	})
}

// TestWorkersThatWait hold nothing up for longer than their patience, once.
func TestWorkersThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers()
		gate := make(chan struct{})
		for range maxWorkers {
			w.do(func() { <-gate })
		}
		began := time.Now()
		var done sync.WaitGroup
		for range 1000 {
			done.Add(1)
			w.do(done.Done)
		}
		done.Wait()
		assert.Equal(t, workPatience, time.Since(began))
		close(gate)
		synctest.Wait()
		w.do(func() {})
		assert.False(t, w.busy, "they are back")
		w.end()
	})
}
