package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"otafleet/firmware"
)

// dress is the owner and mode that a new version gets. While it waits it belongs
// to the agent and is closed to everybody else, so that what was verified is what
// goes live; it is dressed by its descriptor when it is live.
type dress struct {
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
	Mode fs.FileMode `json:"mode"`
}

// harmless reports whether no other user could change a file dressed like that. It
// is then dressed before it goes live, and needs nothing after.
func (d dress) harmless() bool { return d.UID == os.Geteuid() && d.Mode&0o022 == 0 }

// wanted is what the new version gets: the owner and mode of what it replaces.
func (in *Installer) wanted() (*dress, error) {
	d := &dress{UID: os.Geteuid(), GID: os.Getegid(), Mode: defaultMode}
	live, err := firmware.OpenName(in.cfg.Path)
	if err == nil {
		defer live.Close() // nothing was written to it
		info, err := live.Stat()
		if err != nil {
			return nil, err
		}
		stat := info.Sys().(*syscall.Stat_t)
		d.UID, d.GID = int(stat.Uid), int(stat.Gid)
		if info.IsDir() == in.cfg.Unpack && info.Mode()&fs.ModeSymlink == 0 {
			d.Mode = info.Mode() & modeBits
		}
		lent, err := in.lent(stat)
		if err != nil {
			return nil, err
		}
		if lent {
			d.Mode &^= fs.ModeSetuid | fs.ModeSetgid
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if in.cfg.Mode != 0 {
		d.Mode = in.cfg.Mode
	}
	return d, nil
}

// lent reports whether what is live may be the program of another user, to which
// the owner of the directory has given a second name: what that one may do is not
// for this application.
func (in *Installer) lent(live *syscall.Stat_t) (bool, error) {
	if live.Mode&syscall.S_IFMT == syscall.S_IFDIR || live.Nlink == 1 {
		return false, nil
	}
	var dir syscall.Stat_t
	err := syscall.Stat(filepath.Dir(in.cfg.Path), &dir)
	return dir.Uid != 0 && int(dir.Uid) != os.Geteuid() || dir.Mode&0o022 != 0, err
}

// prepare does to the staged image what opens it to no one: it gets the attributes of
// what it replaces, and what is inside a directory the owner. A file gets its own
// owner and mode where they are harmless.
func (in *Installer) prepare(next *os.File) error {
	if err := in.copyAttributes(next); err != nil {
		return err
	}
	wanted, err := in.wanted()
	if err != nil {
		return err
	}
	switch {
	case !in.cfg.Unpack && wanted.harmless():
		return in.cfg.Disk.Dress(next, wanted.UID, wanted.GID, wanted.Mode)
	case in.cfg.Unpack && wanted.UID != os.Geteuid():
		return in.cfg.Disk.OwnBelow(next, wanted.UID, wanted.GID)
	}
	return nil
}

func (in *Installer) copyAttributes(next *os.File) error {
	live, err := firmware.OpenRead(in.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
		return nil // nothing, or a link, which has none
	}
	if err != nil {
		return err
	}
	defer live.Close() // nothing was written to it
	info, err := live.Stat()
	if err != nil {
		return err
	}
	if lent, err := in.lent(info.Sys().(*syscall.Stat_t)); err != nil || lent {
		return err
	}
	attributes, err := firmware.Attributes(live)
	if err != nil {
		return err
	}
	return in.cfg.Disk.SetAttributes(next, attributes)
}

// dressLive dresses what has gone live, unless that was done before.
func (in *Installer) dressLive(live *os.File, wanted *dress) error {
	info, err := live.Stat()
	if err != nil || wanted == nil {
		return err
	}
	waiting := fs.FileMode(0o600)
	if info.IsDir() {
		waiting = 0o700
	}
	stat := info.Sys().(*syscall.Stat_t)
	if int(stat.Uid) != os.Geteuid() || info.Mode()&modeBits != waiting || !info.IsDir() && stat.Nlink > 1 {
		return nil
	}
	if err := in.cfg.Disk.Dress(live, wanted.UID, wanted.GID, wanted.Mode); err != nil {
		return err
	}
	return live.Sync()
}
