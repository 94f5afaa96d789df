package hawkbit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/hawkbit"
)

// A device whose polls stay away is offline, and online again with the next one.
func TestDeviceThatStopsPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, hawkbit.Config{Sleep: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go f.handler.(*hawkbit.Handler).Watch(ctx)
		f.offer(engine.PlanSpec{ID: "p"}, "2.0", "app")
		online := func() (is bool) {
			f.platform.View(func(e *engine.Engine) {
				v, _ := e.Device("p", key)
				is = v.Online
			})
			return is
		}
		f.begins()
		for range 5 {
			time.Sleep(time.Minute)
			f.polls()
		}
		synctest.Wait()
		require.True(t, online())
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		assert.False(t, online())
		f.polls()
		assert.True(t, online())
		assert.Empty(t, f.faults)
	})
}
