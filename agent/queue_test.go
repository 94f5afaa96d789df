package agent

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

// hung is a device whose disk does not answer until it is mended.
type hung struct {
	mended chan struct{}
	sent   []ota.Up
}

func (h *hung) Save(*State) error                                  { <-h.mended; return nil }
func (h *hung) Send(m ota.Up)                                      { h.sent = append(h.sent, m) }
func (h *hung) KeepPackage(*ota.Package) error                     { return nil }
func (h *hung) KeptPackage(string) *ota.Package                    { return nil }
func (h *hung) ForgetPackage(string)                               {}
func (h *hung) Read(context.Context) Readings                      { return Readings{} }
func (h *hung) Fetch(context.Context, FetchJob) (none FetchResult) { return none }

// Whatever happens while a save takes a day: what is superseded does not wait, and
// then the device knows the last of it.
func TestQueueWhileASaveHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hung{mended: make(chan struct{})}
		m := New(ota.Identity{Product: "gw-200", Device: "gw-0001"},
			&Config{Components: []ComponentConfig{{ID: "app", Type: ota.Module}}}, nil)
		r := NewRunner(m, Ports{Link: h, Store: h, URLCache: h, Fetcher: h, Sensors: h})
		var tasks sync.WaitGroup
		ctx, end := context.WithCancel(t.Context())
		r.Start(ctx, &tasks, "boot-1")
		r.Post(PauseRequested{Reason: "first"})
		synctest.Wait()

		battery := 0
		for range 24 * 60 {
			time.Sleep(time.Minute)
			battery++
			level := battery % 100
			for _, in := range []Input{Measured{Readings{Battery: &level}}, CheckRequested{}, Tick{}, Connected{},
				Disconnected{}, Connected{},
				ResumeRequested{}, PauseRequested{Reason: "last"}, FetchProgressed{Op: 1}, Decided{Plan: "p"}, Abandon{Plan: "p"},
				Install{}} {
				r.Post(in)
			}
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			assert.Error(t, r.Answers(short))
			cancel()
		}
		r.mu.Lock()
		assert.LessOrEqual(t, len(r.queue), 10+maxOrders)
		r.queue.drop(isOrder) // they were for the place in the queue
		r.mu.Unlock()

		close(h.mended)
		synctest.Wait()
		view := r.View()
		assert.Equal(t, "last", view.Paused.Reason)
		assert.True(t, view.Connected)
		assert.Equal(t, battery%100, *view.Readings.Battery)
		assert.NoError(t, r.Answers(t.Context()))
		end()
		r.Stop()
		tasks.Wait()
	})
}
