package real

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// kept is a sink that keeps what it is given.
type kept struct{ events []verdict.Event }

func (k *kept) AddEvents(events []verdict.Event) { k.events = append(k.events, events...) }

func newTestRecorder(t *testing.T, devices int) (*recorder, *kept) {
	t.Helper()
	s, err := scenario.Parse("recorded.yaml", fmt.Appendf(nil, `scenario: recorded
duration: 1m
fleet:
  - {name: gw, count: %d, product: gw-200, components: [{id: app, type: module, version: 1.0.0}]}
`, devices))
	require.NoError(t, err)
	k := &kept{}
	return newRecorder(s, devices, k), k
}

// TestRecorderOrder adds from many goroutines: nothing is lost, and the judge has the
// events in the order of their times, and of those who add them.
func TestRecorderOrder(t *testing.T) {
	const devices, each = 20, 200
	r, k := newTestRecorder(t, devices)
	var adding sync.WaitGroup
	for i := range devices {
		adding.Go(func() {
			device := fmt.Sprintf("gw-%06d", i+1)
			r.add(verdict.Event{Kind: verdict.Arrived, Device: device})
			for n := range each {
				r.add(verdict.Event{Kind: verdict.Downloaded, Device: device, N: int64(n + 1)})
			}
		})
	}
	adding.Wait()
	s := r.now()
	assert.Equal(t, devices, s.Arrived)
	assert.EqualValues(t, devices*each*(each+1)/2, s.Bytes)
	require.Len(t, k.events, devices*(each+1))
	assert.True(t, slices.IsSortedFunc(k.events, func(a, b verdict.Event) int { return int(a.At - b.At) }))
	last := map[string]int64{}
	for _, e := range k.events {
		assert.True(t, e.Kind == verdict.Arrived || e.N == last[e.Device]+1, e)
		last[e.Device] = e.N
	}
}

// TestRecorderDoesNotWait adds while another goroutine judges: that one, or who asks next,
// judges it too.
func TestRecorderDoesNotWait(t *testing.T) {
	r, k := newTestRecorder(t, 1)
	r.mu.Lock()
	r.add(verdict.Event{Kind: verdict.Arrived, Device: "gw-000001"})
	assert.Empty(t, k.events)
	r.mu.Unlock()
	assert.Equal(t, 1, r.now().Arrived)
	assert.Len(t, k.events, 1)
}

// TestRecorderIsBounded lets those wait who add when many events wait.
func TestRecorderIsBounded(t *testing.T) {
	r, k := newTestRecorder(t, 1)
	r.mu.Lock()
	for range mostAdded {
		r.add(verdict.Event{Kind: verdict.Arrived, Device: "gw-000001"})
	}
	added := make(chan struct{})
	go func() {
		r.add(verdict.Event{Kind: verdict.Connected, Device: "gw-000001"})
		close(added)
	}()
	select {
	case <-added:
		t.Error("it did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	r.mu.Unlock()
	<-added
	assert.Len(t, k.events, mostAdded+1)
}

// TestRecorderEnds hears nothing of how the devices are switched off.
func TestRecorderEnds(t *testing.T) {
	r, k := newTestRecorder(t, 1)
	r.mu.Lock()
	r.add(verdict.Event{Kind: verdict.Arrived, Device: "gw-000001"})
	r.mu.Unlock()
	r.end()
	r.add(verdict.Event{Kind: verdict.PowerCut, Device: "gw-000001"})
	assert.Zero(t, r.now().PowerCuts)
	assert.Len(t, k.events, 1)
}

// BenchmarkRecorder adds an event from each of many goroutines at once.
func BenchmarkRecorder(b *testing.B) {
	s, err := scenario.Parse("recorded.yaml", []byte(`scenario: recorded
duration: 1m
fleet:
  - {name: gw, count: 1, product: gw-200, components: [{id: app, type: module, version: 1.0.0}]}
`))
	require.NoError(b, err)
	r := newRecorder(s, 1, nil)
	r.add(verdict.Event{Kind: verdict.Arrived, Device: "gw-000001"})
	b.ReportAllocs()
	b.SetParallelism(1000)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.add(verdict.Event{Kind: verdict.Downloaded, Device: "gw-000001", N: 1})
		}
	})
}
