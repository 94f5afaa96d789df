package fleet

import "slices"

// The bounds of a device file.
const (
	MaxBytes   = 256 << 20 // of the text
	MaxDevices = 1_000_000
	MaxTags    = 16   // of a device
	maxTag     = 64   // bytes of a tag
	maxLogin   = 1024 // bytes of a user name, a password or a token
	maxPath    = 4096 // bytes of the path of a file
)

// File is a device file. It is not changed after Parse, so it may be shared.
type File struct {
	Name       string   // by which the user knows it, before every mistake
	Components []string // those of which it has a column with versions, in their order
	Devices    []Device // at least one, in the order of the lines
}

// Device is a line of a device file. Texts that the line leaves out are empty.
type Device struct {
	Line     int    // from 1
	Key      string // unique in its file
	Fleet    string // of the scenario, to which the device belongs
	Product  string
	Hardware string
	Versions []string // of File.Components, each empty for what the scenario says; may be shared with other devices
	Tags     []string // sorted, each once
	Login    *Login   // nil for a device that says nothing of itself
}

// Login is how a device proves to a platform who it is. Paths are as they were
// written: whoever opens them decides where they may lead.
type Login struct {
	Username string // empty for the device key

	Password, PasswordFile string // one of them at most; never logged
	Token, TokenFile       string // likewise: of hawkBit's target

	CertFile, KeyFile string // PEM; both or none
}

// Of is the version of a component that the file gives a device; empty for none.
func (f *File) Of(d *Device, component string) string {
	if i := slices.Index(f.Components, component); i >= 0 && i < len(d.Versions) {
		return d.Versions[i]
	}
	return ""
}

// Group is the fleet to which a device belongs: the one that its line names, or
// that of its product.
func (d *Device) Group() string {
	if d.Fleet != "" {
		return d.Fleet
	}
	return d.Product
}

// Tagged reports whether the device has a tag.
func (d *Device) Tagged(tag string) bool {
	_, found := slices.BinarySearch(d.Tags, tag)
	return found
}
