package native

import "sync"

// bufferSize is the bytes of a buffer: of some messages, or of a plan.
const bufferSize = 4 << 10

// Buffers lends the sessions of a process the memory in which they read and write, for
// as long as they do: one that waits has none. The zero value is ready. Nil keeps no
// buffer for the next one.
type Buffers struct {
	mu   sync.Mutex // guards the following
	kept [][]byte
}

// maxKept bounds the buffers that are kept. A sync.Pool would lose them with every second
// collection, of which there may be several a second among many devices.
const maxKept = 256

// take lends a buffer of bufferSize bytes.
func (b *Buffers) take() []byte {
	if b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if last := len(b.kept) - 1; last >= 0 {
			buf := b.kept[last]
			b.kept = b.kept[:last]
			return buf
		}
	}
	return make([]byte, bufferSize)
}

// give takes a buffer back. One that had to be larger is let go of.
func (b *Buffers) give(buf []byte) {
	if b == nil || cap(buf) != bufferSize {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.kept) < maxKept {
		b.kept = append(b.kept, buf[:bufferSize])
	}
}
