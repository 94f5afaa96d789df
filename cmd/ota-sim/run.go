package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/internal/yamlform"
	"otafleet/scenarios"
	"otafleet/simulator"
	"otafleet/simulator/history"
	"otafleet/simulator/model"
	"otafleet/simulator/platform"
	"otafleet/simulator/preflight"
	"otafleet/simulator/real"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

type runFlags struct {
	choiceFlags
	deviceFlags
	worldFlags
	outputFlags
	startFlags
	baselineFlags
	out      string
	outLimit string // how much the history may take, as it was given; empty for any size
	judge    string // hereJudges or mergeJudges
	metrics  string
	profile  string // directory; empty for none
	quiet    bool
	page     pageFlags
	changed  *pflag.FlagSet
	memory   int64 // bytes that the run was found to take at most
	gate     gate
}

// Where a shard is judged.
const (
	hereJudges  = "here"
	mergeJudges = "merge"
)

const runHelp = `SCENARIO is a file, the name of a bundled scenario (see 'ota-sim list'), or - for
standard input.
Every virtual device is a real agent: its own MQTT session, its own verified
downloads over real sockets. Only flash, power and line are simulated.

Sessions with one broker are bounded by the ports of the address that they come
from, mostly 28,232; --source-addresses lets them come from several of this
machine's.

Without --broker everything is embedded: broker, object store and platform.
With --broker the devices connect to your platform, which must have the plans;
give the keys that it signs with. The scenario's own plans are then not used,
unless --fake-platform puts the fake platform behind that broker. With --store, the
packages of the fake platform lie in an S3-compatible store of yours.

With --platform hawkbit the devices poll hawkBit's device API, which the fake platform
serves in this process; with --platform quecthing they speak as modules with Quectel's
device SDK. A scenario that asks for what the dialect cannot say is refused before the
run.
With --url they poll a hawkBit of yours: the run makes targets, modules
and distribution sets there, assigns them as the scenario's plans say, holds what
hawkBit believes in the end against what each device runs, and removes what it has made.

With --virtual nothing waits and nothing is sent: time jumps from one event to the
next. A million devices take about a minute, and the same seed gives the same
history.

A run that does not fit this machine is refused before it begins, with the
commands that then work. Several processes can share a run: each has a --shard
and keeps its history with --out, and 'ota-sim merge' makes one verdict of them.
A history may lie in a bucket of a store that speaks S3: --out s3://BUCKET/PREFIX.
Store and credentials are those of the environment: AWS_ENDPOINT_URL, AWS_REGION,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.

Examples:
  ota-sim run thousand
  ota-sim run my.yaml --seed 7 --json verdict.json --junit report.xml --html report.html
  ota-sim run my.yaml --virtual
  ota-sim run my.yaml --only gateways-000012 --out look
  ota-sim run my.yaml --virtual --against before
  ota-sim run my.yaml --shard 1/4 --out part-1
  ota-sim run my.yaml --shard 2/4 --out part-2 --verdict merge
  ota-sim run my.yaml --virtual --shard auto --out s3://bucket/nightly --verdict merge
  ota-sim run my.yaml --broker mqtt://staging:1883 --trust staging.pub
  ota-sim run my.yaml --broker mqtt://127.0.0.1:1883 --fake-platform
  ota-sim run my.yaml --platform hawkbit
  ota-sim run my.yaml --platform hawkbit --url http://staging:8080 --username admin --password-file operator.txt
  ota-sim run my.yaml --broker mqtts://staging --ca-file staging-ca.pem --trust staging.pub
  ota-sim run my.yaml --broker mqtt://staging --trust staging.pub --source-addresses 10.0.0.2-10.0.0.9`

func runVerb() cli.Verb {
	return cli.Verb{
		Name:    "run",
		Args:    "SCENARIO",
		Words:   scenarios.Names(),
		Summary: "run a scenario and judge it",
		Help:    runHelp,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			f := runFlags{changed: flags}
			f.define(flags)
			return f.run
		},
	}
}

