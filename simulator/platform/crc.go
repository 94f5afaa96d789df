package platform

import (
	"fmt"
	"hash/crc32"
	"math/bits"
)

// mpeg2 is a CRC-32/MPEG-2, which is the usual CRC-32 of the same bits in the opposite
// order, not inverted at the end.
type mpeg2 struct{ mirrored uint32 }

// Write takes in bytes, and does not fail.
func (c *mpeg2) Write(p []byte) (int, error) {
	mirrored := make([]byte, len(p))
	for i, b := range p {
		mirrored[i] = bits.Reverse8(b)
	}
	c.mirrored = crc32.Update(c.mirrored, crc32.IEEETable, mirrored)
	return len(p), nil
}

// String gives eight capital hex digits.
func (c *mpeg2) String() string { return fmt.Sprintf("%08X", bits.Reverse32(^c.mirrored)) }
