package virtual

import (
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// flash is the memory of one component: which version runs, and which chunks of
// the next one are in the inactive place. It outlives power cuts.
type flash struct {
	install time.Duration    // that an activation takes
	restart firmware.Restart // that an activation needs

	running  string
	previous string // to go back to; empty if there is none
	undone   string // the target of the job that was reverted last
	next     image
}

// image is what lies in the inactive place.
type image struct {
	target string
	files  []ota.File
	have   []chunks // of each file
	staged bool
	active bool // running, or to run after the restart
}

// chunks tells what is known of each chunk of a file.
type chunks struct {
	state []chunkState
	left  int // chunks that are not kept
}

// chunkState says what is known of one chunk.
type chunkState uint8

const (
	missing chunkState = iota
	kept               // verified and in place
	bad                // arrived with a wrong hash: to be fetched alone
)

// open prepares the inactive place. Chunks of the same image are still there.
func (f *flash) open(job *firmware.Job) {
	if f.next.is(job) {
		return
	}
	f.next = image{target: job.Target, files: job.Files, have: make([]chunks, len(job.Files))}
	for i := range job.Files {
		n := len(job.Files[i].Chunks)
		f.next.have[i] = chunks{state: make([]chunkState, n), left: n}
	}
}

// is reports whether the image is the job's.
func (m *image) is(job *firmware.Job) bool {
	if m.target != job.Target || len(m.files) != len(job.Files) || m.active {
		return false
	}
	for i := range m.files {
		if m.files[i].SHA256 != job.Files[i].SHA256 {
			return false
		}
	}
	return true
}

// stage checks that every chunk is there.
func (f *flash) stage(job *firmware.Job) error {
	if !f.next.is(job) {
		return firmware.Failf(ota.WriteFailed, "the inactive place does not hold %s", job.Target)
	}
	for i := range f.next.have {
		if n := f.next.have[i].left; n > 0 {
			return firmware.Failf(ota.DigestMismatch, "%s: %d chunks are missing", job.Files[i].Name, n)
		}
	}
	f.next.staged, f.previous, f.undone = true, "", ""
	return nil
}

// ready reports whether the job's image can be activated, and whether that has
// been done already.
func (f *flash) ready(job *firmware.Job) (already bool, err error) {
	switch {
	case f.next.active && f.running == job.Target:
		return true, nil
	case !f.next.staged || f.next.target != job.Target:
		return false, firmware.Failf(ota.InstallerFailed, "%s is not staged", job.Target)
	}
	return false, nil
}

// activate lets the staged image run, at the end of its installation.
func (f *flash) activate() {
	f.previous, f.running = f.running, f.next.target
	f.next.active = true
}

// confirm makes the running version permanent.
func (f *flash) confirm(job *firmware.Job) error {
	if f.running != job.Target {
		return firmware.Failf(ota.VerifyFailed, "runs %s, not %s", f.running, job.Target)
	}
	return nil
}

// revert brings the previous version back.
func (f *flash) revert(job *firmware.Job) firmware.Restart {
	f.next.staged = false
	switch {
	case f.running == job.Target && f.previous != "":
		f.running, f.previous, f.undone = f.previous, "", job.Target
		f.next = image{}
		return f.restart
	case f.undone == job.Target && f.running != job.Target:
		return f.restart // it was done before the power was cut
	}
	return firmware.RestartNone
}

// run returns the next chunks to ask for, first to end-1: a run of missing ones,
// or a single bad one.
func (c *chunks) run() (first, end int) {
	for first < len(c.state) && c.state[first] == kept {
		first++
	}
	if first == len(c.state) || c.state[first] == bad {
		return first, min(first+1, len(c.state))
	}
	for end = first; end < len(c.state) && c.state[end] == missing; end++ {
	}
	return first, end
}

// keep notes that a chunk is in place.
func (c *chunks) keep(i int) {
	if c.state[i] != kept {
		c.state[i] = kept
		c.left--
	}
}
