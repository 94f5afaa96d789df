package scenario_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/fleet"
	"otafleet/simulator/scenario"
)

func TestEveryTolerance(t *testing.T) {
	c := everything(t).Compare
	assert.Equal(t, 2.5, c.Spread)
	share, least := func(p scenario.Percent) scenario.Tolerance { return scenario.Tolerance{Share: p} },
		func(n float64) scenario.Tolerance { return scenario.Tolerance{Least: n} }
	for figure, want := range map[string]scenario.Tolerance{
		"devices.upgraded": share(1), "devices.upgrade_failed": least(2), "devices.cameras": share(50),
		"time.upgrade": share(10), "time.decide": least(0.05), "time.download.p999": least(2),
		"codes": share(10), "refusals": least(5), "faults.brown-out": least(1), "reports.duplicate": share(5),
		"resources.memory": least(8 << 20), "resources.cpu": share(20), "resources.sockets": least(100),
	} {
		assert.Equal(t, want, c.Allowed[figure], figure)
	}
	assert.Len(t, c.Allowed, 33)
}

// TestToleranceIsOfTheLongestName: what is said of one figure goes before what is said
// of several, and that before the table, which is exact in virtual time.
func TestToleranceIsOfTheLongestName(t *testing.T) {
	c := everything(t).Compare
	for figure, want := range map[string][2]scenario.Tolerance{
		"devices.cameras.upgraded":  {{Share: 50}, {Share: 50}},
		"devices.gateways.upgraded": {{}, {Share: 1, Least: 1}},
		"time.download.p99":         {{Share: 20}, {Share: 20}},
		"time.upgrade.p99":          {{Share: 10}, {Share: 10}},
		"codes.http_error":          {{Share: 10}, {Share: 10}},
		"faults.overload":           {{}, {Share: 5, Least: 2}},
		"violations":                {{}, {}},
	} {
		m, known := scenario.MeasureOf(figure)
		require.True(t, known, figure)
		assert.Equal(t, want[0], c.AllowedFor(figure, &m, true, 1), figure)
		assert.Equal(t, want[1], c.AllowedFor(figure, &m, false, 1), figure)
	}
	memory, _ := scenario.MeasureOf("resources.memory")
	allowed := func(devices int) scenario.Tolerance {
		return (&scenario.Compare{}).AllowedFor("resources.memory", &memory, true, devices)
	}
	assert.Equal(t, memory.Allowed, allowed(1_000_000), "a machine is never exact")
	assert.Equal(t, scenario.Tolerance{Share: 30, Least: 8 << 20}, allowed(4), "few devices take less than their process")
}

// TestRowOfAFigure: names that come from outside may have dots.
func TestRowOfAFigure(t *testing.T) {
	for figure, row := range map[string]string{
		"devices.gateways.upgraded": "devices.upgraded", "devices.gateways.refused": "devices.*",
		"expectations.time.upgrade.p99 < 5m": "expectations.*", "codes.vendor.specific": "codes.*",
		"time.install.p90": "time.*.p90", "time.install.max": "time.*.max", "resources.cpu": "resources.cpu",
	} {
		m, known := scenario.MeasureOf(figure)
		assert.True(t, known, figure)
		assert.Equal(t, row, m.Figure, figure)
	}
	_, known := scenario.MeasureOf("resources.luck")
	assert.False(t, known)
}

func TestTolerancesOnACommandLine(t *testing.T) {
	s := everything(t)
	figure, tolerance, err := s.ParseTolerance("time.download.p99=2s")
	require.NoError(t, err)
	assert.Equal(t, "time.download.p99", figure)
	assert.Equal(t, scenario.Tolerance{Least: 2}, tolerance)
	for text, want := range map[string]string{
		"time":              `"time" is not a tolerance; want a figure and how much, such as time.download=10%`,
		"tine=1%":           `tine: no tolerance is for "tine"; did you mean "time"?`,
		"time.download.p9=": `time.download.p9: no tolerance is for "p9"; did you mean "p90"?`,
		"codes.internal=1%": `codes.internal: no tolerance is for "internal"`,
		"faults.gone=few":   `faults.gone: "few" is not a tolerance; want a share or a number, such as 1% or 2`,
		"resources=5":       `resources: "5" cannot be for all of them; want a share, such as 20%`,
		"reports=101%":      `reports: "101%" is not a percentage; want 0% to 100%, such as 0.5% or 20%`,
	} {
		_, _, err := s.ParseTolerance(text)
		assert.EqualError(t, err, want, text)
	}
}

// TestDifferences: a scenario stays the same one with another measure, and becomes another
// with anything else.
func TestDifferences(t *testing.T) {
	data, err := os.ReadFile("testdata/good/everything.yaml")
	require.NoError(t, err)
	text := string(data)
	parse := func(text string, from scenario.Devices) *scenario.Scenario {
		s, err := scenario.ParseWith("s.yaml", []byte(text), from)
		require.NoError(t, err)
		return s
	}
	a := parse(text, scenario.Devices{})
	for _, same := range [][2]string{{"seed: 42", "seed: 43"}, {"still all end", "nearly all end"},
		{"upgrade_failed: \"<= 1%\"", "upgrade_failed: \"<= 2%\""}, {"spread: 2.5", "spread: 3"}} {
		require.Contains(t, text, same[0])
		assert.Empty(t, a.Differences(parse(strings.Replace(text, same[0], same[1], 1), scenario.Devices{})), same)
	}
	assert.Empty(t, a.Differences(parse(text, scenario.Devices{KeyPrefix: "other-"})))
	for key, other := range map[string][2]string{
		"scenario": {"scenario: everything", "scenario: something"}, "duration": {"duration: 10m", "duration: 11m"},
		"fleet": {"loss: 0.5%", "loss: 0.6%"}, "plans": {"target: 1.11", "target: 1.12"},
		"events": {"at: 3m30s", "at: 3m31s"}, "faults": {"exactly: 0.5%", "exactly: 0.6%"},
	} {
		require.Contains(t, text, other[0])
		b := parse(strings.Replace(text, other[0], other[1], 1), scenario.Devices{})
		assert.Equal(t, []string{key}, a.Differences(b))
	}

	listed, err := os.ReadFile("testdata/good/listed.yaml")
	require.NoError(t, err)
	open := func(lines string) *scenario.Scenario {
		return parse(string(listed), scenario.Devices{Open: func(path string) (*fleet.File, error) {
			return fleet.Parse(path, []byte(lines))
		}})
	}
	assert.Empty(t, open(lines).Differences(open(lines)))
	assert.Equal(t, []string{"devices"}, open(lines).Differences(open(strings.Replace(lines, "1.0.0", "1.0.1", 1))))
}
