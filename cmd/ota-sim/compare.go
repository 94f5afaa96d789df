package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/simulator/compare"
	"otafleet/simulator/history"
	"otafleet/simulator/model"
	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
)

const compareHelp = `Each DIR is where 'ota-sim run --out DIR' has kept the history of a run, or a place
below which the histories of all shards of one are. It may be s3://BUCKET/PREFIX, too.
The last is the run, and those before it are its baselines; with --against, every DIR
is a run, and the flag names the baselines. All are judged anew, by the rules of this
program.

A figure has become worse if the median of the runs lies beyond the median of the
baselines by more than its tolerance, and by more than --spread times the largest
distance of a baseline from their median. In virtual time nothing is allowed but for
memory, processor time and open files; in the real world each figure has a tolerance.
The key 'compare' of the run's scenario gives others, and --tolerance goes before it.

If a figure is worse the exit code is 1. If the runs cannot be compared it is 2: they
must be of the same scenario, devices, world and kind of platform, in virtual time of
the same seed, and complete.

Examples:
  ota-sim compare before after
  ota-sim compare before-1 before-2 before-3 after --html compare.html
  ota-sim compare --against before-1 --against before-2 after-1 after-2 --junit compare.xml
  ota-sim compare before after --tolerance time.download=5% --tolerance codes=3`

// compareFlags say what is compared, and what makes no difference.
type compareFlags struct {
	outputFlags
	baselineFlags
}

func compareVerb() cli.Verb {
	return cli.Verb{
		Name:    "compare",
		Args:    "DIR…",
		Summary: "hold runs against earlier ones: what has become worse",
		Help:    compareHelp,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f compareFlags
			f.outputFlags.define(flags)
			f.baselineFlags.define(flags, "history of a baseline; then every DIR is a run; may be repeated")
			return f.run
		},
	}
}

func (f *compareFlags) run(ctx context.Context, streams cli.Streams, dirs []string) error {
	baselines := f.against
	if len(baselines) == 0 && len(dirs) > 1 {
		last := len(dirs) - 1
		baselines, dirs = dirs[:last], dirs[last:]
	}
	if len(baselines) == 0 || len(dirs) == 0 {
		return cli.Exitf(cli.Usage, "want at least two histories: the baselines, then the run")
	}
	var files []string
	for _, dir := range slices.Concat(baselines, dirs) {
		files = append(files, filesIn(dir)...)
	}
	if err := f.begin(files...); err != nil {
		return err
	}
	before, err := openRuns(ctx, baselines)
	if err != nil {
		return err
	}
	after, err := openRuns(ctx, dirs)
	if err != nil {
		return err
	}
	rules, err := f.rules(after[len(after)-1].about.Scenario)
	if err != nil {
		return err
	}
	if err := compare.Check(append(abouts(before), abouts(after)...)); err != nil {
		return incomparable(err)
	}
	c, err := judgeAndCompare(ctx, before, after, rules)
	if err != nil {
		return err
	}
	style := f.style(streams)
	return f.showAs(streams, comparisonForms(c), exitOfComparison(c),
		func(w io.Writer) error { return report.WriteComparisonText(w, c, style) })
}

func judgeAndCompare(ctx context.Context, before, after []*kept, rules *scenario.Compare) (*compare.Comparison, error) {
	baselines, err := judgeAll(ctx, before)
	if err != nil {
		return nil, err
	}
	runs, err := judgeAll(ctx, after)
	if err != nil {
		return nil, err
	}
	c, err := compare.New(baselines, runs, rules)
	if err != nil {
		return nil, incomparable(err)
	}
	return c, nil
}

// incomparable is the end of what would compare runs that cannot be compared.
func incomparable(err error) error {
	return &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("these runs cannot be compared:\n%w", err)}
}

func exitOfComparison(c *compare.Comparison) error {
	if c.Held() {
		return nil
	}
	return &cli.Exit{Code: cli.Failed}
}

func comparisonForms(c *compare.Comparison) forms {
	return forms{
		json:  func(w io.Writer) error { return report.WriteComparisonJSON(w, c) },
		junit: func(w io.Writer) error { return report.WriteComparisonJUnit(w, c) },
		html:  func(w io.Writer) error { return report.WriteComparisonHTML(w, c) },
	}
}

