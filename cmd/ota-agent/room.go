package main

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware/slot"
)

// stateRoom is what the state needs to be written anew, in bytes. A device that
// has less agrees to nothing.
const stateRoom = 128 << 10

// room finds what a plan's condition on space is held against: the most bytes that
// one package can take, since a plan names the size of its largest and not where
// that goes. What does not fit in its own component's place is found out when its
// manifest is here.
type room struct {
	state string   // directory of the state, and of packages that have no place of their own
	dirs  []string // where files are staged, beside the live ones
	slots []string // devices, of which one is free
}

func newRoom(state string, components []config.Component) room {
	r := room{state: state}
	for i := range components {
		switch c := &components[i]; {
		case c.File != nil:
			r.dirs = append(r.dirs, filepath.Dir(c.File.Path))
		case c.Slot != nil:
			r.slots = append(r.slots, c.Slot.Devices[:]...)
		}
	}
	return r
}

// most is the room in bytes; nil if it cannot be told.
func (r room) most() *int64 {
	most := freeBytes(r.state)
	if most == nil || *most < stateRoom {
		return most
	}
	for _, dir := range r.dirs {
		if free := freeBytes(dir); free != nil {
			*most = max(*most, *free)
		}
	}
	for _, device := range r.slots {
		if size, err := slot.Size(device); err == nil {
			*most = max(*most, size)
		}
	}
	return most
}

func freeBytes(dir string) *int64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return nil
	}
	free := int64(st.Bavail) * int64(st.Frsize)
	return &free
}
