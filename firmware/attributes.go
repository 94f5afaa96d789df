package firmware

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Attribute is an extended attribute of a file.
type Attribute struct {
	Name  string
	Value []byte
}

// capability is the attribute that holds a program's capabilities. A change of
// the owner takes it away.
const capability = "security.capability"

// Attributes reads those attributes of an open file or directory that a new
// version of it shall have too: capabilities, labels, access lists and what users
// put there. What describes the old content, such as a signature, is left out.
// A file system without attributes has none.
func Attributes(f *os.File) ([]Attribute, error) {
	names, err := attribute(func(to []byte) (int, error) { return unix.Flistxattr(int(f.Fd()), to) })
	if err != nil {
		return nil, fmt.Errorf("cannot list the attributes of %s: %w", f.Name(), err)
	}
	var all []Attribute
	for name := range strings.SplitSeq(string(names), "\x00") {
		if !survives(name) {
			continue
		}
		value, err := attribute(func(to []byte) (int, error) { return unix.Fgetxattr(int(f.Fd()), name, to) })
		if err != nil {
			return nil, fmt.Errorf("cannot read the attribute %s of %s: %w", name, f.Name(), err)
		}
		all = append(all, Attribute{name, value})
	}
	return all, nil
}

func survives(name string) bool {
	switch name {
	case "security.ima", "security.evm":
		return false // of the old content
	case "system.posix_acl_access", "system.posix_acl_default":
		return true
	}
	return strings.HasPrefix(name, "security.") || strings.HasPrefix(name, "user.")
}

// attribute reads what has at most 64 KiB.
func attribute(read func([]byte) (int, error)) ([]byte, error) {
	value := make([]byte, 64<<10)
	n, err := read(value)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOSYS) {
		return nil, nil
	}
	return bytes.Clone(value[:max(0, n)]), err
}

// SetAttributes gives an open file or directory attributes. A label that the
// kernel does not let the agent set is left to the kernel's own rules.
func (d Disk) SetAttributes(f *os.File, all []Attribute) error {
	for _, a := range all {
		has, err := attribute(func(to []byte) (int, error) { return unix.Fgetxattr(int(f.Fd()), a.Name, to) })
		if err == nil && has != nil && bytes.Equal(has, a.Value) {
			continue
		}
		if err := d.before(OpMode, f.Name()); err != nil {
			return err
		}
		err = unix.Fsetxattr(int(f.Fd()), a.Name, a.Value, 0)
		label := strings.HasPrefix(a.Name, "security.") && a.Name != capability
		switch {
		case err == nil, label && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP)):
		case a.Name == capability && errors.Is(err, unix.EPERM):
			return fmt.Errorf("cannot set the capabilities of %s: the agent needs CAP_SETFCAP for that: %w", f.Name(), err)
		default:
			return fmt.Errorf("cannot set the attribute %s of %s: %w", a.Name, f.Name(), err)
		}
	}
	return nil
}
