package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/simulator/history"
	"otafleet/simulator/history/bucket"
)

type mergeFlags struct {
	outputFlags
	wait   int
	atMost time.Duration
}

func mergeVerb() cli.Verb {
	return cli.Verb{
		Name:    "merge",
		Args:    "DIR…",
		Summary: "make one verdict of all shards of a run",
		Help: `Each DIR is the history of one shard: ota-sim run --shard i/N --out DIR. It may be
s3://BUCKET/PREFIX, too, and a place below which the histories of several shards are.
They must be of the same scenario, seed, number of shards and version of ota-sim. The
verdict is about the whole run, and the one that counts: what a shard could not decide
is judged here.

With --wait N the shards may still be under way: merge looks for them until N have
ended, or --wait-at-most is over. A shard in virtual time that broke off may be tried
again meanwhile.

If a shard is missing, or its program was killed or interrupted, the exit code is 5,
and the shard is named: run it again, then merge. What broke off may be among the
directories, too: of several histories of a shard the complete one counts.

Examples:
  ota-sim merge part-1 part-2 part-3 part-4
  ota-sim merge part-* --html report.html
  ota-sim merge s3://bucket/run --wait 8 --wait-at-most 2h --junit report.xml`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f mergeFlags
			flags.IntVar(&f.wait, "wait", 0, "wait until so many shards have ended, which is all of them")
			flags.DurationVar(&f.atMost, "wait-at-most", 30*time.Minute, "with --wait: do not wait longer")
			f.define(flags)
			return f.merge
		},
	}
}

func (f *mergeFlags) merge(ctx context.Context, streams cli.Streams, names []string) error {
	if len(names) == 0 {
		return cli.Exitf(cli.Usage, "want the directories of all shards, and got none")
	}
	if f.wait < 0 || f.atMost < 0 {
		return cli.Exitf(cli.Usage, "--wait and --wait-at-most: want no less than 0")
	}
	var files []string
	var places []history.Place
	for _, name := range names {
		place, err := placeOf(name)
		if err != nil {
			return err
		}
		places, files = append(places, place), append(files, filesIn(name)...)
	}
	if err := f.begin(files...); err != nil {
		return err
	}
	kept, absent, err := f.gather(ctx, streams.Err, history.Gather(places...))
	if err != nil {
		return placeExit(err, cli.Usage)
	}
	if ctx.Err() != nil {
		return &cli.Exit{Code: cli.Interrupted}
	}
	return f.mergeRecords(ctx, streams, kept, absent)
}

// gather finds the histories, after those that are waited for.
func (f *mergeFlags) gather(ctx context.Context, progress io.Writer, from *history.Gathering) (kept []*history.Record,
	absent []history.Place, err error) {
	over := time.After(f.atMost)
	for said := ""; ; {
		kept, absent, err = from.Look(ctx)
		if f.wait == 0 {
			return kept, absent, err
		}
		now, done := "", false
		switch {
		case err == nil:
			if now, done, err = f.awaited(kept); err != nil || done {
				return kept, absent, err
			}
		case errors.Is(err, bucket.ErrUnavailable):
			now = err.Error() // it may be again before the shards have ended
		default:
			return nil, nil, err
		}
		if now != said {
			said = now
			fmt.Fprintln(progress, now)
		}
		select {
		case <-ctx.Done():
			return nil, nil, nil
		case <-over:
			fmt.Fprintf(progress, "not all shards have ended within %s\n", f.atMost)
			return kept, absent, err
		case <-time.After(max(2*time.Second, time.Duration(f.wait)*20*time.Millisecond)):
		}
	}
}

// awaited says how far the shards are that are waited for.
func (f *mergeFlags) awaited(kept []*history.Record) (now string, done bool, err error) {
	ended, begun, err := history.Ended(kept, f.wait)
	now = fmt.Sprintf("%d of %s have ended, %d have begun", ended, ota.Counted(f.wait, "shard"), begun)
	return now, ended == f.wait, err
}

// mergeRecords makes the verdict, or says which shards are lost.
func (f *mergeFlags) mergeRecords(ctx context.Context, streams cli.Streams, kept []*history.Record,
	without []history.Place) error {
	var absent error
	var names []string
	for _, place := range without {
		names = append(names, place.String())
		absent = errors.Join(absent, fmt.Errorf("there is no record of a run in %s", place))
	}
	if len(kept) == 0 {
		code := cli.Usage
		if f.wait > 0 {
			code = exitShardLost
		}
		return &cli.Exit{Code: code, Err: absent}
	}
	v, err := history.Merge(ctx, kept)
	switch {
	case errors.Is(err, history.ErrShardLost):
		return &cli.Exit{Code: exitShardLost, Err: lost(ctx, errors.Join(err, absent), kept, names, &f.outputFlags)}
	case absent != nil && err == nil && f.wait == 0:
		return &cli.Exit{Code: cli.Usage, Err: absent}
	case err != nil && ctx.Err() == nil:
		return placeExit(err, cli.Usage)
	}
	return f.judged(ctx, streams, v, err)
}
