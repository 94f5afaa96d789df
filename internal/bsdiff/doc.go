// Package bsdiff makes patches and applies them, in the format of the bsdiff
// command (BSDIFF40): either side understands what the other has made.
//
// A patch is a header, and three bzip2 streams. The first holds triples (x, y,
// z): add the next x bytes of the second stream to the next x bytes of the old
// image, then take y bytes of the third stream as they are, then move on by z in
// the old image. That is enough for programs, where a few instructions inserted
// change addresses all over.
//
// One flow through it: Make sorts the suffixes of the old image, walks through
// the new one looking for the longest common part, and writes the three streams.
// A Reader walks through the triples and gives the new image from its first byte
// to its last, while it reads the old one by offset; it holds neither of them.
//
// The package checks that a patch is well formed. Whether it is the right one,
// and applied to the right image, only the digest of the result tells: package
// firmware looks at that.
package bsdiff

import "encoding/binary"

const (
	magic       = "BSDIFF40"
	headerBytes = 32 // the magic, the lengths of the first two streams, the size of the new image
	numberBytes = 8
	tripleBytes = 3 * numberBytes
)

// getNumber reads a number of 63 bits, the lowest byte first, and a sign.
func getNumber(b []byte) int64 {
	v := binary.LittleEndian.Uint64(b)
	n := int64(v &^ (1 << 63))
	if v>>63 == 1 {
		return -n
	}
	return n
}

func putNumber(b []byte, n int64) {
	v := uint64(n)
	if n < 0 {
		v = uint64(-n) | 1<<63
	}
	binary.LittleEndian.PutUint64(b, v)
}
