package model_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/trace"
)

// drive is ten seconds of a line, of which it carries nothing for two.
func drive(t *testing.T) *trace.Trace {
	t.Helper()
	tr, err := trace.Parse("drive.csv", []byte("time_s,down_bytes_s,up_bytes_s,latency_ms,loss_percent\n"+
		"0,1000,100,10,0\n4,0,0,10,0\n6,2000,200,20,1\n10\n"))
	require.NoError(t, err)
	return tr
}

func TestLineWithATrace(t *testing.T) {
	link := scenario.Link{Jitter: time.Millisecond, Trace: drive(t), TraceAtBegin: true}
	l := model.NewLine(&link, 1, "d")
	now := l.At(7 * time.Second)
	assert.Equal(t, scenario.Link{Bandwidth: 2000, Upload: 200, Latency: 20 * time.Millisecond, Jitter: time.Millisecond,
		Loss: 1, Trace: link.Trace, TraceAtBegin: true}, now)
	assert.Equal(t, 3*time.Second, l.Lasts(7*time.Second))
	assert.Equal(t, time.Second, l.Outage(5*time.Second))
	assert.Equal(t, 4*time.Second, l.NextOutage(0, 2*time.Second))
	for bytes, want := range map[int]time.Duration{
		0: 0, 1000: time.Second, 4000: 4 * time.Second, 5000: 6500 * time.Millisecond, 12_000: 10 * time.Second,
		13_000: 11 * time.Second, 24_000: 20 * time.Second,
	} {
		assert.Equal(t, want, l.Down(0, bytes, 0), bytes)
	}
	assert.Equal(t, 8*time.Second, l.Down(0, 3000, 500), "4 s, and 2 s behind the outage")
}

func TestLineWithoutATrace(t *testing.T) {
	l := model.NewLine(&scenario.Link{Bandwidth: 1000}, 1, "d")
	assert.Equal(t, 6*time.Second, l.Down(5*time.Second, 1000, 0))
	assert.Equal(t, 15*time.Second, l.Down(5*time.Second, 1000, 100))
	assert.Zero(t, l.Outage(0))
	assert.Negative(t, l.NextOutage(0, 1))
	free := model.NewLine(&scenario.Link{}, 1, "d")
	assert.Equal(t, 5*time.Second, free.Down(5*time.Second, 1000, 0))
}

// TestPlacesInATrace: each device begins at a place of its own, which the seed decides.
func TestPlacesInATrace(t *testing.T) {
	link := scenario.Link{Trace: drive(t)}
	out := func(seed uint64, device string) time.Duration {
		l := model.NewLine(&link, seed, device)
		return l.NextOutage(0, time.Second)
	}
	assert.Equal(t, out(1, "d-000001"), out(1, "d-000001"))
	assert.NotEqual(t, out(1, "d-000001"), out(1, "d-000002"))
	assert.NotEqual(t, out(1, "d-000001"), out(2, "d-000001"))
}
