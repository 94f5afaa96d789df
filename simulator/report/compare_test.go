package report_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/compare"
	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// comparison is of two runs with three baselines, in which all sorts of things differ.
func comparison(t *testing.T) *compare.Comparison {
	t.Helper()
	s := verdicttest.Parse(verdicttest.Fleets(100))
	run := func(name string, cpus int, change func(*verdict.Figures)) compare.Run {
		v := verdicttest.Judge(s, 42)
		v.World, v.HistoryDigest, v.Program, v.Held = "real", name, "ota-sim 1.0", true
		v.Started = time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
		v.Resources = verdict.Resources{PeakMemory: 100 << 20, CPU: 30 * time.Second, CPUs: cpus, System: "linux/amd64"}
		change(v.Figures)
		about := compare.About{Name: name, Scenario: s, Seed: 42, World: "real", Dialect: "native"}
		return compare.Run{About: about, Verdict: v}
	}
	worse := func(f *verdict.Figures) {
		f.Classes[scenario.Upgraded] -= 9
		f.Classes[scenario.UpgradeFailed] += 9
		f.Codes["http_error"] = 12
		f.Faults[0].Outcomes[scenario.Upgraded] += 30
		f.Reports.Duplicate = 0
		for range 120 {
			f.Times.Download.Add(40 * time.Second)
		}
	}
	same := func(*verdict.Figures) {}
	broken := run("after/2", 4, worse)
	broken.Verdict.Program, broken.Verdict.Held = "ota-sim 1.1\x1b[31m", false
	broken.Verdict.Expectations[1].Held = false
	other := func(f *verdict.Figures) { f.Sessions += 40 }
	before := []compare.Run{run("<before>", 2, same), run("before/2", 2, other), run("before/3", 2, same)}
	c, err := compare.New(before, []compare.Run{run("after/1", 2, worse), broken}, &scenario.Compare{Spread: 3})
	require.NoError(t, err)
	return c
}

// TestFormsOfAComparison holds what is written against the golden files.
func TestFormsOfAComparison(t *testing.T) {
	c := comparison(t)
	for ending, write := range map[string]func(io.Writer) error{
		"txt":  func(w io.Writer) error { return report.WriteComparisonText(w, c, report.Style{}) },
		"json": func(w io.Writer) error { return report.WriteComparisonJSON(w, c) },
		"xml":  func(w io.Writer) error { return report.WriteComparisonJUnit(w, c) },
		"html": func(w io.Writer) error { return report.WriteComparisonHTML(w, c) },
	} {
		t.Run(ending, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, write(&b))
			require.ErrorIs(t, write(fullDisk{}), errFull)
			if ending == "html" || ending == "json" { // long, and looked at below
				return
			}
			golden := "testdata/compared." + ending
			if *update {
				require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), b.String())
		})
	}
}

// TestPageOfAComparison has every figure and a line for each run in each chart, escapes
// names, and asks for nothing.
func TestPageOfAComparison(t *testing.T) {
	c := comparison(t)
	var b bytes.Buffer
	require.NoError(t, report.WriteComparisonHTML(&b, c))
	page := b.String()
	for _, f := range c.Figures {
		assert.Contains(t, page, "<code>"+strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(f.Name)+"</code>")
	}
	assert.Equal(t, 5, strings.Count(page, "<figure>"), "devices and four spans")
	assert.Equal(t, 15, strings.Count(page, `<path class="baseline" d="M`))
	assert.Equal(t, 10, strings.Count(page, `<path class="run" d="M`))
	assert.Contains(t, page, "&lt;before&gt;")
	assert.NotContains(t, page, "<before>")
	assert.Contains(t, page, "<h1>")
	assert.NotContains(t, page, "NaN")
	assert.NotContains(t, page, "Inf")
}

// TestComparisonOfNothing: runs in which nothing happened have no curves, and are the same.
func TestComparisonOfNothing(t *testing.T) {
	s := uplink(9, 1, "{}")
	run := compare.Run{About: compare.About{Name: "a", Scenario: s, World: "virtual"},
		Verdict: verdict.New(s, 1, "virtual", verdict.NewJudge(s, verdict.WithLogs).Figures(nil))}
	c, err := compare.New([]compare.Run{run}, []compare.Run{run}, &scenario.Compare{})
	require.NoError(t, err)
	var text, page, document bytes.Buffer
	require.NoError(t, report.WriteComparisonText(&text, c, report.Style{}))
	require.NoError(t, report.WriteComparisonHTML(&page, c))
	require.NoError(t, report.WriteComparisonJSON(&document, c))
	assert.Contains(t, text.String(), "NO REGRESSION")
	assert.NotContains(t, page.String(), "<figure>")
	var d struct {
		Held, Identical bool
		Regressed       []string
	}
	require.NoError(t, json.Unmarshal(document.Bytes(), &d))
	assert.True(t, d.Held && d.Identical)
	assert.Equal(t, []string{}, d.Regressed)
}

// TestJSONFieldsOfAComparison lists the fields that scripts rely on.
func TestJSONFieldsOfAComparison(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, report.WriteComparisonJSON(&b, comparison(t)))
	var d map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &d))
	figures := d["figures"].([]any)
	delete(d, "figures")
	assert.Len(t, figures, 73)
	assert.Contains(t, figures, map[string]any{"name": "faults.lossy-line", "unit": "number", "worse": "either",
		"outcome": "regressed", "baseline": 15.0, "run": 45.0, "change": 30.0, "allowed": 2.0, "allowed_by_spread": false,
		"baselines": []any{15.0, 15.0, 15.0}, "runs": []any{45.0, 45.0}})
	run := func(name, program string, held bool) any {
		return map[string]any{"name": name, "program": program, "seed": 42.0, "platform": "native", "flags": []any{},
			"held": held, "history_digest": name}
	}
	why := "<before> ran on 2 processors of linux/amd64, and after/2 on 4 processors of linux/amd64"
	assert.Equal(t, map[string]any{
		"scenario": "two-fleets", "world": "real", "held": false, "identical": false, "spread": 3.0,
		"regressed": []any{"expectations.invariants held", "devices.upgraded", "devices.upgrade_failed",
			"time.download.p50", "time.download.p90", "time.download.p95", "time.download.p99", "time.download.max",
			"codes.http_error", "faults.lossy-line"},
		"improved": []any{"reports.duplicate"},
		"baselines": []any{run("<before>", "ota-sim 1.0", true), run("before/2", "ota-sim 1.0", true),
			run("before/3", "ota-sim 1.0", true)},
		"runs": []any{run("after/1", "ota-sim 1.0", true), run("after/2", "ota-sim 1.1\x1b[31m", false)},
		"not_compared": []any{map[string]any{"figure": "resources.memory", "why": why},
			map[string]any{"figure": "resources.cpu", "why": why}},
		"notes": []any{},
	}, d)
}
