package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
)

// maxTrace bounds the trace, in bytes: of a large run it holds the last seconds.
const maxTrace = 32 << 20

// profile looks at what the program itself does during a run. Nil looks at nothing.
type profile struct {
	dir      string
	cpu      *os.File
	recorder *trace.FlightRecorder
}

// The files of a profile.
const (
	cpuProfile        = "cpu.pprof"
	heapProfile       = "heap.pprof"
	goroutinesProfile = "goroutines.pprof"
	lastSeconds       = "trace.out"
)

// profilesIn are the places that the profile in a directory takes, and the directory's own.
func profilesIn(dir string) []string {
	if dir == "" {
		return nil
	}
	places := []string{dir}
	for _, name := range []string{cpuProfile, heapProfile, goroutinesProfile, lastSeconds} {
		places = append(places, filepath.Join(dir, name))
	}
	return places
}

// startProfile begins to look, for files in a directory, which it makes; nil without
// one. The processor's profile is the process's, so that there is one at a time.
func startProfile(dir string) (*profile, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot keep profiles: %w", err)
	}
	p := &profile{dir: dir, recorder: trace.NewFlightRecorder(trace.FlightRecorderConfig{MaxBytes: maxTrace})}
	var err error
	if p.cpu, err = os.Create(filepath.Join(dir, cpuProfile)); err != nil {
		return nil, fmt.Errorf("cannot keep profiles: %w", err)
	}
	if err := errors.Join(pprof.StartCPUProfile(p.cpu), p.recorder.Start()); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot keep profiles: %w", err), p.stop())
	}
	return p, nil
}

// stop writes what was seen. The heap's profile has what is in use, and all that was
// allocated since the start.
func (p *profile) stop() error {
	if p == nil {
		return nil
	}
	pprof.StopCPUProfile()
	err := p.cpu.Close()
	if p.recorder.Enabled() {
		err = errors.Join(err, p.write(lastSeconds, func(w io.Writer) error {
			_, err := p.recorder.WriteTo(w)
			return err
		}))
		p.recorder.Stop()
	}
	runtime.GC() // the profile of the heap is as old as the last collection
	for name, file := range map[string]string{"heap": heapProfile, "goroutine": goroutinesProfile} {
		err = errors.Join(err, p.write(file, func(w io.Writer) error { return pprof.Lookup(name).WriteTo(w, 0) }))
	}
	if err != nil {
		return fmt.Errorf("cannot keep profiles: %w", err)
	}
	return nil
}

// write writes a file of the directory.
func (p *profile) write(name string, fill func(io.Writer) error) error {
	f, err := os.Create(filepath.Join(p.dir, name))
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Close())
}
