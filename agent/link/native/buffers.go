package native

import "sync"

// bufferSize is the bytes of a buffer: of some messages, or of a plan.
const bufferSize = 4 << 10

// Buffers lends the sessions of a process the memory in which they read and write, for
// as long as they do: one that waits has none. The zero value is ready. Nil keeps no
// buffer for the next one.
type Buffers struct {
	pool sync.Pool // of *[bufferSize]byte
}

// take lends a buffer of bufferSize bytes.
func (b *Buffers) take() []byte {
	if b != nil {
		if kept, ok := b.pool.Get().(*[bufferSize]byte); ok {
			return kept[:]
		}
	}
	return make([]byte, bufferSize)
}

// give takes a buffer back. One that had to be larger is let go of.
func (b *Buffers) give(buf []byte) {
	if b != nil && cap(buf) == bufferSize {
		b.pool.Put((*[bufferSize]byte)(buf[:bufferSize]))
	}
}
