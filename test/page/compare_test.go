//go:build page

package page_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/compare"
	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict/verdicttest"
)

// compared is a comparison of two runs with two baselines, some of whose figures are worse
// and some better.
func compared(t *testing.T) *compare.Comparison {
	t.Helper()
	s := verdicttest.Parse(verdicttest.Fleets(1000))
	run := func(name string, seed uint64) compare.Run {
		v := verdicttest.Judge(s, seed)
		v.World, v.Program, v.Started = "real", "ota-sim 1.0", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		about := compare.About{Name: name, Scenario: s, Seed: seed, World: "real", Dialect: "native"}
		return compare.Run{About: about, Verdict: v}
	}
	slow := run("after-with-a-name-that-is-long/1", 44)
	for range 900 {
		slow.Verdict.Figures.Times.Download.Add(9 * time.Second)
	}
	slow.Verdict.Figures.Codes["http_error"] = 30
	before := []compare.Run{run("before/1", 42), run("before/2", 43)}
	before[0].Verdict.Figures.Sessions, before[1].Verdict.Figures.Sessions = 9000, 9000
	c, err := compare.New(before, []compare.Run{slow}, &s.Compare)
	require.NoError(t, err)
	require.NotEmpty(t, c.Of(compare.Regressed))
	require.NotEmpty(t, c.Of(compare.Improved))
	return c
}

// TestComparison reads the page of a comparison as a user does: what is worse first, the
// rest unfolded, both curves, on desk and phone, light and dark; and the same within the
// report of a run that was compared.
func TestComparison(t *testing.T) {
	t.Parallel()
	c := compared(t)
	for name, write := range map[string]func(io.Writer) error{
		"compare": func(w io.Writer) error { return report.WriteComparisonHTML(w, c) },
		"run":     func(w io.Writer) error { return report.WriteComparedHTML(w, c.Runs[0].Verdict, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var page bytes.Buffer
			require.NoError(t, write(&page))
			path := filepath.Join(t.TempDir(), "report.html")
			require.NoError(t, os.WriteFile(path, page.Bytes(), 0o666))
			b := startBrowser(t)
			b.look(looks()[0])
			b.open(path)
			b.checkOutline()
			b.checkCompared(c)
			for _, l := range looks() {
				b.look(l)
				b.checkLook(l)
				b.picture("compared-" + name + "-" + l.name)
			}
			b.quiet()
		})
	}
}

// checkCompared holds the tables and curves against the comparison.
func (b *browser) checkCompared(c *compare.Comparison) {
	b.t.Helper()
	tables := func(root string) [][]string {
		return ask[[][]string](b, `[...document.querySelectorAll("`+root+`")].map(t =>
			[...t.querySelectorAll("tbody th code")].map(c => c.textContent))`)
	}
	open := tables("#compared > .scroll > .figures")
	require.Len(b.t, open, 2, "what is worse, and what is better")
	for i, outcome := range []compare.Outcome{compare.Regressed, compare.Improved} {
		assert.Equal(b.t, names(c, outcome), open[i])
	}
	assert.Zero(b.t, ask[int](b, `[...document.querySelectorAll("#compared details .figures")]
		.filter(t => t.checkVisibility()).length`), "the rest is folded")
	ask[bool](b, `[...document.querySelectorAll("#compared details")].map(d => d.open = true).length > 0`)
	assert.Equal(b.t, [][]string{names(c, compare.Within), names(c, compare.Same)}, tables("#compared details .figures"))

	assert.Equal(b.t, 1+len(scenario.Spans()), ask[int](b, `document.querySelectorAll("#curves figure").length`))
	assert.Equal(b.t, len(c.Baselines)+len(c.Runs), ask[int](b, `document.querySelectorAll("#curves figure path").length`)/
		(1+len(scenario.Spans())))
	assert.True(b.t, ask[bool](b, `[...document.querySelectorAll("#curves path")].every(p => {
		const box = p.getBoundingClientRect(), figure = p.closest("figure").getBoundingClientRect();
		return box.width > 50 && box.height > 50 && box.right <= figure.right + 1; })`), "the curves fill their charts")
	assert.Equal(b.t, 2, ask[int](b, `new Set([...document.querySelectorAll("#curves path")]
		.map(p => getComputedStyle(p).stroke + getComputedStyle(p).strokeDasharray)).size`), "sides are told apart")
}

func names(c *compare.Comparison, outcome compare.Outcome) (all []string) {
	for _, f := range c.Of(outcome) {
		all = append(all, f.Name)
	}
	return all
}
