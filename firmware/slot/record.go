package slot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"otafleet/firmware"
	"otafleet/internal/files"
	"otafleet/internal/ota"
)

// record is what the installer must know besides the slots and the boot
// loader's choice. It is replaced as a whole, before what it describes is done.
type record struct {
	Slots [2]*content `json:"slots"` // what each holds; nil where nobody knows

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

const (
	maxRecord = 64 << 10 // bytes
	// unknown is the version of a slot that neither a file nor the record knows.
	unknown = "unknown"
)

func (in *Installer) recordPath() string { return filepath.Join(in.cfg.StateDir, "record.json") }

// load reads the record; nil where no job was ever opened. A record that cannot
// be understood is one that knows nothing.
func (in *Installer) load() (*record, error) {
	data, err := files.Read(in.recordPath(), maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil && !files.Foreign(err) {
		return nil, fmt.Errorf("cannot read the record of the slots: %w", err)
	}
	rec := &record{}
	if err == nil {
		rec, err = parseRecord(data)
	}
	if err != nil {
		in.log.Warn("the record of the slots is damaged; what they hold is forgotten", "path", in.recordPath(), "error", err)
		return &record{}, nil
	}
	return rec, nil
}

func parseRecord(data []byte) (*record, error) {
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, err
	}
	if rec.Target != A && rec.Target != B {
		return nil, fmt.Errorf("there is no slot %d", int(rec.Target))
	}
	for s, c := range rec.Slots {
		if c != nil && !ota.ValidVersion(c.Version) {
			return nil, fmt.Errorf("slot %s holds no version", Slot(s))
		}
	}
	return &rec, nil
}

func (in *Installer) save(rec *record) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("cannot encode the record of the slots: %w", err)
	}
	if err := in.cfg.Disk.MkdirAll(in.cfg.StateDir); err != nil {
		return err
	}
	return in.cfg.Disk.Replace(in.recordPath(), data)
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
