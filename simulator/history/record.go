package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"otafleet/simulator/fleet"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
)

// maxText bounds scenario.yaml, in bytes; a scenario has at most 1 MiB.
const maxText = 2 << 20

// Record is the record of a run, or of a shard of one. It is not changed after
// Open.
type Record struct {
	Dir      string // the place that it was found in
	Info     Info
	Scenario *scenario.Scenario
	End      *End // nil if the program was killed before the run's end

	place    Place
	document *document
	selected *selection.Selection // the devices that the record is about
	lost     bool                 // a shard that broke off, as a later process has found
}

// Open finds the record in a place; of a shard that was tried again there, the
// complete one, or if none is the last. If there is none, the error is one of
// fs.ErrNotExist.
func Open(ctx context.Context, place Place) (*Record, error) {
	r, err := open(ctx, place)
	if err != nil || r.Info.Shards == 0 {
		return r, err
	}
	return latest(ctx, r)
}

func open(ctx context.Context, place Place) (*Record, error) {
	d, err := readDocument(ctx, place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no record of a run in %s: %w", place, err)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("there is no record of a run in %s: it is a file; want the directory of --out", place)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record: %w", err)
	}
	path := pathOf(place, scenarioFile)
	text, err := readFile(ctx, place, scenarioFile, maxText)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the record: %s: no such file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record: %w", err)
	}
	r := &Record{Dir: place.String(), Info: d.info(text), End: d.End.end(), place: place, document: d}
	from := scenario.Devices{KeyPrefix: d.Prefix}
	if d.Devices != "" {
		if from.File, r.Info.Devices, err = readDevices(ctx, place, d.Devices); err != nil {
			return nil, fmt.Errorf("cannot read the record: %w", err)
		}
	}
	if r.Scenario, err = scenario.ParseWith(path, text, from); err != nil {
		return nil, fmt.Errorf("the recorded scenario is not valid:\n%w", err)
	}
	if err := r.selectDevices(); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", pathOf(place, infoFile), err)
	}
	return r, nil
}

// readDevices reads the record's device file.
func readDevices(ctx context.Context, place Place, name string) (*fleet.File, []byte, error) {
	text, err := readFile(ctx, place, name, fleet.MaxBytes)
	if err != nil {
		return nil, nil, err
	}
	file, err := fleet.Parse(pathOf(place, name), text)
	return file, text, err
}

// selectDevices finds the devices of the record, and makes sure that the run
// answered for these.
func (r *Record) selectDevices() (err error) {
	shard := selection.Shard{Index: r.Info.Shard, Of: r.Info.Shards}
	if r.selected, err = selection.New(r.Scenario, shard, r.Info.Only); err != nil {
		return err
	}
	counts := map[string]int{}
	for _, fleet := range r.Info.Fleets {
		counts[fleet.Name] += fleet.Devices
	}
	for i := range r.Scenario.Fleets {
		name, want := r.Scenario.Fleets[i].Name, r.selected.Count(i)
		if got := counts[name]; got != want {
			return fmt.Errorf("it has %d devices of fleet %s, and the scenario gives it %d", got, name, want)
		}
		delete(counts, name)
	}
	for name := range counts {
		return fmt.Errorf("it has a fleet %s, and the scenario has none", name)
	}
	return nil
}

// ScenarioPath is the record's copy of the scenario.
func (r *Record) ScenarioPath() string { return pathOf(r.place, scenarioFile) }

// Events reads the record's events.
func (r *Record) Events(ctx context.Context) (*Reader, error) {
	return newReader(ctx, r.place, r.document.End)
}