func (f *runFlags) define(flags *pflag.FlagSet) {
	f.choiceFlags.define(flags)
	f.deviceFlags.define(flags)
	f.worldFlags.define(flags)
	flags.StringVar(&f.out, "out", "", "keep the history of the run in this directory, or in s3://BUCKET/PREFIX, "+
		"for report, merge and replay; with --shard auto, in part-i below it")
	flags.StringVar(&f.outLimit, "out-limit", "", "keep no more of the history once it takes so much, such as 10GiB; "+
		"the run goes on")
	flags.StringVar(&f.judge, "verdict", hereJudges, "what the exit code of a shard says: here, whether it held; "+
		"merge, whether its history is complete, for merge to judge")
	f.outputFlags.define(flags)
	f.startFlags.define(flags)
	f.baselineFlags.define(flags, "history of an earlier run: hold this one against it, as compare does; may be repeated")
	flags.StringVar(&f.metrics, "metrics", "",
		"serve the run's figures to Prometheus at this address, such as 127.0.0.1:9464")
	f.page.define(flags, "", "serve the fake platform's pages and its API at this address while it runs, such as "+
		"127.0.0.1:8080")
	flags.StringVar(&f.profile, "profile", "", "write to this directory where the processor time and the memory of "+
		"this program went: cpu.pprof, heap.pprof and goroutines.pprof for go tool pprof, trace.out for go tool trace")
	flags.BoolVar(&f.quiet, "quiet", false, "show no progress")
}

func (f *runFlags) run(ctx context.Context, streams cli.Streams, args []string) error {
	_, badLimit := f.historyLimit()
	if err := errors.Join(f.checkJudge(), badLimit, f.outApart()); err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	if err := f.outputFlags.begin(f.read(args)...); err != nil {
		return err
	}
	if done, err := f.removeRun(ctx); done {
		return err
	}
	f.staging.begin(&f.deviceFlags)
	s, err := scenarioOf(streams, args, &f.deviceFlags)
	if err != nil {
		return err
	}
	before, err := f.openAgainst(ctx, s)
	if err != nil {
		return err
	}
	v, err := f.carryOut(ctx, f.text(streams), s)
	if v == nil {
		return err
	}
	exit := cmp.Or(err, f.exitOf(v))
	if before != nil {
		return f.showAgainst(ctx, streams, before, v, exit)
	}
	return f.show(streams, v, exit)
}

// checkJudge refuses to leave to merge what it cannot judge.
func (f *runFlags) checkJudge() error {
	switch {
	case f.judge == hereJudges:
		return nil
	case len(f.against) > 0:
		return errors.New("--against: a shard that merge judges is compared when it is merged, by ota-sim compare")
	case f.judge != mergeJudges:
		return fmt.Errorf("--verdict %s: want %s or %s", f.judge, hereJudges, mergeJudges)
	case f.shard == "" || f.out == "":
		return errors.New("--verdict merge is for a shard whose history is kept: give --shard and --out, too")
	}
	return nil
}

// leastLimit is less than any history of use takes, in bytes.
const leastLimit = 1 << 20

// historyLimit is how many bytes the history may take; 0 for any number.
func (f *runFlags) historyLimit() (int64, error) {
	if f.outLimit == "" {
		return 0, nil
	}
	n, err := yamlform.ParseSize(f.outLimit)
	switch {
	case err != nil:
		return 0, fmt.Errorf("--out-limit: %w", err)
	case n < leastLimit:
		return 0, fmt.Errorf("--out-limit %s: want %s or more", f.outLimit, yamlform.FormatSize(leastLimit))
	case f.out == "":
		return 0, errors.New("--out-limit is for a history that is kept: give --out, too")
	case f.judge == mergeJudges:
		return 0, errors.New("--out-limit leaves nothing that merge could judge: leave out one of --out-limit and " +
			"--verdict merge")
	}
	return n, nil
}