// baselineFlags say which earlier runs are baselines, and what makes no difference.
type baselineFlags struct {
	against   []string
	tolerance []string
	spread    float64
	given     *pflag.FlagSet
}

func (f *baselineFlags) define(flags *pflag.FlagSet, against string) {
	f.given = flags
	flags.StringArrayVar(&f.against, "against", nil, against)
	flags.StringArrayVar(&f.tolerance, "tolerance", nil, "what makes no difference for a figure, or for all whose names "+
		"begin so, such as time.download=10% or time.download.p99=2s; may be repeated")
	flags.Float64Var(&f.spread, "spread", scenario.DefaultSpread, "how many times the spread of several baselines makes "+
		"no difference")
}

// rules are those of the scenario, with those of the flags before them.
func (f *baselineFlags) rules(s *scenario.Scenario) (*scenario.Compare, error) {
	rules := scenario.Compare{Spread: s.Compare.Spread, Allowed: maps.Clone(s.Compare.Allowed)}
	for _, text := range f.tolerance {
		figure, tolerance, err := s.ParseTolerance(text)
		if err != nil {
			return nil, cli.Exitf(cli.Usage, "--tolerance %w", err)
		}
		rules.Allow(figure, tolerance)
	}
	if f.given.Changed("spread") {
		if !(f.spread >= 0) {
			return nil, cli.Exitf(cli.Usage, "--spread %g: want 0 or more", f.spread)
		}
		rules.Spread = f.spread
	}
	return &rules, nil
}

// kept is a run whose history is kept, whole or in shards.
type kept struct {
	about   compare.About
	records []*history.Record
	shards  bool // they are those of all shards
}

// openRuns opens the histories of runs. What is not complete cannot be compared.
func openRuns(ctx context.Context, dirs []string) (all []*kept, err error) {
	for _, dir := range dirs {
		k, err := openRun(ctx, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

func openRun(ctx context.Context, dir string) (*kept, error) {
	records, shards, err := recordsIn(ctx, dir)
	if err != nil {
		return nil, err
	}
	first := records[0]
	k := &kept{records: records, shards: shards, about: compare.About{Name: dir, Scenario: first.Scenario,
		Seed: first.Info.Seed, World: first.Info.World, Flags: first.Info.Flags,
		Dialect: cmp.Or(flagIn(first.Info.Flags, "platform"), first.Scenario.Platform, string(model.Native))}}
	if shards {
		return k, nil // merging them says what is missing
	}
	k.about.Part = first.Part()
	if lack := first.Lack(); lack != "" {
		return nil, incomparable(fmt.Errorf("the history in %s %s", dir, lack))
	}
	return k, nil
}

// recordsIn finds the record in a place, or those of shards in the places below it.
func recordsIn(ctx context.Context, name string) (records []*history.Record, shards bool, err error) {
	place, err := placeOf(name)
	if err != nil {
		return nil, false, err
	}
	r, missing := history.Open(ctx, place)
	switch {
	case missing == nil:
		return []*history.Record{r}, false, nil
	case errors.Is(missing, fs.ErrNotExist):
		records, _, err = history.Gather(place).Look(ctx)
	default:
		err = missing
	}
	if err == nil && records == nil {
		err = missing
	}
	if err != nil {
		return nil, false, placeExit(err, cli.Usage)
	}
	return records, true, nil
}

func abouts(runs []*kept) (all []compare.About) {
	for _, k := range runs {
		all = append(all, k.about)
	}
	return all
}

func judgeAll(ctx context.Context, runs []*kept) (all []compare.Run, err error) {
	for _, k := range runs {
		r := compare.Run{About: k.about}
		if k.shards {
			r.Verdict, err = history.Merge(ctx, k.records)
		} else {
			r.Verdict, err = history.Judge(ctx, k.records[0])
		}
		switch {
		case ctx.Err() != nil:
			return nil, &cli.Exit{Code: cli.Interrupted}
		case err != nil:
			return nil, incomparable(err)
		}
		all = append(all, r)
	}
	return all, nil
}
