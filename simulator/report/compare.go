package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/simulator/compare"
	"otafleet/simulator/scenario"
)

// WriteComparisonText writes a comparison for a person at a terminal.
func WriteComparisonText(w io.Writer, c *compare.Comparison, style Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s  %s\n", style.paint(bold, c.Runs[0].Scenario.Name), style.paint(dim, comparedWhat(c)))
	fmt.Fprintf(&b, "\n  %-14s %s\n", "baseline", terminal.Escape(runsLine(c.Baselines)))
	fmt.Fprintf(&b, "  %-14s %s\n", "run", terminal.Escape(runsLine(c.Runs)))
	for _, note := range c.Notes {
		fmt.Fprintf(&b, "  %-14s %s\n", "note", terminal.Escape(note))
	}
	figureLines(&b, style, "Worse", red, c.Of(compare.Regressed))
	figureLines(&b, style, "Better", green, c.Of(compare.Improved))
	gapLines(&b, c.Gaps)
	color := green
	if !c.Held() {
		color = red
	}
	fmt.Fprintf(&b, "\n%s\n", style.paint(color, comparisonOutcome(c)))
	_, err := io.WriteString(w, b.String())
	return err
}

// comparedWhat says how many runs of which world are compared.
func comparedWhat(c *compare.Comparison) string {
	text := fmt.Sprintf("%s world · %s against %s", c.Runs[0].World, ota.Counted(len(c.Runs), "run"),
		ota.Counted(len(c.Baselines), "baseline"))
	if part := c.Runs[0].Part; part != "" {
		text += " · " + part
	}
	return text
}

// runsLine names runs, and the programs that ran them.
func runsLine(runs []compare.Run) string {
	line, last := "", ""
	for i := len(runs) - 1; i >= 0; i-- {
		text := runs[i].Name
		if program := runs[i].Verdict.Program; program != last {
			last = program
			text += " (" + program + ")"
		}
		if line != "" {
			text += ", "
		}
		line = text + line
	}
	return line
}

func figureLines(b *strings.Builder, style Style, title, color string, figures []*compare.Figure) {
	if len(figures) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, f := range figures {
		fmt.Fprintf(b, "  %-30s %s\n", terminal.Escape(f.Name), strings.TrimRight(fmt.Sprintf("%12s → %-12s %s  %s",
			sideText(f, f.Baseline, f.Baselines), sideText(f, f.Run, f.Runs),
			style.paint(color, fmt.Sprintf("%7s", changeText(f))), style.paint(dim, allowedText(f))), " "))
	}
}

// gapLines lists what could not be compared, together where one reason is why.
func gapLines(b *strings.Builder, gaps []compare.Gap) {
	if len(gaps) == 0 {
		return
	}
	fmt.Fprintf(b, "\nNot compared\n")
	for _, g := range gapsByReason(gaps) {
		fmt.Fprintf(b, "  %s: %s\n", terminal.Escape(strings.Join(g.Figures, ", ")), terminal.Escape(g.Why))
	}
}

// reasonGaps are the figures that one reason keeps from being compared.
type reasonGaps struct {
	Why     string
	Figures []string
}

func gapsByReason(gaps []compare.Gap) (all []reasonGaps) {
	at := map[string]int{}
	for _, g := range gaps {
		i, known := at[g.Why]
		if !known {
			i, at[g.Why] = len(all), len(all)
			all = append(all, reasonGaps{Why: g.Why})
		}
		all[i].Figures = append(all[i].Figures, g.Figure)
	}
	return all
}

// comparisonOutcome is the comparison in a line.
func comparisonOutcome(c *compare.Comparison) string {
	worse, better := len(c.Of(compare.Regressed)), len(c.Of(compare.Improved))
	same, within := len(c.Of(compare.Same)), len(c.Of(compare.Within))
	word := "NO REGRESSION: "
	if worse > 0 {
		word = fmt.Sprintf("REGRESSION: %d worse, ", worse)
	}
	return fmt.Sprintf("%s%d better, %d within what is allowed, %d the same, of %s", word, better, within, same,
		ota.Counted(len(c.Figures), "figure"))
}

// sideText is what one side has: the median of its runs.
func sideText(f *compare.Figure, middle float64, each []float64) string {
	if f.Measure.Unit != scenario.Held {
		return unitText(f.Measure.Unit, middle)
	}
	held := 0.0
	for _, v := range each {
		held += v
	}
	switch int(held) {
	case len(each):
		return "held"
	case 0:
		return "not held"
	}
	return fmt.Sprintf("%g of %d held", held, len(each))
}

// unitText prints a value so finely that a difference shows.
func unitText(unit scenario.Unit, value float64) string {
	switch unit {
	case scenario.Seconds:
		d := time.Duration(math.Round(value * float64(time.Second)))
		switch {
		case d < 100*time.Millisecond:
			return d.Round(10 * time.Microsecond).String()
		case d < time.Minute:
			return d.Round(time.Millisecond).String()
		}
		return d.Round(10 * time.Millisecond).String()
	case scenario.Bytes:
		return ota.FormatSize(int64(value))
	}
	if value != math.Trunc(value) {
		return fmt.Sprintf("%.1f", value)
	}
	return grouped(int(value))
}

// changeText is by how much a figure has changed: of what it was, where that says anything.
func changeText(f *compare.Figure) string {
	switch {
	case f.Measure.Unit == scenario.Held, f.Outcome == compare.Same:
		return ""
	case f.Baseline == 0:
		return "+" + unitText(f.Measure.Unit, f.Run)
	}
	return fmt.Sprintf("%+.1f%%", 100*f.Change()/f.Baseline)
}

// allowedText says up to where a figure makes no difference, and why so far.
func allowedText(f *compare.Figure) string {
	if f.Measure.Unit == scenario.Held {
		return ""
	}
	low, high := unitText(f.Measure.Unit, max(0, f.Baseline-f.Allowed)), unitText(f.Measure.Unit, f.Baseline+f.Allowed)
	why := ""
	if f.BySpread {
		why = " by the spread of the baselines"
	}
	switch {
	case f.Allowed == 0:
		return "no difference is allowed"
	case f.Measure.Worse == scenario.Higher:
		return "allowed up to " + high + why
	case f.Measure.Worse == scenario.Lower:
		return "allowed down to " + low + why
	}
	return "allowed " + low + " to " + high + why
}
