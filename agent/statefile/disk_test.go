package statefile_test

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"syscall"

	"otafleet/agent/statefile"
)

var errCut = errors.New("the power is cut")

// memory is a Disk that knows what a power cut leaves: written bytes and changed
// names are live at once and durable only after a sync.
type memory struct {
	live    map[string]*inode
	durable map[string]*inode

	ops     int   // operations so far
	cutAt   int   // the operation at which the power goes; 0 for never
	cutTo   int   // bytes that this operation still writes
	written int   // bytes that it would have written
	space   int   // bytes left on the disk; negative without limit
	broken  error // what every write gives
}

type inode struct{ live, durable []byte }

func newMemory() *memory {
	return &memory{live: map[string]*inode{}, durable: map[string]*inode{}, space: -1}
}

// step counts an operation and reports whether the power is gone.
func (m *memory) step() error {
	m.ops++
	if m.cutAt > 0 && m.ops >= m.cutAt {
		return errCut
	}
	return nil
}

func (m *memory) Open(name string) (statefile.File, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	if m.live[name] == nil {
		m.live[name] = &inode{}
	}
	return &handle{disk: m, inode: m.live[name]}, nil
}

func (m *memory) Read(name string) (statefile.File, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	if m.live[name] == nil {
		return nil, fs.ErrNotExist
	}
	return &handle{disk: m, inode: m.live[name]}, nil
}

func (m *memory) Rename(from, to string) error {
	if err := m.step(); err != nil {
		return err
	}
	m.live[to] = m.live[from]
	delete(m.live, from)
	return nil
}

func (m *memory) Remove(name string) error {
	if err := m.step(); err != nil {
		return err
	}
	if m.live[name] == nil {
		return fs.ErrNotExist
	}
	if m.space >= 0 {
		m.space += len(m.live[name].live)
	}
	delete(m.live, name)
	return nil
}

func (m *memory) Names() ([]string, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	var names []string
	for name := range m.live {
		names = append(names, name)
	}
	return names, nil
}

func (m *memory) Sync() error {
	if err := m.step(); err != nil {
		return err
	}
	clear(m.durable)
	for name, node := range m.live {
		m.durable[name] = node
	}
	return nil
}

type handle struct {
	disk  *memory
	inode *inode
}

func (h *handle) ReadAt(b []byte, off int64) (int, error) {
	if err := h.disk.step(); err != nil {
		return 0, err
	}
	if off >= int64(len(h.inode.live)) {
		return 0, io.EOF
	}
	n := copy(b, h.inode.live[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) WriteAt(b []byte, off int64) (int, error) {
	gone := h.disk.ops+1 == h.disk.cutAt
	err := h.disk.step()
	switch {
	case gone:
		h.disk.written = len(b)
		b = b[:min(h.disk.cutTo, len(b))]
	case err != nil:
		return 0, err
	case h.disk.broken != nil:
		return 0, h.disk.broken
	}
	if grow := int(off) + len(b) - len(h.inode.live); grow > 0 {
		if h.disk.space >= 0 && grow > h.disk.space {
			b, err = b[:len(b)-grow+h.disk.space], syscall.ENOSPC
			grow = h.disk.space
		}
		if h.disk.space >= 0 {
			h.disk.space -= grow
		}
		h.inode.live = append(h.inode.live, make([]byte, grow)...)
	}
	return copy(h.inode.live[off:], b), err
}

func (h *handle) Size() (int64, error) { return int64(len(h.inode.live)), nil }

func (h *handle) Close() error { return nil }

func (h *handle) Sync() error {
	if err := h.disk.step(); err != nil {
		return err
	}
	if h.disk.broken != nil {
		return h.disk.broken
	}
	h.inode.durable = append([]byte(nil), h.inode.live...)
	return nil
}

// fate says what of the writes that were not synced is on the disk after the
// power comes back.
type fate int

const (
	everything fate = iota // all of it
	nothing                // none of it
	sectors                // any of its sectors, any of its names
	fates
)

const sector = 512

// afterCut is the disk that the next start finds.
func (m *memory) afterCut(f fate, random *rand.Rand) *memory {
	next := newMemory()
	kept := m.live
	if f == nothing || (f == sectors && random.IntN(2) == 0) {
		kept = m.durable
	}
	for name, node := range kept {
		content := survivor(node, f, random)
		next.live[name] = &inode{live: content, durable: append([]byte(nil), content...)}
		next.durable[name] = next.live[name]
	}
	return next
}

func survivor(node *inode, f fate, random *rand.Rand) []byte {
	switch f {
	case everything:
		return append([]byte(nil), node.live...)
	case nothing:
		return append([]byte(nil), node.durable...)
	}
	content := append([]byte(nil), node.durable...)
	for at := 0; at < len(node.live); at += sector {
		end := min(at+sector, len(node.live))
		if random.IntN(2) == 0 {
			continue
		}
		if end > len(content) {
			content = append(content, make([]byte, end-len(content))...)
		}
		copy(content[at:end], node.live[at:end])
	}
	return content
}
