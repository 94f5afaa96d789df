package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/shell"
	"otafleet/scenarios"
	"otafleet/simulator/explore"
	"otafleet/simulator/report"
	"otafleet/simulator/verdict"
)

type exploreFlags struct {
	deviceFlags
	seed     uint64
	pairs    int
	cut      string
	platform string
	quiet    bool
}

func exploreVerb() cli.Verb {
	return cli.Verb{
		Name:    "explore",
		Args:    "SCENARIO",
		Words:   scenarios.Names(),
		Summary: "let something go wrong at every single output of a run, and judge each",
		Help: fmt.Sprintf(`Plays a scenario of a few devices (at most %d) in virtual time, thousands of times:
at each output of each device's state machine the power fails just before it or
just after it, the agent ends, the connections break, or a write fails; then so
at pairs of outputs. Each time it must hold that the device runs one whole
version and says which, that no report is lost, repeated with another content,
out of order or illegal, that everything comes to an end, and that it is the
same end as without trouble.

Of a failure it prints the shortest ones, each with the command that plays it
again and shows what the device did.

Examples:
  ota-sim explore explore
  ota-sim explore my.yaml --pairs 500000
  ota-sim explore explore --platform hawkbit
  ota-sim explore explore --cut gateways-000001:17:power-before`, explore.MaxDevices),
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f exploreFlags
			flags.Uint64Var(&f.seed, "seed", 0, "seed of every draw; 0 means the scenario's")
			flags.IntVar(&f.pairs, "pairs", explore.DefaultPairs,
				"pairs that are tried at most, spread evenly over all; 0 for none")
			flags.StringVar(&f.cut, "cut", "",
				"play this trial alone and show it: DEVICE:OUTPUT:TROUBLE, several separated by commas")
			flags.StringVar(&f.platform, "platform", "", platformUsage)
			flags.BoolVar(&f.quiet, "quiet", false, "show no progress")
			f.defineSet(flags)
			return f.run
		},
	}
}

func (f *exploreFlags) run(ctx context.Context, streams cli.Streams, args []string) error {
	s, err := scenarioOf(streams, args, &f.deviceFlags)
	if err != nil {
		return err
	}
	dialect, err := dialectOf(f.platform, s.Scenario)
	if err != nil {
		return err
	}
	options := explore.Options{Scenario: s.Scenario, Seed: f.seed, Dialect: dialect, Pairs: f.pairs}
	switch {
	case f.pairs < 0:
		return cli.Exitf(cli.Usage, "--pairs %d: want 0 or more", f.pairs)
	case f.pairs == 0:
		options.Pairs = -1
	}
	if f.cut != "" {
		return f.replay(streams.Out, options)
	}
	return f.explore(ctx, streams, s.name, options)
}

func (f *exploreFlags) explore(ctx context.Context, streams cli.Streams, name string, options explore.Options) error {
	w := streams.Out
	began := time.Now()
	if !f.quiet {
		options.Progress = trialProgress(w)
	}
	r, err := explore.Explore(ctx, options)
	switch {
	case r == nil:
		return &cli.Exit{Code: cli.Failed, Err: err}
	case err != nil:
		return &cli.Exit{Code: cli.Interrupted}
	}
	fmt.Fprintf(w, "%s: %s without trouble\n", options.Scenario.Name, ota.Counted(r.Outputs, "output"))
	fmt.Fprintf(w, "%s, %d of them with two troubles (%s left out), %s in %s\n", ota.Counted(r.Trials, "trial"),
		r.Pairs, ota.Counted(r.Left, "pair"), ota.Counted(r.Cuts, "cut"), time.Since(began).Round(100*time.Millisecond))
	if r.Failed == 0 {
		fmt.Fprintln(w, "0 violations\n\nHELD")
		return nil
	}
	for _, failure := range r.Failures {
		again := f.again(name, failure.Cuts)
		fmt.Fprintf(w, "\n%s\n", program().Retell(again, streams, ""))
		for _, broken := range failure.Broken {
			fmt.Fprintf(w, "  ✗ %s\n", broken)
		}
	}
	fmt.Fprintf(w, "\nNOT HELD: %d of %s broke what must hold; the shortest are above\n", r.Failed,
		ota.Counted(r.Trials, "trial"))
	return &cli.Exit{Code: cli.Failed}
}

// again is the command that plays a trial again, as a shell takes it.
func (f *exploreFlags) again(name string, cuts []explore.Cut) string {
	words := []string{"ota-sim", "explore", shell.Path(name)}
	if f.seed != 0 {
		words = append(words, fmt.Sprint("--seed=", f.seed))
	}
	if f.platform != "" {
		words = append(words, "--platform="+f.platform)
	}
	for _, setting := range f.set {
		words = append(words, "--set="+setting)
	}
	texts := make([]string, len(cuts))
	for i, c := range cuts {
		texts[i] = c.String()
	}
	return shell.Line(append(words, "--cut", strings.Join(texts, ","))...)
}

// trialProgress prints a line now and then.
func trialProgress(w io.Writer) func(done, of int) {
	var mu sync.Mutex
	next := time.Now().Add(lineEvery)
	return func(done, of int) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.After(next) {
			next = now.Add(lineEvery)
			fmt.Fprintf(w, "%d of %s\n", done, ota.Counted(of, "trial"))
		}
	}
}

// replay plays one trial, and shows what the machine wanted and what became of
// it.
func (f *exploreFlags) replay(w io.Writer, options explore.Options) error {
	cuts, err := explore.ParseCuts(f.cut)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("--cut: %w", err)}
	}
	t, err := explore.Replay(options, cuts)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	events := t.Events
	for i := range t.Steps {
		step := &t.Steps[i]
		for len(events) > 0 && events[0].At < step.At {
			events = showEvent(w, events)
		}
		trouble := ""
		if step.Trouble != 0 {
			trouble = "   ← " + step.Trouble.String()
		}
		fmt.Fprintf(w, "%12s  %s  %3d  %s%s\n", stamp(step.At), step.Device, step.Output, step, trouble)
	}
	for len(events) > 0 {
		events = showEvent(w, events)
	}
	if len(t.Broken) == 0 {
		fmt.Fprintln(w, "\nHELD")
		return nil
	}
	fmt.Fprintln(w)
	for _, broken := range t.Broken {
		fmt.Fprintf(w, "✗ %s\n", broken)
	}
	fmt.Fprintln(w, "\nNOT HELD")
	return &cli.Exit{Code: cli.Failed}
}

// showEvent prints the first event and returns those behind it. What the machine
// said itself is in its outputs.
func showEvent(w io.Writer, events []verdict.Event) []verdict.Event {
	if e := &events[0]; e.Kind != verdict.Numbered {
		fmt.Fprintf(w, "%12s  %s       · %s\n", stamp(e.At), e.Device, report.Describe(e))
	}
	return events[1:]
}

// stamp is a time since the start of a run, in seconds.
func stamp(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }
