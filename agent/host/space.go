package host

import (
	"golang.org/x/sys/unix"

	"otafleet/firmware/slot"
)

// stateSpace is what the state needs to be written anew, in bytes. A device that
// has less accepts nothing.
const stateSpace = 128 << 10

// Space finds what a plan's condition on space is held against: the most bytes that
// one package can take, since a plan names the size of its largest and not where
// that goes. What does not fit where its own component is written is found out when
// its manifest is here.
type Space struct {
	State string   // directory of the state, and of packages that are written nowhere else
	Dirs  []string // where files are staged, beside the live ones
	Slots []string // devices, of which one is free
}

// Most is the space in bytes; nil if it is unknown.
func (s Space) Most() *int64 {
	most := FreeBytes(s.State)
	if most == nil || *most < stateSpace {
		return most
	}
	for _, dir := range s.Dirs {
		if free := FreeBytes(dir); free != nil {
			*most = max(*most, *free)
		}
	}
	for _, device := range s.Slots {
		if size, err := slot.Size(device); err == nil {
			*most = max(*most, size)
		}
	}
	return most
}

// FreeBytes is what the file system of a directory has free; nil if it is unknown.
func FreeBytes(dir string) *int64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return nil
	}
	free := int64(st.Bavail) * int64(st.Frsize)
	return &free
}
