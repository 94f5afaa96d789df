package real

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

// TestKnownChunks are known byte by byte, once they were found to be right.
func TestKnownChunks(t *testing.T) {
	var c chunks
	chunk := []byte("some bytes")
	digest := ota.Digest(sha256.Sum256(chunk))
	assert.False(t, c.Has(digest, chunk), "none has brought it yet")
	assert.False(t, c.put(digest, []byte("some bytez")))
	assert.False(t, c.Has(digest, []byte("some bytez")))
	assert.True(t, c.put(digest, chunk))
	assert.True(t, c.Has(digest, chunk))
	assert.False(t, c.Has(digest, []byte("some bytez")))
	assert.False(t, c.Has(digest, chunk[:4]))
	assert.False(t, c.Has(ota.Digest{}, chunk))
}

// TestKnownWholes: a file that differs in anything is another one.
func TestKnownWholes(t *testing.T) {
	var c chunks
	file := func(change func(*ota.File)) *ota.File {
		f := &ota.File{Size: 100, Chunk: 50, SHA256: ota.Digest{1}, Chunks: []ota.Digest{{2}, {3}}}
		change(f)
		return f
	}
	assert.False(t, c.IsWhole(file(func(*ota.File) {})))
	c.Whole(file(func(*ota.File) {}))
	assert.True(t, c.IsWhole(file(func(f *ota.File) { f.Name = "another name" })))
	for name, change := range map[string]func(*ota.File){
		"size":     func(f *ota.File) { f.Size = 99 },
		"division": func(f *ota.File) { f.Chunk = 51 },
		"whole":    func(f *ota.File) { f.SHA256 = ota.Digest{9} },
		"a chunk":  func(f *ota.File) { f.Chunks[1] = ota.Digest{9} },
		"order":    func(f *ota.File) { f.Chunks[0], f.Chunks[1] = f.Chunks[1], f.Chunks[0] },
		"fewer":    func(f *ota.File) { f.Chunks = f.Chunks[:1] },
	} {
		assert.False(t, c.IsWhole(file(change)), name)
	}
	for n := range maxWholes + 10 {
		c.Whole(file(func(f *ota.File) { f.Size = int64(1000 + n) }))
	}
	assert.Len(t, c.wholes, maxWholes)
}
