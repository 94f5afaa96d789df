package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"otafleet/internal/cli"
	"otafleet/simulator/history"
	"otafleet/simulator/history/bucket"
	"otafleet/simulator/selection"
)

// inBucket reports whether a place that a user names is in a bucket. Others are
// directories.
func inBucket(name string) bool { return strings.HasPrefix(name, bucket.Scheme) }

// placeOf is the place of a history that a user names.
func placeOf(name string) (history.Place, error) {
	if !inBucket(name) {
		return history.Dir(name), nil
	}
	place, err := bucket.Open(name, os.Getenv)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	return place, nil
}

// placeExit gives the failure of a place its exit code: that of a wrong argument where it
// refuses, as it will again, or else the given one.
func placeExit(err error, code int) error {
	var refused *bucket.Refusal
	switch {
	case errors.As(err, &refused), errors.Is(err, fs.ErrExist):
		code = cli.Usage
	case errors.Is(err, bucket.ErrUnavailable):
		code = cli.Failed
	}
	return &cli.Exit{Code: code, Err: err}
}

// kindOf says what a place is.
func kindOf(place history.Place) string {
	if inBucket(place.String()) {
		return "prefix"
	}
	return "directory"
}

// filesIn are the files of this machine that the history in a place consists of.
func filesIn(name string) []string {
	if name == "" || inBucket(name) {
		return nil
	}
	return history.Files(name)
}

// placeOfRun is where the history of a run is kept; nil for none. All processes of a run
// that is divided by --shard auto have one command line, so each has a place below.
func (f *runFlags) placeOfRun(shard selection.Shard) (history.Place, error) {
	if f.out == "" {
		return nil, nil
	}
	place, err := placeOf(f.out)
	if err == nil && f.shard == autoShard {
		place = place.Below(fmt.Sprint("part-", shard.Index))
	}
	return place, err
}

// outApart refuses files of the verdict and the profile in the directory of the history,
// which must be empty when the run begins.
func (f *runFlags) outApart() error {
	if f.out == "" || inBucket(f.out) {
		return nil
	}
	if f.profile != "" && resolved(f.profile) == resolved(f.out) {
		return fmt.Errorf("the profile would lie in %s, which the history has to itself: give it another place", f.out)
	}
	for _, path := range f.files() {
		if filepath.Dir(resolved(path)) == resolved(f.out) || filepath.Dir(path) == filepath.Clean(f.out) {
			return fmt.Errorf("%s would lie in %s, which the history has to itself: give the verdict another place",
				path, f.out)
		}
	}
	return nil
}

// openHistory opens the history in a place that the user names.
func openHistory(ctx context.Context, name string) (*history.Record, error) {
	place, err := placeOf(name)
	if err != nil {
		return nil, err
	}
	kept, err := history.Open(ctx, place)
	if err != nil {
		return nil, placeExit(err, cli.Usage)
	}
	return kept, nil
}
