package simulator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/simulator/verdict"
)

// clocked is a run of an hour that is as far as the clock says.
type clocked struct{ began time.Time }

func (c clocked) Snapshot() Snapshot { return Snapshot{Share: time.Since(c.began).Hours()} }

// TestMemory is sampled at equal distances, beginning after half of one.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := int64(0)
		m := watchMemory(clocked{time.Now()}, time.Hour, func() int64 { taken++; return taken })
		time.Sleep(30*time.Minute + time.Second)
		samples := m.stop()
		assert.Len(t, samples, verdict.MemorySamples/2)
		assert.Equal(t, verdict.MemorySample{At: 45 * time.Second, Bytes: 1}, samples[0])
		assert.Equal(t, 29*time.Minute+15*time.Second, samples[19].At)
	})
	assert.Nil(t, (*memory)(nil).stop())
}

// TestResident is less than the machine has, and not nothing.
func TestResident(t *testing.T) {
	assert.Greater(t, resident(), int64(1<<20))
	assert.Less(t, resident(), int64(1<<40))
}
