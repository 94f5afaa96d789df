package history

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// The files of a record.
const (
	infoFile = "run.json"

	// Where files are written once, run.json without an end has other names.
	waitingFile  = "waiting.json" // of a run that has not begun
	begunFile    = "begun.json"
	scenarioFile = "scenario.yaml"
	eventsFile   = "events.jsonl.zst"
	devicesFile  = "devices.csv" // only of a run whose devices a file lists
	lostFile     = "lost.txt"    // only of a shard that broke off and cannot be tried again
)

// infoFiles are those that make a record, the one that says most first.
func infoFiles() []string { return []string{infoFile, begunFile, waitingFile} }

// Files are the paths of a record's files in a directory.
func Files(dir string) []string {
	return []string{filepath.Join(dir, infoFile), filepath.Join(dir, scenarioFile), filepath.Join(dir, eventsFile),
		filepath.Join(dir, devicesFile)}
}

// format is the version of a record's form. Records of a higher one are refused.
const format = 1

// maxInfo bounds run.json, in bytes: the keys of --only are the longest part.
const maxInfo = 64 << 20

// Info says what was run.
type Info struct {
	Text    []byte // the scenario as it was read, by itself: without variables and parts
	Devices []byte // the device file without logins; nil for none
	Prefix  string // of the keys of numbered devices
	Name    string // of the scenario
	Source  string // the file or the bundled name that was run
	Seed    uint64
	World   string              // real or virtual
	Shard   int                 // 1 to Shards; 0 if the run is not divided
	Shards  int                 // 0 if the run is not divided
	Only    []string            // the device keys that were chosen; empty for all
	Flags   []string            // of the program, that say which platform the run was against; no secrets
	Fleets  []verdict.FleetSize // how many devices of each fleet the run answers for
	Program string              // name and version
	Started time.Time
	Start   Start
	Waiting bool // the run's own time has not begun: nothing has happened to its devices
}

// Start says when the run's own time began, by the clock of its machine.
type Start struct {
	Planned  time.Time     // when it was to begin, with the other shards; zero for at once
	Began    time.Time     // zero while it is not known
	Compared bool          // Offset is known
	Offset   time.Duration // by which the clock is ahead of shard 1's
	Within   time.Duration // the most that Offset is wrong by
}

// End says how a run ended.
type End struct {
	Began       time.Time      // when the run's own time began
	Interrupted bool           // it was stopped before its end
	Drawn       map[string]int // for how many devices each fault was drawn
	Refused     []string       // orders of the scenario that the platform did not carry out, and why
	Resources   verdict.Resources
	Memory      []verdict.MemorySample // of a run with windows
}

// document is the form of run.json.
type document struct {
	Format   int          `json:"format"`
	Scenario string       `json:"scenario"`
	Source   string       `json:"source,omitempty"`
	Seed     uint64       `json:"seed"`
	World    string       `json:"world"`
	Shard    int          `json:"shard,omitempty"`
	Shards   int          `json:"shards,omitempty"`
	Only     []string     `json:"only,omitempty"`
	Flags    []string     `json:"flags,omitempty"`
	Devices  string       `json:"devices,omitempty"` // the file that lists them
	Prefix   string       `json:"key_prefix,omitempty"`
	Fleets   []fleetSize  `json:"fleets"`
	Program  string       `json:"program"`
	Process  string       `json:"process,omitempty"` // host and number of the process
	Started  time.Time    `json:"started"`
	Waiting  bool         `json:"waiting,omitempty"`
	Start    *startForm   `json:"start,omitempty"`
	End      *endDocument `json:"end,omitempty"` // missing if the program was killed, or the record is incomplete

	Incomplete string `json:"incomplete,omitempty"` // why not every event could be written
}

type fleetSize struct {
	Name    string `json:"name"`
	Devices int    `json:"devices"`
}

// startForm is the form of Start.
type startForm struct {
	Planned time.Time `json:"planned,omitzero"`
	Began   time.Time `json:"began,omitzero"`
	Ahead   *float64  `json:"clock_ahead_seconds,omitempty"` // of shard 1's
	Within  float64   `json:"clock_within_seconds,omitempty"`
}

func newStart(s *Start) *startForm {
	f := &startForm{Planned: s.Planned.UTC(), Began: s.Began.UTC()}
	if s.Compared {
		ahead := s.Offset.Seconds()
		f.Ahead, f.Within = &ahead, s.Within.Seconds()
	}
	return f
}

func (f *startForm) start() (s Start) {
	if f == nil {
		return s
	}
	s.Planned, s.Began = f.Planned, f.Began
	if f.Ahead != nil {
		s.Compared, s.Offset, s.Within = true, duration(*f.Ahead), duration(f.Within)
	}
	return s
}

type endDocument struct {
	Events      int64            `json:"events"`
	Interrupted bool             `json:"interrupted"`
	Drawn       map[string]int   `json:"drawn"`
	Refused     []string         `json:"refused,omitempty"`
	Resources   resourceDocument `json:"resources"`
	Memory      []memorySample   `json:"memory,omitempty"`
}

// memorySample is what the run's process had resident at a time of it, in seconds.
type memorySample struct {
	At    float64 `json:"at"`
	Bytes int64   `json:"resident_bytes"`
}

