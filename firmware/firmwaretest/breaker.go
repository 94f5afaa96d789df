package firmwaretest

import (
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"

	"otafleet/firmware"
)

// ErrPowerCut is what every change ends in while the power is cut.
var ErrPowerCut = errors.New("the power is cut")

// Breaker cuts the power of an installer that changes files through a
// firmware.Disk. What was written and not synced when it does is lost: such a
// file is filled with zeros under its old time stamp, as a journaling file
// system may leave it. The zero Breaker lets everything happen.
//
// It has the methods CutAt and WasCut of a World, which may embed it.
type Breaker struct {
	// Devices are paths of files that stand for block devices: of these only the
	// bytes are lost that were written and not synced.
	Devices []string

	mu    sync.Mutex
	left  int // changes until the cut; 0 for none
	cut   bool
	dirty map[uint64]*soiled // by inode
}

// soiled is a file that was written and not synced.
type soiled struct {
	*os.File
	writes []firmware.Change // of a device; empty where the whole file is lost
}

// Disk is the disk behind the breaker.
func (b *Breaker) Disk() firmware.Disk { return firmware.Disk{Before: b.before} }

// CutAt arranges that the n-th change from now on does not happen, nor any
// after it until Restore. 0 lets everything happen.
func (b *Breaker) CutAt(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = n
}

// WasCut reports whether the power was cut since the last Restore.
func (b *Breaker) WasCut() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cut
}

// Restore brings the power back.
func (b *Breaker) Restore() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left, b.cut = 0, false
	for inode := range b.dirty {
		b.clean(inode)
	}
}

func (b *Breaker) before(change firmware.Change) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cut {
		return ErrPowerCut
	}
	if b.left > 0 {
		if b.left--; b.left == 0 {
			b.cut = true
			return errors.Join(ErrPowerCut, b.lose())
		}
	}
	switch change.Op {
	case firmware.OpWrite:
		return b.soil(change)
	case firmware.OpSync:
		if info, err := os.Stat(change.Path); err == nil {
			b.clean(info.Sys().(*syscall.Stat_t).Ino)
		}
	}
	return nil
}

// soil remembers a file that is about to be written, by a handle that stays
// with it whatever its name becomes.
func (b *Breaker) soil(change firmware.Change) error {
	f, err := os.OpenFile(change.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	inode, file := info.Sys().(*syscall.Stat_t).Ino, &soiled{File: f}
	if slices.Contains(b.Devices, change.Path) {
		if before := b.dirty[inode]; before != nil {
			file.writes = before.writes
		}
		file.writes = append(file.writes, change)
	}
	b.clean(inode)
	if b.dirty == nil {
		b.dirty = make(map[uint64]*soiled)
	}
	b.dirty[inode] = file
	return nil
}

func (b *Breaker) clean(inode uint64) {
	if f, ok := b.dirty[inode]; ok {
		_ = f.Close() // nothing was written through it
		delete(b.dirty, inode)
	}
}

// lose destroys what was not synced.
func (b *Breaker) lose() error {
	var problems []error
	for inode, f := range b.dirty {
		problems = append(problems, f.lose())
		b.clean(inode)
	}
	return errors.Join(problems...)
}

func (f *soiled) lose() error {
	if len(f.writes) > 0 {
		var problems []error
		for _, w := range f.writes {
			_, err := f.WriteAt(make([]byte, w.Length), w.Offset)
			problems = append(problems, err)
		}
		return errors.Join(problems...)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(make([]byte, info.Size()), 0); err != nil {
		return err
	}
	stamp := syscall.NsecToTimeval(info.ModTime().UnixNano())
	return syscall.Futimes(int(f.Fd()), []syscall.Timeval{stamp, stamp})
}