// exitOf is the exit code of the run. What merge will judge has done its part when its
// history is complete. In virtual time one that was interrupted can be made so by another
// try.
func (f *runFlags) exitOf(v *verdict.Verdict) error {
	switch {
	case f.judge != mergeJudges || v.Unrecorded:
		return exitOf(v)
	case !v.Interrupted:
		return nil
	case f.virtual:
		return &cli.Exit{Code: exitAgain}
	}
	return exitOf(v)
}

// read lists the files that the run reads, and those of its history and its profile.
func (f *runFlags) read(args []string) []string {
	read := append(slices.Clone(args), f.devices, f.caFile, f.passwordFile, f.platformFile, f.platformCert,
		f.platformKey, f.store.secretFile, f.page.tokenFile)
	read = append(read, f.trust...)
	read = append(read, filesIn(f.out)...)
	read = append(read, profilesIn(f.profile)...)
	for _, name := range f.against {
		read = append(read, filesIn(name)...)
	}
	return slices.DeleteFunc(read, func(path string) bool { return path == "" })
}

// chosen are the devices of a scenario that the flags choose, in the dialect that they
// speak.
func (f *runFlags) chosen(s *source) (*choice, error) {
	c, err := f.of(s.Scenario)
	if err == nil {
		c.dialect, err = dialectOf(f.platform, s.Scenario)
	}
	return c, err
}

// carryOut runs a scenario as the flags say, after everything that can be
// refused beforehand has been looked at.
func (f *runFlags) carryOut(ctx context.Context, text io.Writer, s *source) (*verdict.Verdict, error) {
	c, err := f.chosen(s)
	if err != nil {
		return nil, err
	}
	if err := f.ownPrefix(c.selected.Shard()); err != nil {
		return nil, err
	}
	world, err := f.real(c, f.devices)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	if err := errors.Join(f.checkVirtual(f.changed), f.checkPage()); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	f.gate = gate{text: text, interrupted: cli.Interrupted}
	if f.judge == mergeJudges {
		f.gate.interrupted = exitAgain
	}
	if err := f.gate.open(&f.startFlags, s, c); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	defer f.gate.close()
	if err := f.fits(s, c, len(world.Sources)); err != nil {
		return nil, err
	}
	if err := reachable(ctx, world, c); err != nil {
		return nil, err
	}
	v, err := f.play(ctx, text, s, c, world)
	if v != nil && f.staging.keep {
		fmt.Fprintf(text, "hawkBit keeps what this run has made. To remove it, give the same command --remove-run %s\n",
			f.staging.name)
	}
	return v, err
}

// ownPrefix keeps the fake platforms apart that share a broker: all processes of a run
// that is divided by --shard auto have one command line.
func (f *runFlags) ownPrefix(shard selection.Shard) error {
	if f.shard != autoShard || !f.fakePlatform {
		return nil
	}
	return f.changed.Set("prefix", fmt.Sprintf("%s/%d", cmp.Or(f.prefix, wire.DefaultPrefix), shard.Index))
}

