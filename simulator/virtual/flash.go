package virtual

import (
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
)

// flash is the memory of one component: which version runs, and which chunks of
// the next one are in the inactive place. It outlives power cuts.
type flash struct {
	model.Slots
	install time.Duration // that an activation takes
	have    []chunks      // of each file in the inactive place
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
	if !f.Open(job) {
		return
	}
	f.have = make([]chunks, len(job.Files))
	for i := range job.Files {
		n := len(job.Files[i].Chunks)
		f.have[i] = chunks{state: make([]chunkState, n), left: n}
	}
}

// stage checks that every chunk is there.
func (f *flash) stage(job *firmware.Job) error {
	for i := range f.have {
		if n := f.have[i].left; n > 0 && f.Holds(job) {
			return firmware.Failf(ota.DigestMismatch, "%s: %s missing", job.Files[i].Name, ota.Counted(n, "chunk"))
		}
	}
	return f.Stage(job)
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
