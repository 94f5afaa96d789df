//go:build crash

package crash_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	diskSize  = 8 << 20
	sector    = 512
	biggest   = 128 << 10 // of a write
	diskINode = 2
)

// write is one that the disk has taken and may still lose.
type write struct {
	at   int64
	data []byte
}

// disk is a block device with a volatile cache, as a file of a FUSE file system
// of its own: what was written before the last flush is safe, what came after it
// is not. Its power can be cut at any write.
type disk struct {
	dir string // where the file system is mounted
	fd  int    // of /dev/fuse

	served sync.WaitGroup

	mu      sync.Mutex // guards the following
	safe    []byte
	cached  []write
	content []byte // as it is read: safe with cached in order
	writes  int    // since it was armed
	cutAt   int    // the write that is the last one; 0 for none
	dead    bool
}

// newDisk mounts a disk with the content of image.
func newDisk(t testing.TB, image []byte) *disk {
	d := &disk{dir: t.TempDir(), safe: bytes.Clone(image), content: bytes.Clone(image)}
	var err error
	d.fd, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Mount("ota-crash", d.dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV,
		fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", d.fd)))
	d.served.Go(d.serve)
	return d
}

// close unmounts it, and releases what it holds: the testing package remembers
// a test until the last one of many is done.
func (d *disk) close() {
	_ = unix.Unmount(d.dir, unix.MNT_DETACH)
	d.served.Wait()
	_ = unix.Close(d.fd)
	d.safe, d.content, d.cached = nil, nil, nil
}

func (d *disk) path() string { return filepath.Join(d.dir, "disk") }

// arm has the disk die with the write of that number, from now on.
func (d *disk) arm(cutAt int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes, d.cutAt = 0, cutAt
}

// isCut reports whether it has died.
func (d *disk) isCut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// count is how many writes there have been.
func (d *disk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}

// take is a write of the file system above.
func (d *disk) take(at int64, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return unix.EIO
	}
	copy(d.content[at:], data)
	d.cached = append(d.cached, write{at, bytes.Clone(data)})
	if d.writes++; d.writes == d.cutAt {
		d.dead = true
		return unix.EIO
	}
	return nil
}

func (d *disk) flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return unix.EIO
	}
	for _, w := range d.cached {
		copy(d.safe[w.at:], w.data)
	}
	d.cached = nil
	return nil
}

// loss is what a cut does to the writes that were not flushed.
type loss string

const (
	nothing   loss = "all written"
	torn      loss = "the last torn"
	reordered loss = "some lost"
)

// image is what a cut leaves.
func (d *disk) image(l loss, random *rand.Rand) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	image := bytes.Clone(d.safe)
	for i, w := range d.cached {
		last := i == len(d.cached)-1
		switch {
		case l == reordered && random.IntN(2) == 0:
			continue
		case l != nothing && last:
			w.data = w.data[:sector*random.IntN(len(w.data)/sector+1)]
		}
		copy(image[w.at:], w.data)
	}
	return image
}

// serve answers the kernel by the protocol of linux/fuse.h, version 7.31, until
// the file system is unmounted.
func (d *disk) serve() {
	request := make([]byte, biggest+8192)
	for {
		n, err := unix.Read(d.fd, request)
		if err == unix.EINTR || err == unix.ENOENT || err == unix.EAGAIN {
			continue
		}
		if err != nil {
			return
		}
		answer, errno, silent := d.answer(request[:n])
		if silent {
			continue
		}
		out := make([]byte, 16, 16+len(answer))
		binary.NativeEndian.PutUint32(out, uint32(16+len(answer)))
		binary.NativeEndian.PutUint32(out[4:], uint32(-int32(errno)))
		copy(out[8:16], request[8:16]) // the request's number
		_, _ = unix.Write(d.fd, append(out, answer...))
	}
}

func (d *disk) answer(request []byte) (answer []byte, errno unix.Errno, silent bool) {
	number := binary.NativeEndian
	body, node := request[40:], number.Uint64(request[16:])
	switch opcode := number.Uint32(request[4:]); opcode {
	case 26: // INIT: version, no features but large writes
		return pack(uint32(7), uint32(31), uint32(0), uint32(1<<5), uint32(0), uint32(biggest), uint32(1),
			make([]byte, 36)), 0, false
	case 1: // LOOKUP
		if string(bytes.TrimRight(body, "\x00")) != "disk" {
			return nil, unix.ENOENT, false
		}
		return pack(uint64(diskINode), make([]byte, 32), attributes(diskINode)), 0, false
	case 3, 4: // GETATTR, SETATTR
		return pack(make([]byte, 16), attributes(node)), 0, false
	case 14, 27: // OPEN, OPENDIR
		return make([]byte, 16), 0, false
	case 15: // READ
		at, size := number.Uint64(body[8:]), uint64(number.Uint32(body[16:]))
		d.mu.Lock()
		defer d.mu.Unlock()
		return bytes.Clone(d.content[min(at, diskSize):min(at+size, diskSize)]), 0, false
	case 16: // WRITE
		size := number.Uint32(body[16:])
		if d.take(int64(number.Uint64(body[8:])), body[40:40+size]) != nil {
			return nil, unix.EIO, false
		}
		return pack(size, uint32(0)), 0, false
	case 20: // FSYNC
		if d.flush() != nil {
			return nil, unix.EIO, false
		}
	case 17: // STATFS
		return make([]byte, 80), 0, false
	case 18, 25, 29, 34, 38: // RELEASE, FLUSH, RELEASEDIR, ACCESS, DESTROY
	case 2, 36, 42: // FORGET, INTERRUPT, BATCH_FORGET
		return nil, 0, true
	default:
		return nil, unix.ENOSYS, false
	}
	return nil, 0, false
}

// attributes is struct fuse_attr.
func attributes(node uint64) []byte {
	mode, size := uint32(unix.S_IFDIR|0o755), uint64(0)
	if node == diskINode {
		mode, size = unix.S_IFREG|0o600, diskSize
	}
	return pack(node, size, size/sector, make([]byte, 36), mode, uint32(1), make([]byte, 12), uint32(4096), uint32(0))
}

func pack(fields ...any) []byte {
	var out []byte
	for _, field := range fields {
		switch field := field.(type) {
		case uint32:
			out = binary.NativeEndian.AppendUint32(out, field)
		case uint64:
			out = binary.NativeEndian.AppendUint64(out, field)
		case []byte:
			out = append(out, field...)
		}
	}
	return out
}

// template is a disk with an empty file system and what the device begins with.
func template(t testing.TB, files map[string][]byte) []byte {
	path := filepath.Join(t.TempDir(), "template")
	require.NoError(t, os.WriteFile(path, make([]byte, diskSize), 0o600))
	sh(t, "mkfs.ext4", "-q", "-b", "1024", "-J", "size=2", path)
	mount := t.TempDir()
	sh(t, "mount", "-o", "loop", path, mount)
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(mount, name), content, 0o755))
	}
	sh(t, "umount", mount)
	image, err := os.ReadFile(path)
	require.NoError(t, err)
	return image
}
