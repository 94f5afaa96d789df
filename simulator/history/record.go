package history

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"otafleet/internal/files"
	"otafleet/simulator/fleet"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
)

// maxText bounds scenario.yaml, in bytes; a scenario has at most 1 MiB.
const maxText = 2 << 20

// Record is the record of a run, or of a shard of one. It is not changed after
// Open.
type Record struct {
	Dir      string
	Info     Info
	Scenario *scenario.Scenario
	End      *End // nil if the program was killed before the run's end

	document *document
	selected *selection.Selection // the devices that the record is about
}

// Open finds the record in a directory; of a shard that was tried again there, the
// complete one, or if none is the last. If there is none, the error is one of
// fs.ErrNotExist.
func Open(dir string) (*Record, error) {
	r, err := open(dir)
	if err != nil || r.Info.Shards == 0 {
		return r, err
	}
	return latest(r)
}

func open(dir string) (*Record, error) {
	d, err := readDocument(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no record of a run in %s: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record: %w", err)
	}
	path := filepath.Join(dir, scenarioFile)
	text, err := files.Read(path, maxText)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the record: %s: no such file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record: %w", err)
	}
	r := &Record{Dir: dir, Info: d.info(text), End: d.End.end(), document: d}
	from := scenario.Devices{KeyPrefix: d.Prefix}
	if d.Devices != "" {
		if from.File, r.Info.Devices, err = readDevices(filepath.Join(dir, d.Devices)); err != nil {
			return nil, fmt.Errorf("cannot read the record: %w", err)
		}
	}
	if r.Scenario, err = scenario.ParseWith(path, text, from); err != nil {
		return nil, fmt.Errorf("the recorded scenario is not valid:\n%w", err)
	}
	if err := r.selectDevices(); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, infoFile), err)
	}
	return r, nil
}

// readDevices reads the record's device file.
func readDevices(path string) (*fleet.File, []byte, error) {
	text, err := files.Read(path, fleet.MaxBytes)
	if err != nil {
		return nil, nil, err
	}
	file, err := fleet.Parse(path, text)
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
func (r *Record) ScenarioPath() string { return filepath.Join(r.Dir, scenarioFile) }

// Events reads the record's events.
func (r *Record) Events() (*Reader, error) { return newReader(r.Dir, r.document.End) }
