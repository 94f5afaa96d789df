package real

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"otafleet/internal/ota"
)

// maxChunkMemory bounds what the simulator keeps of the fleet's images, in
// bytes. What does not fit is fetched again after a power cut.
const maxChunkMemory = 256 << 20

// maxWholes bounds the files of which more is known than their chunks.
const maxWholes = 10_000

// chunks holds each different chunk of the fleet's images once. A thousand
// devices download the same image: their flashes note which chunks they have,
// and read them back from here.
type chunks struct {
	mu     sync.RWMutex // guards the following
	bytes  int
	held   map[ota.Digest][]byte
	wholes map[ota.Digest]bool // files of which the chunks are known to be the whole
}

// put keeps a chunk under the digest that it must have. It returns false if it
// has another one: then unverified bytes.
func (c *chunks) put(digest ota.Digest, chunk []byte) bool {
	c.mu.RLock()
	known, ok := c.held[digest]
	c.mu.RUnlock()
	if ok {
		return bytes.Equal(known, chunk) // quicker than its digest
	}
	if sha256.Sum256(chunk) != digest {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[digest]; ok || c.bytes+len(chunk) > maxChunkMemory {
		return true
	}
	if c.held == nil {
		c.held = map[ota.Digest][]byte{}
	}
	c.held[digest] = bytes.Clone(chunk)
	c.bytes += len(chunk)
	return true
}

// get returns a chunk; nil if it is not held.
func (c *chunks) get(digest ota.Digest) []byte {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.held[digest]
}

// Has reports whether a chunk is the one that is held under a digest (download.Known).
func (c *chunks) Has(digest ota.Digest, chunk []byte) bool {
	known := c.get(digest)
	return known != nil && bytes.Equal(known, chunk)
}

// IsWhole reports whether a file with the same chunks had the digest that it must have.
func (c *chunks) IsWhole(file *ota.File) bool {
	key := contentOf(file)
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.wholes[key]
}

// Whole notes that it had.
func (c *chunks) Whole(file *ota.File) {
	key := contentOf(file)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wholes) >= maxWholes {
		return
	}
	if c.wholes == nil {
		c.wholes = map[ota.Digest]bool{}
	}
	c.wholes[key] = true
}

// contentOf is over what a file holds: the digests of its chunks, how they divide it,
// and that of the whole.
func contentOf(file *ota.File) ota.Digest {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, []int64{file.Size, file.Chunk}) // a hash takes anything
	h.Write(file.SHA256[:])
	for i := range file.Chunks {
		h.Write(file.Chunks[i][:])
	}
	return ota.Digest(h.Sum(nil))
}
