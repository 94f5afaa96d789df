package main

import (
	"cmp"
	"context"
	"errors"
	"io"

	"otafleet/internal/cli"
	"otafleet/internal/terminal"
	"otafleet/simulator/compare"
	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// against is what a run that is to be made will be compared with.
type against struct {
	about     compare.About // the run
	baselines []*kept
	rules     *scenario.Compare
}

// openAgainst finds the baselines of a run before it begins, and refuses those that it
// cannot be compared with; nil if there are none. They are judged after it, so that it
// has the process to itself.
func (f *runFlags) openAgainst(ctx context.Context, s *source) (*against, error) {
	switch {
	case len(f.against) > 0:
	case len(f.tolerance) > 0 || f.given.Changed("spread"):
		return nil, cli.Exitf(cli.Usage, "--tolerance and --spread are for comparing the run: give --against, too")
	default:
		return nil, nil
	}
	rules, err := f.rules(s.Scenario)
	if err != nil {
		return nil, err
	}
	c, err := f.chosen(s)
	if err != nil {
		return nil, err
	}
	a := &against{rules: rules, about: compare.About{Name: "this run", Scenario: s.Scenario, Seed: c.seed,
		World: f.world(), Part: c.selected.String(), Dialect: c.dialect.String(), Flags: platformWords(f.changed)}}
	if a.baselines, err = openRuns(ctx, f.against); err != nil {
		return nil, err
	}
	if err := compare.Check(append(abouts(a.baselines), a.about)); err != nil {
		return nil, incomparable(err)
	}
	return a, nil
}

// showAgainst shows the verdict on a run and what came of comparing it. Only a run that came
// to its end is compared.
func (f *runFlags) showAgainst(ctx context.Context, streams cli.Streams, a *against, v *verdict.Verdict,
	exit error) error {
	style := f.style(streams)
	c, err := a.compare(ctx, v)
	if err != nil {
		return f.showAs(streams, formsOf(v), cmp.Or(exit, err), func(w io.Writer) error {
			defer terminal.Fprintf(w, "\nNOT COMPARED: %s\n", err)
			return report.WriteText(w, v, style)
		})
	}
	return f.showAs(streams, comparedForms(v, c), cmp.Or(exit, exitOfComparison(c)), func(w io.Writer) error {
		return errors.Join(report.WriteText(w, v, style), report.WriteComparisonText(w, c, style))
	})
}

func (a *against) compare(ctx context.Context, v *verdict.Verdict) (*compare.Comparison, error) {
	if v.Interrupted {
		return nil, errors.New("the run did not come to its end")
	}
	baselines, err := judgeAll(ctx, a.baselines)
	if err != nil {
		return nil, err
	}
	return compare.New(baselines, []compare.Run{{About: a.about, Verdict: v}}, a.rules)
}

func comparedForms(v *verdict.Verdict, c *compare.Comparison) forms {
	return forms{
		json:  func(w io.Writer) error { return report.WriteComparedJSON(w, v, c) },
		junit: func(w io.Writer) error { return report.WriteComparedJUnit(w, v, c) },
		html:  func(w io.Writer) error { return report.WriteComparedHTML(w, v, c) },
	}
}
