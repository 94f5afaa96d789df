package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"otafleet/simulator/scenario"
)

// Comparison is what came of holding runs against baselines.
type Comparison struct {
	Baselines, Runs []Run
	Spread          float64 // how many times the spread of the baselines makes no difference
	Figures         []Figure
	Gaps            []Gap    // what could not be compared
	Notes           []string // what else a reader has to know
}

// Figure is one figure of all runs.
type Figure struct {
	Name            string
	Measure         scenario.Measure
	Baselines, Runs []float64 // one each, in the order of the comparison
	Baseline, Run   float64   // their medians
	Allowed         float64   // by so much more or less makes no difference
	BySpread        bool      // Allowed follows from the spread, which is wider than the tolerance
	Outcome         Outcome
}

// Change is by how much the runs have more, negative for less.
func (f *Figure) Change() float64 { return f.Run - f.Baseline }

// Outcome is what became of a figure.
type Outcome string

// The outcomes.
const (
	Same      Outcome = "same"
	Within    Outcome = "within" // what is allowed
	Improved  Outcome = "improved"
	Regressed Outcome = "regressed"
)

// Gap is a figure, or several whose names begin alike, that could not be compared.
type Gap struct{ Figure, Why string }

// New compares runs with baselines, of each at least one, by what a scenario says of
// tolerances. What Check says of them is the error.
func New(baselines, runs []Run, rules *scenario.Compare) (*Comparison, error) {
	c := &Comparison{Baselines: baselines, Runs: runs, Spread: rules.Spread}
	all := c.all()
	abouts := make([]About, len(all))
	for i := range all {
		abouts[i] = all[i].About
		for _, note := range all[0].notes(&all[i].About) {
			c.note(note)
		}
	}
	if err := Check(abouts); err != nil {
		return nil, err
	}
	for _, g := range groups() {
		c.add(all, &g, rules)
	}
	if c.Identical() {
		c.note("the histories are the same to the byte")
	}
	return c, nil
}

func (c *Comparison) note(text string) {
	if !slices.Contains(c.Notes, text) {
		c.Notes = append(c.Notes, text)
	}
}

// all are the baselines, then the runs.
func (c *Comparison) all() []Run { return slices.Concat(c.Baselines, c.Runs) }

// add compares the figures of a group.
func (c *Comparison) add(all []Run, g *group, rules *scenario.Compare) {
	var names []string
	read := make([]map[string]value, len(all))
	for i := range all {
		read[i] = map[string]value{}
		for _, v := range g.read(all[i].Verdict) {
			if read[i][v.name] = v; !slices.Contains(names, v.name) {
				names = append(names, v.name)
			}
		}
	}
	for _, name := range names {
		m, _ := scenario.MeasureOf(name) // every group is in the table
		if why := c.gap(all, read, name, &m, g); why != "" {
			c.Gaps = append(c.Gaps, Gap{name, why})
			continue
		}
		f := Figure{Name: name, Measure: m}
		for i := range all {
			if i < len(c.Baselines) {
				f.Baselines = append(f.Baselines, read[i][name].of)
			} else {
				f.Runs = append(f.Runs, read[i][name].of)
			}
		}
		f.judge(rules.AllowedFor(name, &m, all[0].World == "virtual", read[0][name].parts), rules.Spread)
		c.Figures = append(c.Figures, f)
	}
}

// gap says why a figure cannot be compared; empty if it can.
func (c *Comparison) gap(all []Run, read []map[string]value, name string, m *scenario.Measure, g *group) string {
	for i := range all {
		if _, has := read[i][name]; !has && !g.tally {
			return all[i].Name + " has none"
		}
		if a, b := machineOf(all[0].Verdict), machineOf(all[i].Verdict); m.Machine && a != b {
			return fmt.Sprintf("%s ran %s, and %s %s", all[0].Name, a, all[i].Name, b)
		}
	}
	return ""
}

func (m machine) String() string {
	text := fmt.Sprintf("on %d processors of %s", m.cpus, m.system)
	if m.processes > 1 {
		text += fmt.Sprintf(" in %d processes", m.processes)
	}
	return text
}

// judge holds the median of the runs against that of the baselines.
func (f *Figure) judge(allowed scenario.Tolerance, times float64) {
	f.Baseline, f.Run = median(f.Baselines), median(f.Runs)
	f.Allowed = allowed.Of(f.Baseline)
	if wide := times * spread(f.Baselines); wide > f.Allowed {
		f.Allowed, f.BySpread = wide, true
	}
	// Tolerances are sums of shares, which binary numbers only come near to.
	const exact = 1e-9
	switch change := f.Change(); {
	case change == 0:
		f.Outcome = Same
	case math.Abs(change) <= f.Allowed*(1+exact):
		f.Outcome = Within
	case f.Measure.Worse == scenario.Either, (change > 0) == (f.Measure.Worse == scenario.Higher):
		f.Outcome = Regressed
	default:
		f.Outcome = Improved
	}
}

// median is the middle one of at least one value, or the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread is the largest distance of a value from the median.
func spread(values []float64) float64 {
	widest, middle := 0.0, median(values)
	for _, v := range values {
		widest = max(widest, math.Abs(v-middle))
	}
	return widest
}

// Of lists the figures with an outcome.
func (c *Comparison) Of(outcome Outcome) (figures []*Figure) {
	for i := range c.Figures {
		if f := &c.Figures[i]; f.Outcome == outcome {
			figures = append(figures, f)
		}
	}
	return figures
}

// Held reports whether no figure is worse.
func (c *Comparison) Held() bool { return len(c.Of(Regressed)) == 0 }

// Identical reports whether all histories are the same to the byte.
func (c *Comparison) Identical() bool {
	all := c.all()
	return !slices.ContainsFunc(all, func(r Run) bool { return r.Verdict.HistoryDigest != all[0].Verdict.HistoryDigest })
}

// Names lists runs by the names by which the user knows them.
func Names(runs []Run) string {
	names := make([]string, len(runs))
	for i := range runs {
		names[i] = runs[i].Name
	}
	return strings.Join(names, ", ")
}
