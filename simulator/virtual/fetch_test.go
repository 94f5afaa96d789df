package virtual_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// one is a scenario of a few devices with one component; tests put their own
// lines behind it.
const one = `
scenario: test
duration: 1h
fleet:
  - name: gw
    count: 5
    product: gw-200
    components: [{id: app, type: module, version: 1.0.0}]
    install: {time: 1s, restart: process}
plans:
  - name: spring
    product: gw-200
    components: [{id: app, package: full, target: 1.1.0, size: 1MiB, chunk: 64KiB}]
`

// slowly is one with a download of 16 s.
func slowly() string {
	return strings.Replace(one, "    install:", "    link: {bandwidth: 64KiB/s}\n    install:", 1)
}

// figures runs a scenario in virtual time.
func figures(t *testing.T, text string) *verdict.Figures {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	f := simulate(t, simulator.Options{Scenario: s}).Figures
	require.Zero(t, f.Violations, f.FirstViolations())
	return f
}

// TestBreakInTheMiddle cuts downloads over a line without a limit: what comes
// after the cut must be asked for again, and can be cut again.
func TestBreakInTheMiddle(t *testing.T) {
	for _, kind := range []string{"drop", "power_cut", "crash"} {
		f := figures(t, one+`
faults: [{name: f, at: downloading, do: `+kind+`, chance: 100%, times: 3, after: 20%}]
`)
		assert.Equal(t, 5*3, f.Faults[0].Fired, kind)
		assert.Equal(t, 5, f.Classes[scenario.Upgraded], kind)
		assert.EqualValues(t, 5<<20, f.Bytes, kind)
	}
}

// TestNothingComesWhileItStalls lets the line change its speed, or the power
// fail, while the storage has stopped sending.
func TestNothingComesWhileItStalls(t *testing.T) {
	f := figures(t, slowly()+`
faults:
  - {name: pause, at: downloading, do: stall, chance: 100%, after: 50%, for: 25s}
  - {name: crawl, at: downloading, do: slow, chance: 100%, rate: 32KiB/s, after: 10s, for: 4s}
`)
	took := f.Times.Of(scenario.DownloadSpan)
	assert.InDelta(t, 16+25, took.At(scenario.Max).Seconds(), 1, "the speed changes while nothing comes")

	f = figures(t, slowly()+`
faults:
  - {name: pause, at: downloading, do: stall, chance: 100%, after: 50%, for: 25s}
  - {name: cut, at: downloading, do: power_cut, chance: 100%, after: 18s, for: 1s}
`)
	took = f.Times.Of(scenario.DownloadSpan)
	assert.InDelta(t, 18+1+8, took.At(scenario.Max).Seconds(), 1,
		"half of it had come, and half was missing after the cut")
}

// TestFreezeWhileItStalls takes the longer of the two.
func TestFreezeWhileItStalls(t *testing.T) {
	for _, freeze := range []time.Duration{2 * time.Second, 15 * time.Second} {
		f := figures(t, slowly()+`
faults:
  - {name: pause, at: downloading, do: stall, chance: 100%, after: 50%, for: 10s}
  - {name: still, at: downloading, do: half_open, chance: 100%, after: 9s, for: `+freeze.String()+`}
`)
		took := f.Times.Of(scenario.DownloadSpan)
		want := 16*time.Second + max(10*time.Second, time.Second+freeze)
		assert.InDelta(t, want.Seconds(), took.At(scenario.Max).Seconds(), 1, freeze)
	}
}

// TestAStoreThatIsAway is found out at the far end of the line, not at its own.
func TestAStoreThatIsAway(t *testing.T) {
	far := strings.Replace(one, "    install:", "    link: {latency: 200ms}\n    install:", 1)
	f := figures(t, far+`
events: [{at: 0s, do: kill_store, for: 10s}]
`)
	assert.Equal(t, 5, f.Classes[scenario.Upgraded])
}

// TestWritesWhileItComes fails the write of a chunk in the middle of an answer:
// what came before is in place, and what comes later is not asked for yet.
func TestWritesWhileItComes(t *testing.T) {
	f := figures(t, slowly()+`
faults: [{name: bad-block, at: downloading, do: write_error, chance: 100%, after: 50%}]
`)
	assert.Equal(t, 5, f.Faults[0].Fired)
	assert.Equal(t, 5, f.Codes["write_failed"])
	assert.Equal(t, 5, f.Classes[scenario.Upgraded])
	assert.EqualValues(t, 5<<20, f.Bytes)
	took := f.Times.Of(scenario.DownloadSpan)
	assert.InDelta(t, 8, took.At(scenario.Max).Seconds(), 1, "of the second try")

	f = figures(t, slowly()+`
faults: [{name: full, at: downloading, do: disk_full, chance: 100%, after: 50%, for: 3s}]
`)
	assert.Equal(t, 5, f.Faults[0].Fired)
	assert.GreaterOrEqual(t, f.Codes["space_low"], 5)

	f = figures(t, slowly()+`
faults: [{name: full, at: downloading, do: disk_full, chance: 100%, after: 50%, for: 1ms}]
`)
	assert.Zero(t, f.Faults[0].Fired, "no chunk came in that time")
	assert.Equal(t, 5, f.Classes[scenario.Upgraded])
}

// TestAnObjectThatHasChangedIsAskedForByItsTag: the agent asks for the object that it
// has heard of last, which costs another wrong answer when the first is there again.
func TestAnObjectThatHasChangedIsAskedForByItsTag(t *testing.T) {
	text := strings.Replace(one, "size: 1MiB, chunk: 64KiB}]", "size: 4KiB, chunk: 4KiB}]\n    retries: 0", 1)
	f := figures(t, text+`faults:
  - {name: changed, at: downloading, do: object_changed, chance: 100%, times: 2}
  - {name: short, at: downloading, do: truncate, chance: 100%, after: 99%, times: 3}
`)
	assert.Equal(t, 5, f.Classes[scenario.UpgradeFailed], "the tag, and three answers that are too short: %v", f.Classes)
	assert.Equal(t, 5, f.Codes[string(ota.SizeMismatch)])
}

// TestAnHTTPStatusHasItsErrorCode: the one that the agent's own downloads give it.
func TestAnHTTPStatusHasItsErrorCode(t *testing.T) {
	for status, code := range map[string]ota.Code{"416": ota.SizeMismatch, "410": ota.HTTPError} {
		f := figures(t, one+
			"    retries: 0\nfaults:\n  - {name: no, at: downloading, do: http_status, chance: 100%, status: "+status+
			", times: 20}\n")
		assert.Equal(t, 5, f.Codes[string(code)], "%s: %v", status, f.Codes)
	}
}
