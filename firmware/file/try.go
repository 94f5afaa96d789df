package file

import (
	"errors"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// trySwitch finds out with two empty files whether the file system can do what the
// switch needs, so that one that cannot, such as FAT, costs no download. What a
// cut leaves of it is empty, in places that the job fills or drops.
func (in *Installer) trySwitch() error {
	if !isThere(in.cfg.Path) {
		return nil // a rename is enough
	}
	for _, path := range []string{in.next, in.previous} {
		f, err := in.cfg.Disk.Create(path)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	cannotExchange := in.cfg.Disk.Exchange(in.next, in.previous)
	if cannotExchange != nil && !errors.Is(cannotExchange, firmware.ErrNoExchange) {
		return cannotExchange
	}
	if err := in.cfg.Disk.RemoveAll(in.previous); err != nil {
		return err
	}
	if err := in.tryLink(cannotExchange); err != nil {
		return err
	}
	return in.cfg.Disk.RemoveAll(in.next)
}

// tryLink tries a second name for a file where the switch needs one: instead of an
// exchange, or for the version that waits while the agent itself is on trial.
func (in *Installer) tryLink(cannotExchange error) error {
	onTrial := in.cfg.Restart == firmware.RestartProcess && !in.cfg.Unpack
	if cannotExchange == nil && !onTrial {
		return nil
	}
	err := cannotExchange // a directory has one name only
	if !in.cfg.Unpack {
		err = in.cfg.Disk.Link(in.next, in.previous)
	}
	if err != nil {
		return errors.Join(firmware.Failf(
			ota.InstallerFailed,
			"cannot switch %s here: its file system lacks what would leave no moment without a version: %v; want one such as "+
				"ext4",
			in.cfg.Path, err,
		), in.cfg.Disk.RemoveAll(in.next))
	}
	return in.cfg.Disk.RemoveAll(in.previous)
}
