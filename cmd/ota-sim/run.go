package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/pflag"
	"otafleet/internal/cli"
	"otafleet/internal/wire"
	"otafleet/scenarios"
	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

type runFlags struct {
	seed          uint64
	shard         string
	only          []string
	broker        string
	standIn       bool
	username      string
	passwordFile  string
	platformUser  string
	platformFile  string
	prefix        string
	trust         []string
	allowUnsigned bool
	store         storeFlags
	json, junit   string
	metrics       string
	quiet         bool
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

Examples:
  ota-sim run thousand
  ota-sim run my.yaml --seed 7 --json verdict.json --junit report.xml
  ota-sim run my.yaml --broker mqtt://staging:1883 --trust staging.pub
  ota-sim run my.yaml --broker mqtt://127.0.0.1:1883 --stand-in`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f runFlags
			flags.Uint64Var(&f.seed, "seed", 0, "seed of every draw; 0 means the scenario's")
			flags.StringVar(&f.shard, "shard", "", "run part i of N, as i/N; every part of the same scenario and seed in a process of its own")
			flags.StringArrayVar(&f.only, "only", nil, "device key: run this device and no other, with the same draws; may be repeated")
			flags.StringVar(&f.broker, "broker", "", "broker of the platform to run against: mqtt://host:port")
			flags.BoolVar(&f.standIn, "stand-in", false, "with --broker: run the stand-in platform through that broker")
			flags.StringVar(&f.username, "username", "", "user name of every device at the broker; empty means its device key")
			flags.StringVar(&f.passwordFile, "password-file", "", "file with the password of every device at the broker")
			flags.StringVar(&f.platformUser, "platform-username", "", "with --stand-in: user name of the platform at the broker")
			flags.StringVar(&f.platformFile, "platform-password-file", "", "with --stand-in: file with the password of the platform at the broker")
			flags.StringVar(&f.prefix, "prefix", "", "prefix of the topics; empty means "+wire.DefaultPrefix)
			flags.StringArrayVar(&f.trust, "trust", nil, "public key that the platform signs packages with; may be repeated")
			flags.BoolVar(&f.allowUnsigned, "allow-unsigned", false, "let devices take unsigned packages")
			f.store.define(flags)
			flags.StringVar(&f.json, "json", "", "write the verdict as JSON to this file; - for standard output")
			flags.StringVar(&f.junit, "junit", "", "write the verdict as a JUnit report to this file")
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
	options, err := f.options(s)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	if err := options.Validate(); err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	selected, err := selection.New(s, options.Shard, options.Only)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	if err := preflight(selected.Devices(), f.broker == ""); err != nil {
		return &cli.Exit{Code: exitPreflight, Err: err}
	}
	if err := errors.Join(writable(f.json), writable(f.junit)); err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	if err := reachable(ctx, f.broker); err != nil {
		return &cli.Exit{Code: exitUnreachable, Err: err}
	}
	text := streams.Out
	if f.json == "-" {
		text = streams.Err
	}
	// A fleet's memory is large, steady and full of small messages: collecting
	// them twice as often costs little and saves a third of it.
	debug.SetGCPercent(50)
	v, err := f.simulate(ctx, text, options)
	if err != nil {
		return err
	}
	return f.judge(streams, text, v)
}

// readScenario reads and parses; every problem is of the user's input.
func readScenario(name string) (*scenario.Scenario, error) {
	text, err := scenarios.Read(name)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	s, err := scenario.Parse(name, text)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("the scenario is not valid:\n%w", err)}
	}
	return s, nil
}

func (f *runFlags) options(s *scenario.Scenario) (simulator.Options, error) {
	o := simulator.Options{Scenario: s, Seed: f.seed, BrokerURL: f.broker, StandIn: f.standIn,
		Only: f.only, Username: f.username, PlatformUser: f.platformUser, Prefix: f.prefix}
	var err error
	if f.shard != "" {
		if o.Shard, err = selection.ParseShard(f.shard); err != nil {
			return o, err
		}
	}
	if o.Password, err = readSecret(f.passwordFile); err != nil {
		return o, err
	}
	if o.PlatformPassword, err = readSecret(f.platformFile); err != nil {
		return o, err
	}
	if o.Store, err = f.store.remote(); err != nil {
		return o, err
	}
	if len(f.trust) > 0 || f.allowUnsigned {
		trust := &wire.Trust{AllowUnsigned: f.allowUnsigned}
		for _, path := range f.trust {
			key, err := readPublicKey(path)
			if err != nil {
				return o, err
			}
			trust.Keys = append(trust.Keys, key)
		}
		o.Trust = trust
	}
	return o, nil
}

// reachable refuses at once a broker that nobody listens for, instead of after
// the whole run.
func reachable(ctx context.Context, broker string) error {
	if broker == "" {
		return nil
	}
	u, err := url.Parse(broker)
	if err != nil || u.Host == "" {
		return fmt.Errorf("cannot use the broker %q: want mqtt://host:port", broker)
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme])
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	switch {
	case err == nil:
		return conn.Close()
	case ctx.Err() != nil:
		return nil // interrupted, as the run will say
	}
	return fmt.Errorf("cannot reach the broker: %w", err)
}

// simulate runs the scenario with a live view and metrics.
func (f *runFlags) simulate(ctx context.Context, w io.Writer, options simulator.Options) (*verdict.Verdict, error) {
	metrics, err := startMetrics(f.metrics)
	if err != nil {
		return nil, err
	}
	var view *live
	options.Started = func(r *simulator.Run) {
		metrics.watch(r, runLabels{options.Scenario.Name, cmp.Or(options.Seed, options.Scenario.Seed), "real", options.Shard.String()})
		if !f.quiet {
			fmt.Fprintf(w, "%s: %d devices, broker %s, at most %s\n", options.Scenario.Name, r.Snapshot().Devices, r.BrokerURL(), options.Scenario.Duration)
			view = startLive(w, r)
		}
	}
	v, err := simulator.Simulate(ctx, options)
	if view != nil {
		view.stop()
	}
	return v, errors.Join(err, metrics.stop())
}

// judge shows the verdict and turns it into the exit code.
func (f *runFlags) judge(streams cli.Streams, text io.Writer, v *verdict.Verdict) error {
	if err := v.WriteText(text, verdict.Style{Color: isColored(text)}); err != nil {
		return err
	}
	if f.json == "-" {
		if err := v.WriteJSON(streams.Out); err != nil {
			return err
		}
	} else if err := writeFile(f.json, v.WriteJSON); err != nil {
		return err
	}
	if err := writeFile(f.junit, v.WriteJUnit); err != nil {
		return err
	}
	switch {
	case v.Interrupted:
		return &cli.Exit{Code: cli.Interrupted}
	case !v.Held:
		return &cli.Exit{Code: cli.Failed}
	}
	return nil
}

// writable refuses a path at once that cannot be written to, instead of after
// the whole run.
func writable(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("cannot write the verdict: %w", err)
	}
	return file.Close()
}

// writeFile writes a document, if a path is given.
func writeFile(path string, write func(io.Writer) error) (err error) {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot write the verdict: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return write(file)
}
