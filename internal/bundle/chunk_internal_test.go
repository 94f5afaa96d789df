package bundle

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

// TestChunksSuitTheFile: few syncs for a large file, little lost at a cut of a small
// one, and room in the manifest for as many files of that size as there may be.
func TestChunksSuitTheFile(t *testing.T) {
	t.Parallel()
	for size, chunk := range map[int64]int64{
		0:            64 << 10,
		1:            64 << 10,
		64 << 20:     64 << 10,
		64<<20 + 1:   128 << 10,
		100 << 20:    128 << 10,
		512 << 20:    512 << 10,
		1 << 30:      1 << 20,
		16 << 30:     1 << 20,
		16<<30 + 1:   2 << 20,
		1 << 40:      ota.MaxChunk,
		ota.MaxChunk: 64 << 10,
	} {
		assert.Equal(t, chunk, chunkFor(size, 1), "of %d bytes", size)
	}
	for files := 1; files <= ota.MaxFiles; files++ {
		for size := int64(1); size <= 12<<30; size += size/3 + 1 {
			chunks := (size + chunkFor(size, files) - 1) / chunkFor(size, files)
			assert.LessOrEqual(t, chunks*int64(files), int64(roomForChunks), "%d files of %d bytes", files, size)
		}
	}
}
