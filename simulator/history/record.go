package history

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"otafleet/simulator/scenario"
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
}

// Open finds the record in a directory. If there is none, the error is one of
// fs.ErrNotExist.
func Open(dir string) (*Record, error) {
	d, err := readDocument(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no record of a run in %s: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record: %w", err)
	}
	path := filepath.Join(dir, scenarioFile)
	text, err := readBounded(path, maxText)
	if err != nil {
		return nil, fmt.Errorf("cannot read the record: %w", err)
	}
	s, err := scenario.Parse(path, text)
	if err != nil {
		return nil, fmt.Errorf("the recorded scenario is not valid:\n%w", err)
	}
	return &Record{Dir: dir, Info: d.info(text), Scenario: s, End: d.End.end(), document: d}, nil
}

// Events reads the record's events.
func (r *Record) Events() (*Reader, error) { return newReader(r.Dir, r.document.End) }

// part says which devices of the scenario the record is about; empty for all.
func (r *Record) part() string {
	switch {
	case len(r.Info.Only) == 1:
		return r.Info.Only[0] + " only"
	case len(r.Info.Only) > 1:
		return fmt.Sprintf("%d chosen devices only", len(r.Info.Only))
	case r.Info.Shards > 0:
		return fmt.Sprintf("shard %d/%d", r.Info.Shard, r.Info.Shards)
	}
	return ""
}
