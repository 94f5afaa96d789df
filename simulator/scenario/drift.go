package scenario

import (
	"fmt"
	"strconv"
	"strings"

	"otafleet/internal/yamlform"
)

// DriftExpectation is about by how much a figure grows over a run: the memory of its
// processes, or how long a part of an upgrade takes.
type DriftExpectation struct {
	Span     Span     // empty for memory
	Quantile Quantile // of a span
	Growth
}

// String names the expectation: drift.memory <= 5%, or drift.upgrade.p95 <= 20%.
func (e DriftExpectation) String() string {
	if e.Span == "" {
		return "drift.memory " + e.Growth.String()
	}
	return "drift." + string(e.Span) + "." + string(e.Quantile) + " " + e.Growth.String()
}

// Growth is by how much a figure may grow: less than nothing if it falls.
type Growth struct {
	Op      Op // AtMost or Below
	Percent float64
}

// Holds reports whether a growth in percent is as expected.
func (g Growth) Holds(percent float64) bool { return compare(percent, g.Op, g.Percent) }

// String gives the form in a scenario: <= 5%.
func (g Growth) String() string {
	return string(g.Op) + " " + strconv.FormatFloat(g.Percent, 'f', -1, 64) + "%"
}

// mostGrowth in percent is more than a run that is looked at would be left.
const mostGrowth = 1000

func parseGrowth(text string) (Growth, error) {
	op, value := cutOp(text)
	number, is := strings.CutSuffix(value, "%")
	percent, err := strconv.ParseFloat(number, 64)
	if err != nil || !is || op != AtMost && op != Below || !(percent >= 0 && percent <= mostGrowth) {
		return Growth{}, fmt.Errorf(`%q is not a growth; want a sign and a share of 0%% to %d%%, such as "<= 5%%"`, text,
			mostGrowth)
	}
	return Growth{Op: op, Percent: percent}, nil
}

// readDrifts reads by how much memory and times may grow. Without windows there is nothing
// to compare.
func readDrifts(m *yamlform.Map, s *Scenario) {
	e := DriftExpectation{}
	yamlform.Value(m, "memory", &e.Growth, parseGrowth)
	if m.Has("memory") {
		s.Expect.Drifts = append(s.Expect.Drifts, e)
	}
	for _, span := range Spans() {
		quantiles := m.Map(string(span))
		for _, q := range Quantiles() {
			e := DriftExpectation{Span: span, Quantile: q}
			yamlform.Value(quantiles, string(q), &e.Growth, parseGrowth)
			if quantiles.Has(string(q)) {
				s.Expect.Drifts = append(s.Expect.Drifts, e)
			}
		}
	}
	if len(s.Expect.Drifts) > 0 && s.Windows == 0 && s.Duration > 0 {
		m.Problemf("memory", "needs windows to compare; give the run some, such as windows: 1m")
	}
}

// readWindowsHeld reads in how many windows everything must hold.
func readWindowsHeld(m *yamlform.Map, s *Scenario) {
	var c Comparison
	m.Require("held")
	if !readComparison(m, "held", &c) {
		return
	}
	s.Expect.Windows = &c
	if s.Windows == 0 && s.Duration > 0 {
		m.Problemf("held", "needs windows to judge; give the run some, such as windows: 1m")
	}
}
