package main

import (
	"context"
	"errors"
	"io/fs"

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
		Help: `DIR is where 'ota-sim run --out DIR' has kept the history of a run. The verdict
is computed from it anew and is the same, in every form that is asked for. A
history that breaks off, because its program was killed, is judged as far as it
goes, and does not hold.

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
	if err := f.begin(history.Files(dir)...); err != nil {
		return err
	}
	kept, err := openHistory(dir)
	if err != nil {
		return err
	}
	v, err := history.Judge(ctx, kept)
	return f.judged(ctx, streams, v, err)
}

// openHistory opens a directory that the user names.
func openHistory(dir string) (*history.Record, error) {
	kept, err := history.Open(dir)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	return kept, nil
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

func mergeVerb() cli.Verb {
	return cli.Verb{
		Name:    "merge",
		Args:    "DIR…",
		Summary: "make one verdict of all shards of a run",
		Help: `Each DIR is the history of one shard: ota-sim run --shard i/N --out DIR. They
must be of the same scenario, seed, number of shards and version of ota-sim. The
verdict is about the whole run, and the one that counts: what a shard could not
decide is judged here.

If a shard is missing, or its program was killed or interrupted, the exit code is 5,
and the shard is named: run it again, then merge. What broke off may be among the
directories, too: of several histories of a shard the complete one counts.

Examples:
  ota-sim merge part-1 part-2 part-3 part-4
  ota-sim merge part-* --html report.html`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f outputFlags
			f.define(flags)
			return f.merge
		},
	}
}

func (f *outputFlags) merge(ctx context.Context, streams cli.Streams, dirs []string) error {
	if len(dirs) == 0 {
		return cli.Exitf(cli.Usage, "want the directories of all shards, and got none")
	}
	var files []string
	for _, dir := range dirs {
		files = append(files, history.Files(dir)...)
	}
	if err := f.begin(files...); err != nil {
		return err
	}
	var kept []*history.Record
	var absent error        // directories that a lost shard may have been meant to write
	var absentDirs []string // their names
	for _, dir := range dirs {
		r, err := history.Open(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			absent, absentDirs = errors.Join(absent, err), append(absentDirs, dir)
		case err != nil:
			return &cli.Exit{Code: cli.Usage, Err: err}
		default:
			kept = append(kept, r)
		}
	}
	if len(kept) == 0 {
		return &cli.Exit{Code: cli.Usage, Err: absent}
	}
	v, err := history.Merge(ctx, kept)
	switch {
	case errors.Is(err, history.ErrShardLost):
		return &cli.Exit{Code: exitShardLost, Err: lost(errors.Join(err, absent), kept, absentDirs, f)}
	case absent != nil && err == nil:
		return &cli.Exit{Code: cli.Usage, Err: absent}
	case err != nil && ctx.Err() == nil:
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	return f.judged(ctx, streams, v, err)
}
