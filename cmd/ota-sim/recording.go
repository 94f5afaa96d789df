package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"otafleet/internal/cli"
	"otafleet/simulator/history"
	"otafleet/simulator/verdict"
)

// recording is the history of a run under way.
type recording struct {
	writer *history.Writer
	began  time.Time // when the run's own time began
	remove string    // a directory that is of no use when the run has been judged
}

// record begins the history of a run in a place, or, with none, in a directory that
// goes away with the run. flags are kept with it, for running a part of it again.
func record(ctx context.Context, place history.Place, s *source, c *choice, world string,
	flags []string) (*recording, error) {
	r := &recording{}
	options, shard := c.options(), c.selected.Shard()
	info := history.Info{Text: s.text, Name: s.Scenario.Name, Source: s.name, Seed: c.seed, World: world,
		Shard: shard.Index, Shards: shard.Of, Only: c.only, Fleets: options.Sizes(), Flags: flags,
		Prefix: c.scenario.KeyPrefix(), Program: programName(), Started: time.Now()}
	if file := c.scenario.DeviceFile(); file != nil {
		info.Devices = file.Public().Text()
	}
	var err error
	if place == nil {
		if r.remove, err = os.MkdirTemp("", "ota-sim-"); err != nil {
			return nil, fmt.Errorf("cannot record the run: %w", err)
		}
		place = history.Dir(filepath.Join(r.remove, "run"))
	} else if place, err = freePlace(ctx, place, &info); err != nil {
		return nil, err
	}
	if r.writer, err = history.Create(ctx, place, info); err != nil {
		return nil, errors.Join(placeExit(err, cli.Failed), r.forget())
	}
	return r, nil
}

// freePlace is where a run can be recorded: in its place, or if that is not empty, beside
// what is left there of an earlier try of the same shard. In virtual time both are the
// same, and so they are if the first one ended before it had begun. Where no file is
// written over, what is left of a process that had made no record is in the way of none.
func freePlace(ctx context.Context, place history.Place, info *history.Info) (history.Place, error) {
	names, err := place.Names(ctx)
	if err != nil {
		return nil, placeExit(fmt.Errorf("cannot record the run: %w", err), cli.Failed)
	}
	inTheWay := func(name string) bool { return !place.WriteOnce() || !history.IsFirst(name) }
	if !slices.ContainsFunc(names, inTheWay) {
		return place, nil
	}
	why := errors.New("it is no shard of a run")
	if info.Shards > 0 {
		next, err := history.NextTry(ctx, place, info)
		switch {
		case err == nil:
			return next, nil
		case errors.Is(err, history.ErrBroken):
			return nil, cli.Exitf(exitShardLost, "shard %d/%d is lost: its history in %s breaks off, and what its devices had "+
				"done then cannot be undone; to run it all the same, give another place", info.Shard, info.Shards, place)
		}
		why = err
	}
	return nil, cli.Exitf(cli.Usage, "cannot record the run in %s: the %s is not empty, and holds no try of this "+
		"shard that broke off (%w); give one that is new, or remove what is in it", place, kindOf(place), why)
}

func programName() string { return "ota-sim " + version }

// end completes the history with the verdict of the run, and reads back the steps
// of the devices that a page will show, if there is to be one. A history that
// cannot be kept or read costs the run nothing but that: the verdict says so.
func (r *recording) end(ctx context.Context, v *verdict.Verdict, page bool) {
	err := r.complete(v)
	if err == nil && page {
		err = r.addLogs(ctx, v)
	}
	if until, limited := r.writer.Until(); limited {
		v.KeptUntil = until
	}
	if err != nil {
		v.LoseHistory(err)
	}
}

// complete ends the history with what the verdict knows beyond the events.
func (r *recording) complete(v *verdict.Verdict) error {
	end := history.End{Began: r.began, Interrupted: v.Interrupted, Drawn: map[string]int{},
		Refused: v.Figures.Refused, Resources: v.Resources, Memory: v.Figures.Memory}
	for i := range v.Figures.Faults {
		end.Drawn[v.Figures.Faults[i].Name] = v.Figures.Faults[i].Drawn
	}
	return r.writer.Close(end)
}

// addLogs reads the steps of the devices that the verdict names. The judge of the
// run keeps none: those of ten thousand devices would take 70 MiB.
func (r *recording) addLogs(ctx context.Context, v *verdict.Verdict) error {
	ctx = context.WithoutCancel(ctx)
	kept, err := history.Open(ctx, r.writer.Place())
	if err != nil {
		return err
	}
	return kept.AddLogs(ctx, v.Figures)
}

// forget removes a history that was not to be kept.
func (r *recording) forget() error {
	if r.remove == "" {
		return nil
	}
	return os.RemoveAll(r.remove)
}
