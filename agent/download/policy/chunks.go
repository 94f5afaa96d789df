package policy

import (
	"fmt"

	"otafleet/internal/ota"
)

// MaxBadInRow is how many bad chunks in a row say that the object is another one.
const MaxBadInRow = 3

// Chunks is what is known of each chunk of a file. The zero value is of a file
// without chunks.
type Chunks struct {
	state []chunkState
	left  int
}

// chunkState says what is known of one chunk.
type chunkState uint8

const (
	missing chunkState = iota
	kept               // verified and in place
	bad                // arrived with a wrong hash: to be fetched alone
)

// NewChunks returns n chunks that are missing.
func NewChunks(n int) Chunks { return Chunks{state: make([]chunkState, n), left: n} }

// Len is how many chunks the file has.
func (c *Chunks) Len() int { return len(c.state) }

// Left is how many chunks are not kept.
func (c *Chunks) Left() int { return c.left }

// Kept reports whether chunk i is in place.
func (c *Chunks) Kept(i int) bool { return c.state[i] == kept }

// Keep notes that chunk i is in place.
func (c *Chunks) Keep(i int) {
	if c.state[i] != kept {
		c.state[i] = kept
		c.left--
	}
}

// Clear makes every chunk a missing one.
func (c *Chunks) Clear() {
	clear(c.state)
	c.left = len(c.state)
}

// Run returns the next chunks to ask for, first to end-1: a run of missing ones,
// or a single bad one.
func (c *Chunks) Run() (first, end int) {
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

// End is one more than the last chunk that is not kept.
func (c *Chunks) End() int {
	end := len(c.state)
	for end > 0 && c.state[end-1] == kept {
		end--
	}
	return end
}

// Answer is the score of the chunks that one answer brings.
type Answer struct {
	Gained int // verified and in place
	Spoilt int // with a wrong hash
	inRow  int // of these, the last ones without a right one between
}

// Right counts a chunk that is in place now.
func (a *Answer) Right() { a.Gained, a.inRow = a.Gained+1, 0 }

// Wrong marks chunk i, which came with a wrong hash. So many in a row say that the
// object is another one: then it is a failure, and the marks are taken off, since
// elsewhere they can be had in one run.
func (a *Answer) Wrong(c *Chunks, i int) *ota.Failure {
	c.state[i] = bad
	a.Spoilt++
	if a.inRow++; a.inRow < MaxBadInRow {
		return nil
	}
	for k := i; k >= 0 && c.state[k] == bad; k-- {
		c.state[k] = missing
	}
	return &ota.Failure{Code: ota.DigestMismatch, Detail: fmt.Sprintf("chunks %d to %d have wrong hashes", i-a.inRow+1, i)}
}

// Whole is the failure of an answer that came to its end; nil if all was right.
func (a *Answer) Whole() *ota.Failure {
	if a.Spoilt == 0 {
		return nil
	}
	return &ota.Failure{Code: ota.DigestMismatch, Detail: ota.Counted(a.Spoilt, "chunk") + " with a wrong hash"}
}
