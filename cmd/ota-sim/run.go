package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/simulator"
	"otafleet/simulator/preflight"
	"otafleet/simulator/verdict"
)

type runFlags struct {
	choiceFlags
	brokerFlags
	outputFlags
	out     string
	metrics string
	quiet   bool
	virtual bool
	changed *pflag.FlagSet // nil if nobody has given any
}

func runVerb() cli.Verb {
	return cli.Verb{
		Name:    "run",
		Args:    "SCENARIO",
		Summary: "run a scenario and judge it",
		Help: `SCENARIO is a file, or the name of a bundled scenario (see 'ota-sim list').
Every virtual device is a real agent: its own MQTT session, its own verified
downloads over real sockets. Only flash, power and line are simulated.

Without --broker everything is embedded: broker, object store and platform.
With --broker the devices connect to your platform, which must have the plans;
give the keys that it signs with. The scenario's own plans are then not used,
unless --stand-in puts the stand-in platform behind that broker. With --store, the
packages of the stand-in lie in an S3-compatible store of yours.

With --virtual nothing is real but the agents' own code and the platform's rules:
no sockets and no waiting, a million devices in a minute, and the same history
to the byte for the same seed.

A run that does not fit this machine is refused before it begins, with the
commands that then work. Several processes can share a run: each has a --shard
and keeps its history with --out, and 'ota-sim merge' makes one verdict of them.

Examples:
  ota-sim run thousand
  ota-sim run million --virtual
  ota-sim run my.yaml --seed 7 --json verdict.json --junit report.xml --html report.html
  ota-sim run my.yaml --only gateways-000012 --out look
  ota-sim run my.yaml --shard 1/4 --out part-1
  ota-sim run my.yaml --broker mqtt://staging:1883 --trust staging.pub
  ota-sim run my.yaml --broker mqtt://127.0.0.1:1883 --stand-in`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			f := runFlags{changed: flags}
			f.choiceFlags.define(flags)
			flags.BoolVar(&f.virtual, "virtual", false, "run in virtual time, without sockets")
			f.brokerFlags.define(flags)
			flags.StringVar(&f.out, "out", "", "keep the history of the run in this directory, for report, merge and replay")
			f.outputFlags.define(flags)
			flags.StringVar(&f.metrics, "metrics", "", "serve the run's figures to Prometheus at this address, such as 127.0.0.1:9464")
			flags.BoolVar(&f.quiet, "quiet", false, "show no progress")
			return f.run
		},
	}
}

func (f *runFlags) run(ctx context.Context, streams cli.Streams, args []string) error {
	name, err := cli.OneArg(args, "the scenario")
	if err != nil {
		return err
	}
	s, err := readScenario(name)
	if err != nil {
		return err
	}
	v, err := f.carryOut(ctx, f.text(streams), s)
	if err != nil {
		return err
	}
	if err := f.show(streams, v); err != nil {
		return err
	}
	return exitOf(v)
}

// carryOut runs a scenario as the flags say, after everything that can be
// refused beforehand has been looked at.
func (f *runFlags) carryOut(ctx context.Context, text io.Writer, s *source) (*verdict.Verdict, error) {
	c, err := f.of(s.Scenario)
	if err != nil {
		return nil, err
	}
	if f.virtual {
		if err := f.checkVirtual(); err != nil {
			return nil, err
		}
		return f.playVirtual(ctx, text, s, c)
	}
	options, err := f.options(c)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	if err := f.fits(s, c); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := reachable(ctx, f.broker); err != nil {
		return nil, err
	}
	return f.play(ctx, text, s, c, options)
}

// fits refuses a run that this machine cannot bear, with the commands that it
// can.
func (f *runFlags) fits(s *source, c *choice) error {
	machine, err := preflight.Look()
	if err != nil {
		return err
	}
	result := preflight.Examine(c.needs(f.broker == ""), machine)
	if result.Fits() {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d devices do not fit this machine in one process:\n\n", c.selected.Devices())
	writeChecks(&b, result)
	fmt.Fprintln(&b)
	writeMend(&b, result, runCommand{program: os.Args[0], scenario: s.name, name: s.Scenario.Name, flags: changed(f.changed)})
	return &cli.Exit{Code: exitPreflight, Err: errors.New(strings.TrimRight(b.String(), "\n"))}
}

// play runs the scenario, with its history if somebody wants to see it later.
func (f *runFlags) play(ctx context.Context, text io.Writer, s *source, c *choice, options simulator.Options) (v *verdict.Verdict, err error) {
	if f.out == "" && f.html == "" {
		return f.simulate(ctx, text, s, options)
	}
	r, err := record(f.out, s, c, realWorld)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.forget()) }()
	options.History = r.writer
	if v, err = f.simulate(ctx, text, s, options); err != nil {
		return nil, errors.Join(err, r.writer.Abandon())
	}
	if err := r.end(v); err != nil || f.html == "" {
		return v, err
	}
	return r.judge(ctx)
}

// realWorld is the name of the world with sockets.
const realWorld = "real"

// simulate runs the scenario with a live view and metrics.
func (f *runFlags) simulate(ctx context.Context, text io.Writer, s *source, options simulator.Options) (*verdict.Verdict, error) {
	metrics, err := startMetrics(f.metrics)
	if err != nil {
		return nil, err
	}
	// A fleet's memory is large, steady and full of small messages: collecting
	// them twice as often costs little and saves a third of it.
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	var view *live
	began := time.Now()
	options.Started = func(r *simulator.Run) {
		metrics.watch(r, runLabels{s.Scenario.Name, options.Seed, realWorld, options.Shard.String()})
		if !f.quiet {
			fmt.Fprintf(text, "%s: %d devices, broker %s, at most %s\n", s.Scenario.Name, r.Snapshot().Devices, r.BrokerURL(), s.Duration)
			view = startLive(text, r)
		}
	}
	v, err := simulator.Simulate(ctx, options)
	if view != nil {
		view.stop()
	}
	if err := errors.Join(err, metrics.stop()); err != nil {
		return nil, err
	}
	v.Text, v.Source, v.Program, v.Record, v.Started = string(s.text), s.name, programName(), f.out, began
	return v, nil
}
