package report

import (
	"fmt"
	"io"
	"strings"

	"otafleet/simulator/compare"
	"otafleet/simulator/verdict"
)

// WriteComparisonJUnit writes a comparison as a JUnit report: a test case for every
// figure, in a suite for those whose names begin with the same word.
func WriteComparisonJUnit(w io.Writer, c *compare.Comparison) error {
	all := junitSuites{Name: c.Runs[0].Scenario.Name}
	all.addComparison(c)
	return all.write(w)
}

// WriteComparedJUnit writes a verdict, and the comparison of its run in suites of its own.
func WriteComparedJUnit(w io.Writer, v *verdict.Verdict, c *compare.Comparison) error {
	all := junitSuites{Name: v.Scenario.Name}
	all.addVerdict(v)
	all.addComparison(c)
	return all.write(w)
}

func (all *junitSuites) addComparison(c *compare.Comparison) {
	about := &c.Runs[0]
	class := func(figure string) string {
		word, _, _ := strings.Cut(figure, ".")
		return about.Scenario.Name + ".compare." + word
	}
	for i := range c.Figures {
		f := &c.Figures[i]
		text := strings.TrimRight(fmt.Sprintf("%s → %s %s", sideText(f, f.Baseline, f.Baselines),
			sideText(f, f.Run, f.Runs), changeText(f)), " ")
		one := junitCase{Class: class(f.Name), Name: f.Name, Out: text}
		if f.Outcome == compare.Regressed {
			one.Failure = &junitFailure{Message: strings.TrimRight(fmt.Sprintf("%s: %s; %s", f.Name, text, allowedText(f)),
				"; ")}
		}
		all.add(about.Verdict, one)
	}
	for _, g := range c.Gaps {
		all.add(about.Verdict, junitCase{Class: class(g.Figure), Name: g.Figure, Out: "not compared: " + g.Why,
			Skipped: &struct{}{}})
	}
}
