//go:build compare

package differ_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
	"otafleet/test/harness"
)

// recording is a cellular line of ten seconds, a line every 200 ms: it swells and fades
// twice, and carries nothing for a second, in a tunnel, and for 400 ms.
func recording() string {
	var b strings.Builder
	b.WriteString("time_ms,down_kbit_s,up_kbit_s,latency_ms,loss_percent\n")
	for at := 0; at < 10_000; at += 200 {
		down := 3000 + 2500*math.Sin(2*math.Pi*float64(at)/5000)
		if at >= 3000 && at < 4000 || at >= 7600 && at < 8000 {
			down = 0
		}
		fmt.Fprintf(&b, "%d,%.0f,%.0f,%d,0\n", at, down, down/4, 20+at%1000/100)
	}
	b.WriteString("10000\n")
	return b.String()
}

// mahimahi is a line of 2 and 8 Mbit/s by turns, and of nothing for 300 ms.
func mahimahi() string {
	var b strings.Builder
	for at := 1; at <= 3000; at++ {
		packets := []int{at % 6 / 5, at % 3 / 2 * 2}[at/500%2]
		if at >= 1200 && at < 1500 {
			packets = 0
		}
		b.WriteString(strings.Repeat(fmt.Sprintln(at), packets))
	}
	return b.String() + "3000\n"
}

// downloading is a scenario of devices that begin at different places of a trace.
func downloading(t *testing.T, recorded, more string) *scenario.Scenario {
	t.Helper()
	text := `
scenario: recorded
duration: 60s
fleet:
  - name: vehicles
    count: 12
    product: p
    components: [{id: app, type: module, version: 1}]
    link: {trace: line.csv` + more + `}
    install: {time: 10ms, restart: none}
plans:
  - {name: spring, product: p, components: [{id: app, package: full, target: 2, size: 4MiB}]}
`
	read := func(string, int64) ([]byte, error) { return []byte(recorded), nil }
	s, _, err := scenario.Compose("recorded.yaml", []byte(text), &scenario.Beside{Read: read})
	require.NoError(t, err)
	return s
}

// speeds are the bytes a second of each device's download.
func speeds(t *testing.T, world simulator.World, s *scenario.Scenario) map[string]float64 {
	t.Helper()
	r, err := recordIn(t.Context(), world, s)
	require.NoError(t, err)
	began, ended := map[string]time.Duration{}, map[string]time.Duration{}
	for i := range r.events {
		switch e := &r.events[i]; {
		case e.Kind != verdict.Numbered:
		case e.Status == ota.DownloadSucceeded:
			ended[e.Device] = e.At
		case e.Status == ota.Downloading:
			if _, has := began[e.Device]; !has { // the first of several
				began[e.Device] = e.At
			}
		}
	}
	rates := map[string]float64{}
	for device, at := range ended {
		rates[device] = float64(s.Plans[0].Components[0].Size) / (at - began[device]).Seconds()
	}
	return rates
}

// mostTries is how often a device has to be fast once.
const mostTries = 10

// TestATraceIsAsFastInBothWorlds: each device downloads as many bytes a second, within
// 5%, over a line that was recorded, wherever in it the device begins. A machine that
// does something else makes downloads slower, never faster: the fastest of a few tries
// counts, and nothing else runs beside them (make test-compare).
func TestATraceIsAsFastInBothWorlds(t *testing.T) {
	p := harness.TakePulse(t)
	for name, s := range map[string]*scenario.Scenario{
		"csv": downloading(t, recording(), ""), "mahimahi": downloading(t, mahimahi(), ", latency: 30ms"),
	} {
		t.Run(name, func(t *testing.T) {
			want := speeds(t, virtual.World{}, s)
			require.Len(t, want, s.Devices())
			fastest := map[string]float64{}
			slow := func(device string) bool { return fastest[device] < 0.95*want[device] }
			for try := 0; try == 0 || try < mostTries && slices.ContainsFunc(slices.Collect(maps.Keys(want)), slow); try++ {
				p.Await()
				got := speeds(t, &real.World{}, s)
				require.Len(t, got, s.Devices())
				for device, rate := range got {
					fastest[device] = max(fastest[device], rate)
				}
			}
			for device, rate := range want {
				assert.InEpsilon(t, rate, fastest[device], 0.05, device)
			}
			least, most := math.Inf(1), 0.0
			for _, rate := range want {
				least, most = min(least, rate), max(most, rate)
			}
			t.Logf("%.0f to %.0f bytes a second", least, most)
			assert.Greater(t, most, 1.02*least, "it matters where a device begins")
		})
	}
}
