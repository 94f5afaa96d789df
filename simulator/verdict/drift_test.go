package verdict_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// drifting is what an expectation makes of figures.
func drifting(t *testing.T, f *verdict.Figures, expect string) verdict.Expectation {
	t.Helper()
	s, err := scenario.Parse("s.yaml", []byte(`
scenario: drift
duration: 1h
windows: 1m
fleet: [{name: gw, count: 1, product: gw, components: [{id: app, type: module, version: "1"}]}]
expect: {`+expect+"}\n"))
	require.NoError(t, err)
	all := verdict.Expect(s, f)
	return all[len(all)-1]
}

// growing is a run whose memory grows by so many MiB with each sample.
func growing(by int64) *verdict.Figures {
	f := &verdict.Figures{Devices: 1, Windows: verdict.Windows{Width: time.Minute}}
	for i := range verdict.MemorySamples {
		f.Memory = append(f.Memory, verdict.MemorySample{At: time.Duration(2*i+1) * time.Minute,
			Bytes: (100 + by*int64(i) + int64(i%3)*20) << 20})
	}
	return f
}

func TestMemoryDrift(t *testing.T) {
	e := drifting(t, growing(0), `drift: {memory: "<= 5%"}`)
	assert.True(t, e.Held, "%v", e)
	assert.Equal(t, "drift.memory <= 5%", e.Name)
	assert.Equal(t, "+0.00%: 100.0 MiB in the second tenth, 100.0 MiB in the last", e.Measured)

	e = drifting(t, growing(1), `drift: {memory: "<= 5%"}`)
	assert.False(t, e.Held)
	assert.Equal(t, "+28.30%: 106.0 MiB in the second tenth, 136.0 MiB in the last", e.Measured)
	assert.False(t, drifting(t, growing(1), `drift: {memory: "< 28.3%"}`).Held)
	assert.True(t, drifting(t, growing(-1), `drift: {memory: "<= 0%"}`).Held, "less is no drift")

	few := growing(0)
	few.Memory = few.Memory[:5]
	e = drifting(t, few, `drift: {memory: "<= 5%"}`)
	assert.False(t, e.Held)
	assert.Equal(t, "memory was not measured often enough", e.Measured)
	assert.False(t, drifting(t, &verdict.Figures{Devices: 1}, `drift: {memory: "<= 5%"}`).Held)
}

// TestMemoryOfParts: what several processes take at one time is added.
func TestMemoryOfParts(t *testing.T) {
	f := verdict.NewJudge(repeated(), verdict.WithoutLogs).Figures(nil)
	for range 2 {
		part := verdict.NewJudge(repeated(), verdict.WithoutLogs).Figures(nil)
		part.Memory = growing(0).Memory
		f.Merge(part)
	}
	assert.Len(t, f.Memory, verdict.MemorySamples)
	assert.Equal(t, int64(200<<20), f.Memory[0].Bytes)
}

// took lets a device upgrade in the minute n, in so long.
func took(h *verdicttest.Script, n int, lasting time.Duration) {
	h.At = time.Duration(n) * time.Minute
	plan := "nightly." + string(rune('1'+n))
	h.SaysOf(plan, again, "app", ota.PlanReceived)
	h.At += lasting - 2*time.Second
	h.Under(plan, again, ota.DeviceUpgraded)
}

func TestLatencyDrift(t *testing.T) {
	h := verdicttest.NewScript(repeated()).Connect(again, "gw")
	took(h, 0, 10*time.Second)
	f := figuresOf(h, gws(1))
	e := drifting(t, f, `drift: {upgrade: {p95: "<= 20%"}}`)
	assert.False(t, e.Held)
	assert.Equal(t, "no device was upgraded in a second window", e.Measured)

	h = verdicttest.NewScript(repeated()).Connect(again, "gw")
	took(h, 0, 10*time.Second)
	took(h, 1, 40*time.Second)
	took(h, 3, 12*time.Second)
	f = figuresOf(h, gws(1))
	assert.True(t, drifting(t, f, `drift: {upgrade: {p95: "<= 22%"}}`).Held)
	e = drifting(t, f, `drift: {upgrade: {max: "<= 19%"}}`)
	assert.False(t, e.Held)
	assert.Equal(t, "+20.00%: 10.00s in the first windows, 12.00s in the last", e.Measured)
	assert.Equal(t, "nothing was installed in a second window",
		drifting(t, f, `drift: {install: {p50: "<= 5%"}}`).Measured)
}

// TestWindowsHeld counts them.
func TestWindowsHeld(t *testing.T) {
	h := verdicttest.NewScript(repeated()).Connect(again, "gw")
	took(h, 0, 10*time.Second)
	took(h, 1, 10*time.Second)
	h.Event(verdict.Illegal, again)
	f := figuresOf(h, gws(1))
	e := drifting(t, f, `windows: {held: "== 100%"}`)
	assert.False(t, e.Held)
	assert.Equal(t, "50.00% (1 of 2)", e.Measured)
	assert.True(t, drifting(t, f, `windows: {held: 1}`).Held)
}
