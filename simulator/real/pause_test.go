package real

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestPauses: each does its thing once, unless the run ends before, and takes no goroutine.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		var done atomic.Int32
		var pausing sync.WaitGroup
		before := runtime.NumGoroutine()
		for n := range 100 {
			pausing.Add(1)
			wait(ctx, time.Duration(n)*time.Minute, func() { done.Add(1) }, pausing.Done)
		}
		synctest.Wait()
		assert.LessOrEqual(t, runtime.NumGoroutine(), before+1)
		time.Sleep(50*time.Minute - time.Second)
		synctest.Wait()
		assert.Equal(t, int32(50), done.Load())
		end()
		pausing.Wait()
		time.Sleep(100 * time.Minute)
		assert.Equal(t, int32(50), done.Load())
		pausing.Add(1)
		wait(ctx, 0, func() { done.Add(1) }, pausing.Done)
		pausing.Wait()
	})
}
