package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

func page(t *testing.T, v *verdict.Verdict) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.WriteHTML(&b, v))
	require.ErrorIs(t, report.WriteHTML(fullDisk{}, v), errFull)
	return b.String()
}

// TestPageLoadsNothing: its policy allows its own style and script, and nothing
// of the page asks for more.
func TestPageLoadsNothing(t *testing.T) {
	for name, v := range verdicts(t) {
		text := page(t, v)
		policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).
			FindStringSubmatch(text)[1])
		assert.Contains(t, policy, "default-src 'none';")
		for _, kind := range []string{"style", "script"} {
			parts := regexp.MustCompile(`(?s)<`+kind+`>(.*?)</`+kind+`>`).FindAllStringSubmatch(text, -1)
			require.Len(t, parts, 1, "%s: one %s", name, kind)
			sum := sha256.Sum256([]byte(parts[0][1]))
			assert.Contains(t, policy, kind+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		}
		assert.NotRegexp(t, `\s(src|style|on[a-z]+|action)=`, text)
		assert.NotRegexp(t, `href="[^#]`, text)
		assert.NotContains(t, text, "://")
		assert.NotContains(t, text, "ZgotmplZ", "the template refused something")
	}
}

// TestPageEscapes: whatever a scenario or a device says is text.
func TestPageEscapes(t *testing.T) {
	const evil = `</script><img src=x onerror="alert(1)">&'`
	s := verdicttest.Parse(verdicttest.Fleets(100))
	s.Name, s.Description, s.Fleets[0].Name, s.Faults[0].Name = evil, evil, evil, evil
	s.Expect.Rules[0].Name = evil
	j := verdict.NewJudge(s, verdict.WithLogs)
	d := j.Device(0, 1)
	d.Add(&verdict.Event{Kind: verdict.Arrived, Text: evil})
	d.Add(&verdict.Event{Kind: verdict.Violation, Text: evil, At: time.Second})
	d.Add(&verdict.Event{Kind: verdict.FaultFired, Text: evil, At: 2 * time.Second})
	d.Add(&verdict.Event{Kind: verdict.Stored, Component: evil, Plan: evil, Status: 9, Text: evil, Detail: evil,
		At: 3 * time.Second})
	d.Add(&verdict.Event{Kind: verdict.Answered, Plan: evil, Text: evil, At: 3 * time.Second})
	v := verdict.New(s, 1, evil, j.Figures(verdict.Sizes(s)))
	v.Text, v.Source, v.Record, v.Part, v.Program = evil, evil, evil, evil, evil
	v.Resources.System, v.Resources.CPUs = evil, 1
	text := page(t, v)
	assert.NotContains(t, text, "<img")
	assert.Equal(t, 1, strings.Count(text, "</script>\n</body>"))
	assert.Equal(t, 2, strings.Count(text, "</script>"))
	assert.Greater(t, strings.Count(text, "&lt;/script&gt;&lt;img src=x onerror="), 12)
}

// TestPageTells looks for what a reader looks for.
func TestPageTells(t *testing.T) {
	v := verdicts(t)["broken"]
	v.Record, v.Source = "out/run 1", "my.yaml"
	text := html.UnescapeString(page(t, v))
	for _, want := range []string{
		"<title>flaky-uplink: Not held</title>",
		"13 of 17 expectations did not hold. Of 5 devices, 1 was upgraded, 1 failed, 1 refused, " +
			"1 never connected and 1 is unaccounted for.",
		"devices.upgraded >= 99%", "20.00% (1 of 5)",
		"stores report 2, app: Upgrade Failed, health_check_failed",
		"invariant violated: component app was reported upgraded",
		"ota-sim run my.yaml --seed 7 --virtual", "ota-sim report 'out/run 1'",
		"ota-sim replay 'out/run 1' --only gateways-000001",
		"shard 2/4", v.HistoryDigest, "never</td>", "Broke the rule: back soon",
		"What the platform believes", "platform.finished: true",
	} {
		assert.True(t, strings.Contains(text, want), want)
	}
	held := html.UnescapeString(page(t, verdicts(t)["held"]))
	for _, want := range []string{"All 14 expectations held. Of 1,000 devices, 956 were upgraded",
		"kill_broker at 40s for 10s", "2 processors, linux/amd64",
		"956 of 1,000", "p99 1m12s", "Devices by status over"} {
		assert.True(t, strings.Contains(held, want), want)
	}
	empty := page(t, verdicts(t)["empty"])
	assert.False(t, strings.Contains(empty, "NaN"))
	assert.True(t, strings.Contains(empty, "Of 0 devices, 0 were upgraded."))
}

// TestPageOfAPart says what only the verdict of all parts can decide.
func TestPageOfAPart(t *testing.T) {
	s := uplink(900, 100, `{devices: {upgraded: 990, unaccounted: 0}}`)
	h := verdicttest.NewScript(s)
	h.Connect("gateways-000001", "gateways").Upgrade("gateways-000001")
	text := page(t, verdict.New(s, 1, "real", h.Judge.Figures([]verdict.FleetSize{{Name: "gateways", Devices: 1}})))
	assert.True(t, strings.Contains(text,
		"3 of 5 expectations held, and the others are judged when all parts of the run are merged."))
	assert.Equal(t, 2, strings.Count(text, `<span class="word">later</span>`))
}

// TestPageSize: a page stays one that can be sent, however large the run.
func TestPageSize(t *testing.T) {
	v := verdicttest.Judge(verdicttest.Parse(verdicttest.Fleets(10_000)), 42)
	v.Text = strings.Repeat("# a long scenario with ünusual characters\n", 30_000)
	text := page(t, v)
	assert.Less(t, len(text), 3<<19)
	assert.True(t, strings.Contains(text, "The rest is in the record"))
}

func TestPercentages(t *testing.T) {
	s := &scenario.Scenario{Name: "n", Fleets: []scenario.Fleet{{Name: "gw", Count: 100_000}}, Duration: time.Hour}
	for upgraded, want := range map[int]string{0: "0%", 1: "&lt;0.01%", 99_999: "&gt;99.99%", 100_000: "100%",
		50_000: "50.0%", 99_500: "99.50%"} {
		f := verdict.NewJudge(s, verdict.WithoutLogs).Figures(verdict.Sizes(s))
		f.Classes = verdict.Counts{scenario.Upgraded: upgraded, scenario.Unfinished: 100_000 - upgraded}
		assert.True(t, strings.Contains(page(t, verdict.New(s, 1, "real", f)), "<b>"+want+"</b>"), want)
	}
}
