package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/ota"
	"otafleet/internal/shell"
	"otafleet/simulator/history"
	"otafleet/simulator/history/bucket"
)

// mostRepairs is how many lost shards get a command to run them again.
const mostRepairs = 50

// lost adds to the error of a merge the commands that run the lost shards again and
// then merge. absent are the places that were given and have no record.
func lost(ctx context.Context, err error, kept []*history.Record, absent []string, outputs *outputFlags) error {
	shards := history.LostShards(kept)
	if len(shards) > mostRepairs {
		return fmt.Errorf("%w\n%s lost: run the whole scenario again", err, ota.Counted(len(shards), "shard"))
	}
	r := &repair{kept: kept, absent: absent}
	var b strings.Builder
	fmt.Fprint(&b, "run again what is lost, then merge:")
	if _, own := r.scenario(); own && inBucket(kept[0].Dir) {
		fmt.Fprintf(&b, " (%s, which is what was run, has to be in this directory)", kept[0].ScenarioPath())
	}
	dirs := r.good()
	for _, i := range shards {
		dir := r.place(ctx, i)
		dirs = append(dirs, dir)
		fmt.Fprintf(&b, "\n  %s", r.run(i, dir))
	}
	fmt.Fprintf(&b, "\n  %s", shell.Line(append(append([]string{"ota-sim", "merge"}, outputs.words()...), dirs...)...))
	return fmt.Errorf("%w\n%s", err, &b)
}

// words are the flags as they were given.
func (f *outputFlags) words() (words []string) {
	for _, flag := range [][2]string{{"html", f.html}, {"json", f.json}, {"junit", f.junit}} {
		if flag[1] != "" {
			words = append(words, "--"+flag[0]+"="+flag[1])
		}
	}
	return words
}

// repair makes the command lines that complete the shards of a run.
type repair struct {
	kept   []*history.Record
	absent []string // directories that were meant for records
}

// good are the places of the records that are complete.
func (r *repair) good() (dirs []string) {
	for _, k := range r.kept {
		if k.Complete() {
			dirs = append(dirs, shell.Path(k.Dir))
		}
	}
	return dirs
}

// place is where a shard can be recorded: what was meant for one, or a new one beside
// the record that has broken off, or beside the others.
func (r *repair) place(ctx context.Context, shard int) string {
	for len(r.absent) > 0 {
		name := r.absent[0]
		r.absent = r.absent[1:]
		if free(ctx, name) {
			return name
		}
	}
	base := sibling(r.kept[0].Dir, fmt.Sprint("shard-", shard))
	for _, k := range r.kept {
		if k.Info.Shard == shard {
			base = sibling(k.Dir, filepath.Base(k.Dir)+"-again")
		}
	}
	name := base
	for n := 2; !free(ctx, name); n++ {
		name = fmt.Sprint(base, "-", n)
	}
	return name
}

// sibling names another place beside one.
func sibling(name, other string) string {
	if rest, is := strings.CutPrefix(name, bucket.Scheme); is {
		if !strings.Contains(rest, "/") { // a whole bucket has none beside it
			return name + "/" + other
		}
		return bucket.Scheme + path.Join(path.Dir(rest), other)
	}
	return filepath.Join(filepath.Dir(filepath.Clean(name)), other)
}

// free reports whether nothing has a name yet, as far as can be seen.
func free(ctx context.Context, name string) bool {
	if !inBucket(name) {
		_, err := os.Lstat(name)
		return err != nil
	}
	place, err := placeOf(name)
	if err != nil {
		return true
	}
	names, err := place.Names(ctx)
	return err != nil || len(names) == 0
}

// run is the command line that runs a shard again.
func (r *repair) run(shard int, dir string) string {
	info := &r.kept[0].Info
	words := []string{"ota-sim", "run", "--quiet", fmt.Sprintf("--shard=%d/%d", shard, info.Shards),
		fmt.Sprint("--seed=", info.Seed)}
	if info.World == "virtual" {
		words = append(words, "--virtual")
	}
	scenario, resolved := r.scenario()
	for _, flag := range info.Flags {
		if !resolved || !strings.HasPrefix(flag, "--set=") {
			words = append(words, ofShard(flag, info.Shard, shard))
		}
	}
	return shell.Line(append(words, "--out="+dir, scenario)...)
}

// ofShard is a flag as another shard has it: a prefix that ends with the number of
// its shard is that shard's own.
func ofShard(flag string, of, shard int) string {
	rest, is := strings.CutSuffix(flag, fmt.Sprint("/", of))
	if is && strings.HasPrefix(flag, "--prefix=") {
		return fmt.Sprint(rest, "/", shard)
	}
	return flag
}

// scenario is what was run, if that is still the same, and else the record's own
// copy, in which nothing is left to set; a bucket has it for who fetches it.
func (r *repair) scenario() (name string, resolved bool) {
	info, own := &r.kept[0].Info, r.kept[0].ScenarioPath()
	if inBucket(own) {
		own = path.Base(own)
	}
	if state, err := os.Stat(info.Source); err == nil && !state.Mode().IsRegular() || info.Source == "-" {
		return own, true
	}
	s, err := readScenario(info.Source, &deviceFlags{set: flagsIn(info.Flags, "set")})
	if err != nil || !bytes.Equal(s.text, info.Text) {
		return own, true
	}
	return shell.Path(info.Source), false
}

// flagIn finds the value that a flag had in a run; empty for none.
func flagIn(flags []string, name string) string {
	if values := flagsIn(flags, name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// flagsIn finds the values of a flag that may be repeated.
func flagsIn(flags []string, name string) (values []string) {
	for _, flag := range flags {
		if value, is := strings.CutPrefix(flag, "--"+name+"="); is {
			values = append(values, value)
		}
	}
	return values
}

// platformWords are the flags of a run that say which platform it was against, and
// which devices exist and what variables are, as they were given.
func platformWords(given *pflag.FlagSet) (flags []string) {
	known := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&worldFlags{}).define(known)
	(&deviceFlags{}).define(known)
	for _, flag := range changed(given) {
		name, _, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if known.Lookup(name) != nil && name != "virtual" {
			flags = append(flags, flag)
		}
	}
	return flags
}