// fits refuses a run that this machine cannot bear, with the commands that it
// can. Virtual devices take a few bytes each and no sockets.
func (f *runFlags) fits(s *source, c *choice, sources int) error {
	if f.virtual {
		return nil
	}
	machine, err := preflight.Look()
	if err != nil {
		return err
	}
	needs := c.needs(&f.worldFlags, sources)
	f.memory = needs.Memory()
	result := preflight.Examine(needs, machine)
	if result.Fits() {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s this machine in one process:\n\n", c.tooMany())
	writeChecks(&b, result)
	fmt.Fprintln(&b)
	writeMend(&b, result, commandOf(s, f.broker, f.changed))
	return &cli.Exit{Code: exitPreflight, Err: errors.New(strings.TrimRight(b.String(), "\n"))}
}

// play runs the scenario, with its history if it is to be kept.
func (f *runFlags) play(ctx context.Context, text io.Writer, s *source, c *choice,
	world *real.World) (v *verdict.Verdict, err error) {
	// A page has the steps of devices, which only a history has, or the judges of
	// the virtual world.
	page := f.html != "" && !f.virtual
	if f.out == "" && !page {
		return f.simulate(ctx, text, s, c.options(), world)
	}
	place, err := f.placeOfRun(c.selected.Shard())
	if err != nil {
		return nil, err
	}
	r, err := record(ctx, place, s, c, f.world(), platformWords(f.changed))
	if errors.Is(err, history.ErrComplete) && f.judge == mergeJudges {
		fmt.Fprintf(text, "%s has the complete history of this shard: nothing is left to run\n", place)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if left := r.forget(); left != nil {
			fmt.Fprintln(text, left) // the verdict is worth more than a tidy directory
		}
	}()
	if f.out != "" {
		f.out = r.writer.Place().String()
		if f.out != place.String() {
			fmt.Fprintf(text, "%s has an earlier try of this shard: this one is kept in %s\n", place, f.out)
		}
	}
	if limit, _ := f.historyLimit(); limit > 0 {
		r.writer.Limit(limit)
	}
	options := c.options()
	options.History, f.gate.begins = r.writer, r.writer.Begin
	if v, err = f.simulate(ctx, text, s, options, world); v == nil {
		return nil, errors.Join(err, r.writer.Abandon())
	}
	r.began = f.gate.start.Began
	r.end(ctx, v, page)
	return v, err
}

// simulate runs the scenario in its world, with a live view and those who look on.
func (f *runFlags) simulate(ctx context.Context, text io.Writer, s *source, options simulator.Options,
	sockets *real.World) (*verdict.Verdict, error) {
	looking, err := f.look(text)
	if err != nil {
		return nil, err
	}
	defer f.tuneMemory(s.DeviceFile() != nil)()
	where := fmt.Sprintf("in virtual time, at most %s of it", s.Duration)
	sockets.Serving = func(url string, p *platform.Service) {
		where = fmt.Sprintf("%s %s, at most %s", meetingPlace(options.Dialect), url, s.Duration)
		looking.pages.start(text, p)
	}
	var view *live
	options.Started = func(r simulator.Run) {
		looking.known.watch(r, runLabels{s.Scenario.Name, options.Seed, f.world(), options.Devices.Shard().String()})
		if !f.quiet {
			fmt.Fprintf(text, "%s: %s, %s\n", s.Scenario.Name, ota.Counted(options.Devices.Devices(), "device"), where)
			view = startLive(text, f.shown(r))
		}
	}
	options.Begin = f.gate.begin
	v, err := simulator.Simulate(ctx, f.worldOf(sockets), options)
	if errors.Is(err, real.ErrRefused) {
		err = &cli.Exit{Code: exitUnreachable, Err: err}
	}
	if view != nil {
		view.stop()
	}
	err = errors.Join(err, looking.stop())
	if v != nil {
		v.Text, v.Source, v.Program, v.Record = string(s.text), s.name, programName(), f.out
	}
	return v, err
}

// meetingPlace is what devices and platform meet at.
func meetingPlace(d model.Dialect) string {
	switch d {
	case model.HawkBit:
		return "hawkBit"
	case model.QuecThing:
		return "quecthing"
	}
	return "broker"
}

// worldOf is the world of the run.
func (f *runFlags) worldOf(sockets *real.World) simulator.World {
	if f.virtual {
		return virtual.World{}
	}
	return sockets
}

// shown shows a run of the world.
func (f *runFlags) shown(r simulator.Run) shown {
	if f.virtual {
		return virtualRun{r}
	}
	return &realRun{run: r}
}

// tuneMemory makes the collector fit the world, until the returned function is called.
func (f *runFlags) tuneMemory(listed bool) (free func()) {
	if !f.virtual {
		return holdMemory(f.memory)
	}
	// Devices live for less than a millisecond, and what outlives them is small:
	// most of the memory is free whenever it is looked at. A device file is not small.
	percent := 400
	if listed {
		percent = 100
	}
	percent = debug.SetGCPercent(percent)
	return func() { debug.SetGCPercent(percent) }
}