type resourceDocument struct {
	PeakMemory int64   `json:"peak_memory_bytes"`
	Sockets    int     `json:"sockets"`
	Wall       float64 `json:"wall_seconds"`
	CPU        float64 `json:"cpu_seconds"`
	CPUs       int     `json:"cpus"`
	Processes  int     `json:"processes"`
	System     string  `json:"system"`
}

func newDocument(info *Info) *document {
	d := &document{Format: format, Scenario: info.Name, Source: info.Source, Seed: info.Seed, World: info.World,
		Shard: info.Shard, Shards: info.Shards, Only: info.Only, Flags: info.Flags, Prefix: info.Prefix,
		Program: info.Program, Process: thisProcess(), Started: info.Started.UTC().Truncate(time.Second), Waiting: true}
	if info.Devices != nil {
		d.Devices = devicesFile
	}
	for _, fleet := range info.Fleets {
		d.Fleets = append(d.Fleets, fleetSize(fleet))
	}
	return d
}

// thisProcess tells this process from others that record the same.
func thisProcess() string {
	host, _ := os.Hostname() // without a name, the number must do
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

func newEnd(end *End, events int64) *endDocument {
	r := &end.Resources
	d := &endDocument{Events: events, Interrupted: end.Interrupted, Drawn: end.Drawn, Refused: end.Refused,
		Resources: resourceDocument{PeakMemory: r.PeakMemory, Sockets: r.Sockets, Wall: r.Wall.Seconds(),
			CPU: r.CPU.Seconds(), CPUs: r.CPUs, Processes: r.Processes, System: r.System}}
	for _, s := range end.Memory {
		d.Memory = append(d.Memory, memorySample{s.At.Seconds(), s.Bytes})
	}
	return d
}

func (d *document) info(text []byte) Info {
	info := Info{Text: text, Name: d.Scenario, Source: d.Source, Seed: d.Seed, World: d.World,
		Shard: d.Shard, Shards: d.Shards, Only: d.Only, Flags: d.Flags, Prefix: d.Prefix,
		Program: d.Program, Started: d.Started, Start: d.Start.start(), Waiting: d.Waiting}
	for _, fleet := range d.Fleets {
		info.Fleets = append(info.Fleets, verdict.FleetSize(fleet))
	}
	return info
}

func (d *endDocument) end() *End {
	if d == nil {
		return nil
	}
	r := &d.Resources
	end := &End{Interrupted: d.Interrupted, Drawn: d.Drawn, Refused: d.Refused,
		Resources: verdict.Resources{PeakMemory: r.PeakMemory, Sockets: r.Sockets, Wall: duration(r.Wall),
			CPU: duration(r.CPU), CPUs: r.CPUs, Processes: r.Processes, System: r.System}}
	for _, s := range d.Memory {
		end.Memory = append(end.Memory, verdict.MemorySample{At: duration(s.At), Bytes: s.Bytes})
	}
	return end
}

// duration is the inverse of Duration.Seconds, to the nanosecond, so that a verdict
// on a kept run says what the run's own said.
func duration(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds * float64(time.Second)))
}

// begin writes what is known before the end.
func (d *document) begin(ctx context.Context, place Place) error {
	switch {
	case !place.WriteOnce():
		return d.write(ctx, place, infoFile)
	case d.Waiting:
		return d.write(ctx, place, waitingFile)
	}
	return d.write(ctx, place, begunFile)
}

// write writes the document, whole or not at all.
func (d *document) write(ctx context.Context, place Place, name string) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return place.Write(ctx, name, append(text, '\n'))
}

// readDocument reads and checks run.json, or while there is none, what is there before.
func readDocument(ctx context.Context, place Place) (*document, error) {
	path, text, err := readInfo(ctx, place)
	if err != nil {
		return nil, err
	}
	d := &document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	switch {
	case d.Format < 1:
		return nil, fmt.Errorf("%s is not of a recorded run: it has no format", path)
	case d.Format > format:
		return nil, fmt.Errorf("%s has format %d, and this program knows %d: "+
			"judge it with the program that recorded it, or a newer one", path, d.Format, format)
	case d.Devices != "" && d.Devices != devicesFile:
		return nil, fmt.Errorf("%s is damaged: the devices are in %q, and not in %s", path, d.Devices, devicesFile)
	case d.Shard < 0 || d.Shard > d.Shards || d.Shards > 0 && d.Shard == 0 || d.Shards > scenario.MaxDevices:
		return nil, fmt.Errorf("%s is damaged: there is no shard %d/%d", path, d.Shard, d.Shards)
	}
	for _, fleet := range d.Fleets {
		if fleet.Devices < 0 || fleet.Devices > scenario.MaxDevices {
			return nil, fmt.Errorf("%s is damaged: fleet %s has %d devices", path, fleet.Name, fleet.Devices)
		}
	}
	return d, nil
}

func readInfo(ctx context.Context, place Place) (path string, text []byte, err error) {
	var missing error // of run.json, which a reader expects
	for _, name := range infoFiles() {
		if text, err = readFile(ctx, place, name, maxInfo); !errors.Is(err, fs.ErrNotExist) {
			return pathOf(place, name), text, err
		}
		missing = cmp.Or(missing, err)
	}
	return pathOf(place, infoFile), nil, missing
}
