package main

import (
	"context"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/simulator/history"
	"otafleet/simulator/verdict"
)

func reportVerb() cli.Verb {
	return cli.Verb{
		Name:    "report",
		Args:    "DIR",
		Summary: "judge the kept history of a run again",
		Help: `DIR is where 'ota-sim run --out DIR' has kept the history of a run, and may be
s3://BUCKET/PREFIX. The verdict is computed from it anew and is the same, in every
form that is asked for. A history that breaks off, because its program was killed, is
judged as far as it goes, and does not hold.

Examples:
  ota-sim report look
  ota-sim report look --html report.html --junit report.xml`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f outputFlags
			f.define(flags)
			return f.report
		},
	}
}

func (f *outputFlags) report(ctx context.Context, streams cli.Streams, args []string) error {
	dir, err := cli.OneArg(args, "the directory of a history")
	if err != nil {
		return err
	}
	if err := f.begin(filesIn(dir)...); err != nil {
		return err
	}
	kept, err := openHistory(ctx, dir)
	if err != nil {
		return err
	}
	v, err := history.Judge(ctx, kept)
	return f.judged(ctx, streams, v, err)
}

// judged shows the verdict on a history, and gives its exit code. That the run
// was interrupted is a reason for it not to hold; this program was not.
func (f *outputFlags) judged(ctx context.Context, streams cli.Streams, v *verdict.Verdict, err error) error {
	switch {
	case ctx.Err() != nil:
		return &cli.Exit{Code: cli.Interrupted}
	case err != nil:
		return err
	}
	var exit error
	if !v.Held {
		exit = &cli.Exit{Code: cli.Failed}
	}
	return f.show(streams, v, exit)
}
