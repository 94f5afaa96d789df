package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/simulator/history"
	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

type replayFlags struct {
	deviceFlags
	worldFlags
	outputFlags
	only    string
	changed *pflag.FlagSet
}

func replayVerb() cli.Verb {
	return cli.Verb{
		Name:    "replay",
		Args:    "DIR",
		Summary: "run one device of a kept history again, and show its steps",
		Help: `DIR is where 'ota-sim run --out DIR' has kept the history of a run. The device
gets the scenario and the seed of that run, so the same battery, the same times
and the same faults are drawn for it. The steps that it takes are shown one by
one, and how it ended then and now. A run in virtual time is repeated exactly. In
the real world, times are not the same to the millisecond, and what came of many
devices at once does not come again.

Example:
  ota-sim replay look --only gateways-000012`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			f := replayFlags{changed: flags}
			flags.StringVar(&f.only, "only", "", "device key: the device to run again (needed)")
			flags.StringVar(&f.devices, "devices", "",
				"device file of the run: a history keeps the devices, and not what they log in with")
			f.worldFlags.define(flags)
			f.outputFlags.define(flags)
			return f.run
		},
	}
}

func (f *replayFlags) run(ctx context.Context, streams cli.Streams, args []string) (err error) {
	dir, err := cli.OneArg(args, "the directory of a history")
	if err != nil {
		return err
	}
	if f.only == "" {
		return cli.Exitf(cli.Usage, "which device? Give its key with --only")
	}
	if err := f.begin(filesIn(dir)...); err != nil {
		return err
	}
	kept, err := openHistory(ctx, dir)
	if err != nil {
		return err
	}
	then, err := recall(ctx, kept, f.only)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "ota-sim-")
	if err != nil {
		return fmt.Errorf("cannot record the run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	f.virtual = f.virtual || kept.Info.World == "virtual"
	f.platform = cmp.Or(f.platform, flagIn(kept.Info.Flags, "platform"))
	again := runFlags{choiceFlags: choiceFlags{seed: kept.Info.Seed, only: []string{f.only}}, deviceFlags: f.deviceFlags,
		worldFlags: f.worldFlags, outputFlags: f.outputFlags, out: filepath.Join(work, "run"), quiet: true,
		changed: f.changed}
	v, err := again.carryOut(ctx, f.text(streams), &source{name: kept.Info.Source, text: kept.Info.Text,
		Scenario: kept.Scenario})
	if err != nil {
		return err
	}
	if kept, err = history.Open(context.WithoutCancel(ctx), history.Dir(again.out)); err != nil {
		return err
	}
	now, err := recall(context.WithoutCancel(ctx), kept, f.only)
	if err != nil {
		return err
	}
	v.Record = "" // it goes away with the run
	return f.showAs(streams, formsOf(v), exitOf(v), func(w io.Writer) error { return f.compare(w, v.Seed, then, now) })
}

// compare writes the steps of the device, and how it ended then and now.
func (f *replayFlags) compare(w io.Writer, seed uint64, then, now *recollection) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, seed %d\n\n", f.only, seed)
	for i := range now.events {
		e := &now.events[i]
		where := "device"
		if e.Kind.AtPlatform() {
			where = "platform"
		}
		fmt.Fprintf(&b, "  %10.3fs  %-8s  %s\n", e.At.Seconds(), where, report.Describe(e))
	}
	terminal.Fprintf(&b, "\nthen  %s\nnow   %s\n", then, now)
	_, err := io.WriteString(w, b.String())
	return err
}

// recollection is what a history says of one device.
type recollection struct {
	events  []verdict.Event
	figures *verdict.Figures
}

// recall reads what a history says of a device.
func recall(ctx context.Context, kept *history.Record, device string) (*recollection, error) {
	shard := selection.Shard{Index: kept.Info.Shard, Of: kept.Info.Shards}
	if _, err := selection.New(kept.Scenario, shard, []string{device}); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	events, figures, err := kept.Device(ctx, device)
	switch {
	case ctx.Err() != nil:
		return nil, &cli.Exit{Code: cli.Interrupted}
	case err != nil:
		return nil, err
	}
	return &recollection{events, figures}, nil
}

// String says in a line how the device ended.
func (r *recollection) String() string {
	text := "it did not arrive"
	for _, class := range scenario.Classes() {
		if r.figures.Classes[class] > 0 {
			text = string(class)
		}
	}
	if took := r.figures.Times.Of(scenario.UpgradeSpan); took.Count() > 0 {
		text += " in " + verdict.Seconds(took.At(scenario.Max))
	}
	for _, f := range r.figures.Faults {
		if f.Fired > 0 {
			text += fmt.Sprintf(", %s fired %s", f.Name, ota.Counted(f.Fired, "time"))
		}
	}
	return text
}
