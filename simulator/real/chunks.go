package real

import (
	"bytes"
	"crypto/sha256"
	"sync"

	"otafleet/internal/ota"
)

// maxChunkMemory bounds what the simulator keeps of the fleet's images, in
// bytes. What does not fit is fetched again after a power cut.
const maxChunkMemory = 256 << 20

// chunks holds each different chunk of the fleet's images once. A thousand
// devices download the same image: their flashes note which chunks they have,
// and read them back from here.
type chunks struct {
	mu    sync.RWMutex // guards the following
	bytes int
	held  map[ota.Digest][]byte
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
