package report

import (
	"io"

	"otafleet/simulator/compare"
	"otafleet/simulator/scenario"
)

// comparisonDocument is the machine-readable form of a comparison. Its names are relied
// on as those of document are.
type comparisonDocument struct {
	Scenario    string              `json:"scenario"`
	World       string              `json:"world"`
	Part        string              `json:"part,omitempty"`
	Held        bool                `json:"held"` // no figure is worse
	Identical   bool                `json:"identical"`
	Spread      float64             `json:"spread"`
	Regressed   []string            `json:"regressed"`
	Improved    []string            `json:"improved"`
	Baselines   []runDocument       `json:"baselines"`
	Runs        []runDocument       `json:"runs"`
	Figures     []figureDocument    `json:"figures"`
	NotCompared []notComparedFigure `json:"not_compared"`
	Notes       []string            `json:"notes"`
}

// runDocument is a run that was compared.
type runDocument struct {
	Name          string   `json:"name"`
	Program       string   `json:"program,omitempty"`
	Seed          uint64   `json:"seed"`
	Platform      string   `json:"platform"`
	Flags         []string `json:"flags"`
	Held          bool     `json:"held"`
	HistoryDigest string   `json:"history_digest"`
}

// figureDocument is a figure; times are in seconds, sizes in bytes.
type figureDocument struct {
	Name      string          `json:"name"`
	Unit      scenario.Unit   `json:"unit"`
	Worse     scenario.Worse  `json:"worse"`
	Outcome   compare.Outcome `json:"outcome"`
	Baseline  float64         `json:"baseline"`
	Run       float64         `json:"run"`
	Change    float64         `json:"change"`
	Allowed   float64         `json:"allowed"`
	BySpread  bool            `json:"allowed_by_spread"`
	Baselines []float64       `json:"baselines"`
	Runs      []float64       `json:"runs"`
}

type notComparedFigure struct {
	Figure string `json:"figure"`
	Why    string `json:"why"`
}

// WriteComparisonJSON writes a comparison for a program.
func WriteComparisonJSON(w io.Writer, c *compare.Comparison) error {
	return encode(w, newComparisonDocument(c))
}

func newComparisonDocument(c *compare.Comparison) *comparisonDocument {
	first := &c.Runs[0]
	d := &comparisonDocument{Scenario: first.Scenario.Name, World: first.World, Part: first.Part, Held: c.Held(),
		Identical: c.Identical(), Spread: c.Spread,
		Regressed: figureNames(c.Of(compare.Regressed)), Improved: figureNames(c.Of(compare.Improved)),
		Baselines: runDocuments(c.Baselines), Runs: runDocuments(c.Runs),
		Figures: []figureDocument{}, NotCompared: []notComparedFigure{}, Notes: append([]string{}, c.Notes...)}
	for i := range c.Figures {
		f := &c.Figures[i]
		d.Figures = append(d.Figures, figureDocument{Name: f.Name, Unit: f.Measure.Unit, Worse: f.Measure.Worse,
			Outcome: f.Outcome, Baseline: f.Baseline, Run: f.Run, Change: f.Change(), Allowed: f.Allowed,
			BySpread: f.BySpread, Baselines: f.Baselines, Runs: f.Runs})
	}
	for _, g := range c.Gaps {
		d.NotCompared = append(d.NotCompared, notComparedFigure(g))
	}
	return d
}

func figureNames(figures []*compare.Figure) []string {
	names := []string{}
	for _, f := range figures {
		names = append(names, f.Name)
	}
	return names
}

func runDocuments(runs []compare.Run) (all []runDocument) {
	for i := range runs {
		r := &runs[i]
		all = append(all, runDocument{Name: r.Name, Program: r.Verdict.Program, Seed: r.Seed, Platform: r.Dialect,
			Flags: append([]string{}, r.Flags...), Held: r.Verdict.Held, HistoryDigest: r.Verdict.HistoryDigest})
	}
	return all
}
