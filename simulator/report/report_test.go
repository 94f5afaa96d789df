package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// uplink is a scenario of gateways and cameras.
func uplink(gateways, cameras int, expect string) *scenario.Scenario {
	return verdicttest.Parse(verdicttest.Uplink(gateways, cameras, expect))
}

// verdicts are those whose form is kept as golden files.
func verdicts(t *testing.T) map[string]*verdict.Verdict {
	t.Helper()
	held := verdicttest.Judge(verdicttest.Parse(verdicttest.Fleets(1000)), 42)
	require.True(t, held.Held, "%+v", held.Expectations)
	held.Resources = verdict.Resources{PeakMemory: 50 << 20, Sockets: 2411, Wall: 84 * time.Second, CPU: 31 * time.Second,
		CPUs: 2, System: "linux/amd64"}
	empty := verdict.New(uplink(900, 100, "{}"), 1, "real", verdict.NewJudge(uplink(900, 100, "{}"), verdict.WithLogs).
		Figures(nil))
	empty.Interrupt()
	return map[string]*verdict.Verdict{"held": held, "broken": broken(), "empty": empty}
}

// broken is a verdict on a run in which every sort of thing went wrong.
func broken() *verdict.Verdict {
	s := uplink(3, 2, `
  devices: {upgraded: ">= 99%", unaccounted: 0, cameras: {upgraded: ">= 95%"}}
  components: {rootfs: {upgrade_succeeded: 5}}
  platform: {finished: true, mistaken: 0}
  reports: {lost: 0, conflicting: 0}
  time: {upgrade: {p99: "< 5s"}, download: {max: "< 5s"}}
  faults: {fired: all, brown-out: 1}
  never: [{event: stored, status: upgrade_failed, fleet: gateways}]
  always: [{name: back soon, event: disconnected, then: {event: connected}, within: 1s}]`)
	h := verdicttest.NewScript(s)
	const a, b, c, d = "gateways-000001", "gateways-000002", "cameras-000001", "cameras-000002"
	h.Connect(a, "gateways").Upgrade(a).
		Add(verdict.Event{Kind: verdict.Violation, Device: a,
			Text: "component app was reported upgraded to 1.1.0 and runs 1.0.0"})
	h.Connect(b, "gateways").Say(b, ota.PlanReceived).Say(b, ota.UpgradeFailed).Status(b, ota.DeviceUpgradeFailed)
	h.Connect(c, "cameras").Say(c, ota.PlanReceived).Answer(c, ota.ReasonBattery)
	h.Add(verdict.Event{Kind: verdict.FaultFired, Device: c, Text: "lossy-line"}).Event(verdict.Disconnected, c)
	h.Arrive(d, "cameras").Record(verdict.Numbered, d, h.Report(d, "app", ota.PlanReceived))
	h.Judge.Drawn("lossy-line", 2)
	v := verdict.New(s, 7, "virtual", h.Judge.Figures(verdict.Sizes(s)))
	v.Part = "shard 2/4"
	return v
}

var update = flag.Bool("update", false, "write the golden files anew")

// TestForms holds what is written against the golden files.
func TestForms(t *testing.T) {
	for name, v := range verdicts(t) {
		for ending, write := range map[string]func(io.Writer) error{
			"txt":  func(w io.Writer) error { return report.WriteText(w, v, report.Style{}) },
			"json": func(w io.Writer) error { return report.WriteJSON(w, v) },
			"xml":  func(w io.Writer) error { return report.WriteJUnit(w, v) },
		} {
			t.Run(name+"."+ending, func(t *testing.T) {
				var b bytes.Buffer
				require.NoError(t, write(&b))
				golden := "testdata/" + name + "." + ending
				if *update {
					require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o644))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				assert.Equal(t, string(want), b.String())
				require.ErrorIs(t, write(fullDisk{}), errFull)
			})
		}
	}
}

var errFull = errors.New("no space left")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestColors(t *testing.T) {
	for _, v := range verdicts(t) {
		var plain, colored bytes.Buffer
		require.NoError(t, report.WriteText(&plain, v, report.Style{}))
		require.NoError(t, report.WriteText(&colored, v, report.Style{Color: true}))
		assert.NotContains(t, plain.String(), "\x1b")
		stripped := colored.String()
		for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"} {
			stripped = strings.ReplaceAll(stripped, code, "")
		}
		assert.Equal(t, plain.String(), stripped, "colours add nothing but colour")
	}
}

// TestJSONFields lists the fields that scripts rely on.
func TestJSONFields(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, report.WriteJSON(&b, verdicts(t)["held"]))
	var d map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &d))
	for _, field := range []string{"scenario", "held", "interrupted", "seed", "world", "devices", "seconds", "classes",
		"components", "reports",
		"time", "faults", "refusals", "codes", "expectations", "rules", "violations",
		"slowest", "failed", "history_digest", "resources"} {
		assert.Contains(t, d, field)
	}
	sum := 0.0
	all := d["classes"].(map[string]any)["all"].(map[string]any)
	for _, class := range scenario.Classes() {
		assert.Contains(t, all, string(class))
		sum += all[string(class)].(float64)
	}
	assert.Equal(t, 1000.0, sum)
	for _, span := range scenario.Spans() {
		for _, q := range scenario.Quantiles() {
			assert.Contains(t, d["time"].(map[string]any)[string(span)], string(q))
		}
	}
	assert.Regexp(t, "^[0-9a-f]{64}$", d["history_digest"])
}
