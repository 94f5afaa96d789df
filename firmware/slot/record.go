package slot

import (
	"fmt"
	"path/filepath"
	"strings"

	"otafleet/firmware"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// record is what the installer must know besides the slots and the boot
// loader's choice. It is replaced as a whole, before what it describes is done.
type record struct {
	Slots [2]*content `json:"slots"` // what each holds; nil where that is unknown

	// The job whose bytes are in the slot Target; empty for none.
	Job     string `json:"job,omitempty"`
	Version string `json:"version,omitempty"` // the job's target version
	Target  Slot   `json:"target"`
	// Attached says that the image is whole and verified, and that its first
	// bytes may be in the slot, so that it could be booted.
	Attached bool `json:"attached,omitempty"`
	Staged   bool `json:"staged,omitempty"` // and that they are
	// Activated says that the boot loader may have been told to start Target.
	Activated bool `json:"activated,omitempty"`
}

// content is a whole image.
type content struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256,omitempty"` // hex; empty for what this installer did not write
	Size    int64  `json:"size,omitempty"`   // bytes
}

// unknown is the version of a slot that neither a file nor the record knows.
const unknown = "unknown"

func (in *Installer) record() firmware.Record[record] {
	return firmware.Record[record]{
		Path: filepath.Join(in.cfg.StateDir, "record.json"), Disk: in.cfg.Disk, Check: (*record).check, Logger: in.log,
	}
}

// check returns an error for a record that names no slot, or an impossible version.
func (r *record) check() error {
	if r.Target != A && r.Target != B {
		return fmt.Errorf("slot %d not found", int(r.Target))
	}
	for s, c := range r.Slots {
		if c != nil && !ota.ValidVersion(c.Version) {
			return fmt.Errorf("slot %s holds no version", Slot(s))
		}
	}
	return nil
}

// belongs reports whether the record is of the job, which is known by its
// target version where it comes without its files.
func (r *record) belongs(job firmware.Job) bool {
	if r == nil || r.Job == "" {
		return false
	}
	if len(job.Files) == 0 {
		return r.Version == job.Target
	}
	return r.Job == job.ID()
}

// version says what the running slot holds.
func (in *Installer) version(rec *record, running Slot) (string, error) {
	switch {
	case in.cfg.VersionFile != "":
		return in.ask()
	case rec == nil:
		return in.cfg.Version, nil
	case rec.Slots[running] == nil:
		return unknown, nil
	}
	return rec.Slots[running].Version, nil
}

// ask reads the version file of the running system.
func (in *Installer) ask() (string, error) {
	data, err := files.Read(in.cfg.VersionFile, maxFlag)
	if err != nil {
		return "", fmt.Errorf("cannot read the version file: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if version := strings.TrimSpace(line); ota.ValidVersion(version) {
		return version, nil
	}
	in.log.Warn("the version file does not begin with a version", "path", in.cfg.VersionFile)
	return unknown, nil
}
