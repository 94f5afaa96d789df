package report

import (
	_ "embed" // the page of a comparison
	"fmt"
	"html/template"
	"io"
	"time"

	"otafleet/internal/chart"
	"otafleet/simulator/compare"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

//go:embed html/compare.html
var comparePage string

//go:embed html/compared.html
var comparedPart string

// comparePageView is what the template of a comparison's page shows.
type comparePageView struct {
	Policy         string
	Style          template.CSS
	Script         template.JS
	Name, What     string
	Word, Sentence string
	Compared       *comparedView
}

// comparedView is what any page shows of a comparison.
type comparedView struct {
	C                           *compare.Comparison
	Sides                       []sideRow
	Worse, Better, Within, Same []comparedRow
	Gaps                        []reasonGaps
	Curves                      []curveChart
}

// sideRow is a run that was compared.
type sideRow struct {
	*compare.Run
	Side string
}

// comparedRow is a figure of the comparison.
type comparedRow struct{ Name, Sentence, Baseline, Run, Change, Allowed, Class string }

// curveChart has a line for every run.
type curveChart struct {
	Title, Says string
	Lines       []curveLine
	Grid, Ticks []tick
}

type curveLine struct{ Name, Side, Path string }

// WriteComparisonHTML writes a comparison as one page for a browser, which needs nothing
// from anywhere else.
func WriteComparisonHTML(w io.Writer, c *compare.Comparison) error {
	p := &comparePageView{Policy: policy(), Style: template.CSS(reportStyle), Script: template.JS(reportScript),
		Name: c.Runs[0].Scenario.Name, What: comparedWhat(c), Word: "No regression",
		Sentence: comparedSentence(c), Compared: newComparedView(c)}
	if !c.Held() {
		p.Word = "Regression"
	}
	return writePage(w, comparePage, p)
}

// comparedSentence says the comparison in a sentence.
func comparedSentence(c *compare.Comparison) string {
	worse, better := len(c.Of(compare.Regressed)), len(c.Of(compare.Improved))
	text := fmt.Sprintf("Of %s figures %s %s worse and %s %s better. ", grouped(len(c.Figures)),
		grouped(worse), isOrAre(worse), grouped(better), isOrAre(better))
	return text + fmt.Sprintf("%s differ by no more than is allowed, and %s not at all.",
		grouped(len(c.Of(compare.Within))), grouped(len(c.Of(compare.Same))))
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func newComparedView(c *compare.Comparison) *comparedView {
	view := &comparedView{C: c, Gaps: gapsByReason(c.Gaps), Worse: comparedRows(c.Of(compare.Regressed), "bad"),
		Better: comparedRows(c.Of(compare.Improved), "good"), Within: comparedRows(c.Of(compare.Within), ""),
		Same: comparedRows(c.Of(compare.Same), "zero")}
	for i := range c.Baselines {
		view.Sides = append(view.Sides, sideRow{&c.Baselines[i], "baseline"})
	}
	for i := range c.Runs {
		view.Sides = append(view.Sides, sideRow{&c.Runs[i], "run"})
	}
	if curve := view.upgraded(); curve != nil {
		view.Curves = append(view.Curves, *curve)
	}
	for _, span := range scenario.Spans() {
		if curve := view.within(span); curve != nil {
			view.Curves = append(view.Curves, *curve)
		}
	}
	return view
}

func comparedRows(figures []*compare.Figure, class string) (rows []comparedRow) {
	for _, f := range figures {
		rows = append(rows, comparedRow{Name: f.Name, Sentence: f.Measure.Sentence,
			Baseline: sideText(f, f.Baseline, f.Baselines), Run: sideText(f, f.Run, f.Runs), Change: changeText(f),
			Allowed: allowedText(f), Class: class})
	}
	return rows
}

// upgraded draws how many devices were upgraded over the time of the longest run; nil for
// runs without time.
func (v *comparedView) upgraded() *curveChart {
	var end time.Duration
	for _, side := range v.Sides {
		end = max(end, side.Verdict.Figures.Duration)
	}
	if end == 0 {
		return nil
	}
	state := bandOrder()[0]
	devices := v.C.Runs[0].Verdict.Figures.Devices
	c := &curveChart{Title: "Devices that are upgraded, over the time of the run", Ticks: timeTicks(end),
		Grid: deviceGrid(devices)}
	for _, side := range v.Sides {
		f := side.Verdict.Figures
		moments := momentsOf(f)
		last := moments[len(moments)-1]
		last.At = end // and how a run has ended it stays
		moments = append(moments, last)
		at := make([]float64, len(moments))
		for i := range moments {
			at[i] = moments[i].At.Seconds() / end.Seconds()
		}
		c.add(side, at, func(i int) float64 { return float64(moments[i].Devices[state]) / float64(max(1, devices)) })
	}
	return c
}

// within draws which share was done within which time, up to the time within which 99%
// were on every side; nil where nothing was measured.
func (v *comparedView) within(span scenario.Span) *curveChart {
	var end time.Duration
	for _, side := range v.Sides {
		end = max(end, side.Verdict.Figures.Times.Of(span).At(scenario.P99))
	}
	if end == 0 {
		return nil
	}
	c := &curveChart{Title: spanName(span) + ": the share that was done within a time", Ticks: timeTicks(end),
		Grid: quarters(func(n int) string { return fmt.Sprintf("%d%%", 25*n) })}
	for _, side := range v.Sides {
		d := side.Verdict.Figures.Times.Of(span)
		at, done := shares(d, end)
		c.add(side, at, func(i int) float64 { return done[i] })
		c.Says += fmt.Sprintf("%s: half within %s. ", side.Name, verdict.Seconds(d.At(scenario.P50)))
	}
	return c
}

// shares are the places up to an end, and what share was done by each.
func shares(d *verdict.Distribution, end time.Duration) (at, done []float64) {
	const steps = 200
	width := max(end/steps, time.Microsecond)
	at, done = []float64{0}, []float64{0}
	n := 0
	for _, bar := range d.Bars(width) {
		if bar.To > end+width {
			break
		}
		n += bar.Count
		at = append(at, min(1, bar.To.Seconds()/end.Seconds()))
		done = append(done, float64(n)/float64(d.Count()))
	}
	return append(at, 1), append(done, done[len(done)-1])
}

// add adds the line of a run.
func (c *curveChart) add(side sideRow, at []float64, height func(int) float64) {
	c.Lines = append(c.Lines, curveLine{Name: side.Side + " " + side.Name, Side: side.Side,
		Path: chart.Line(at, height)})
}

// deviceGrid are the quarters of a number of devices.
func deviceGrid(devices int) []tick {
	return quarters(func(n int) string { return grouped(devices * n / 4) })
}

// quarters are the lines at the quarters of a chart's height, the lowest first.
func quarters(label func(n int) string) (grid []tick) {
	for n := 1; n <= 4; n++ {
		grid = append(grid, tick{At: percent(1-float64(n)/4, 1), Label: label(n)})
	}
	return grid
}
