// Package bzip2 reads bzip2 streams in little memory and writes them: the three
// parts of a patch are such streams.
//
// One flow through it: a Reader finds the next block, decodes its Huffman codes
// into a Space of two and a half bytes for each byte of the block, turns the
// Space into a chain that leads from each byte to the next one, and follows the
// chain as it is read. Readers may share one Space: the one that reads next
// decodes its block again where another one has used the Space in between, and
// goes on where it was. So three streams of blocks of 900,000 bytes need 2.2 MiB
// instead of the 11 MB of three decoders of the standard library. A Writer
// collects a block, sorts its rotations, and codes it.
//
// The format is Julian Seward's, version 1.0, without the randomised blocks of
// versions before 0.9.5. The package does not look at the checksums within a
// stream: what is read here is signed, and its result too.
package bzip2

import (
	"errors"
	"fmt"
)

// ErrMalformed says that a stream breaks a rule of the format.
var ErrMalformed = errors.New("malformed bzip2 stream")

// errNoCode says that a block holds bits for which its code has no symbol.
var errNoCode = fmt.Errorf("%w: bits that stand for no symbol", ErrMalformed)

const (
	blockUnit    = 100_000 // bytes of a block for each level
	maxLevel     = 9
	headerBytes  = 4 // "BZh" and the level
	blockMagic   = 0x314159265359
	endMagic     = 0x177245385090
	groupSize    = 50 // symbols that are coded with one table
	maxTables    = 6  // and at least 2
	minTables    = 2
	maxSelectors = 18002 // groups of the largest block
	maxSymbols   = 258   // 256 bytes in MTF, a second digit of runs, the end
	maxCode      = 20    // bits of a code
	runA, runB   = 0, 1  // the two digits of a run's length
)

// Level returns the level of a stream that begins with head, 1 to 9: its blocks
// hold up to so many hundred thousand bytes.
func Level(head []byte) (int, error) {
	if len(head) < headerBytes || string(head[:3]) != "BZh" || head[3] < '1' || head[3] > '9' {
		return 0, ErrMalformed
	}
	return int(head[3] - '0'), nil
}
