package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"otafleet/firmware"
)

// record is what the installer must know besides the names on the disk. It is
// replaced as a whole, before what it describes is made live.
type record struct {
	Job       string `json:"job,omitempty"`       // the job that staged Target
	Source    *image `json:"source,omitempty"`    // what was live before it
	Target    *image `json:"target,omitempty"`    // what it staged
	Activated bool   `json:"activated,omitempty"` // Target may be live
}

// image is one version as it was seen on the disk.
type image struct {
	Version  string   `json:"version"`
	Absent   bool     `json:"absent,omitempty"` // the version is that nothing is there
	Digest   string   `json:"digest,omitempty"` // as contentDigest gives it
	Identity identity `json:"identity,omitzero"`
}

// identity tells without reading it that a file or directory is the one seen
// before. The device number is left out: it may change over a restart.
type identity struct {
	Inode    uint64 `json:"inode"`
	Born     int64  `json:"born"`     // ns since 1970; 0 where the file system does not keep it
	Size     int64  `json:"size"`     // bytes; 0 for a directory
	Modified int64  `json:"modified"` // ns since 1970; 0 for a directory
}

// unknown is the version of content that no record knows.
const unknown = "unknown"

func (in *Installer) recordPath() string { return filepath.Join(in.cfg.StateDir, "record.json") }

// load reads the record; nil where nothing was ever staged. A record that
// cannot be understood is one that knows no version.
func (in *Installer) load() (*record, error) {
	data, err := os.ReadFile(in.recordPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the record of %s: %w", in.cfg.Path, err)
	}
	var rec record
	err = json.Unmarshal(data, &rec)
	if err != nil || rec.Job != "" && (rec.Source == nil || rec.Target == nil) {
		in.log.Warn("the record is damaged; its versions are forgotten", "path", in.recordPath(), "error", err)
		return &record{}, nil
	}
	return &rec, nil
}

func (in *Installer) save(rec *record) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("cannot encode the record of %s: %w", in.cfg.Path, err)
	}
	return in.cfg.Disk.WriteFile(in.recordPath(), data)
}

// belongs reports whether the job, which may come without its files, is the one
// that staged the record's target.
func (r *record) belongs(job firmware.Job) bool {
	return r != nil && r.Job != "" && r.Target.Version == job.Target
}

// version says what is live, in the words of the record.
func (in *Installer) version(ctx context.Context, rec *record) (string, error) {
	if rec == nil {
		return in.cfg.Version, nil
	}
	live, err := in.look(ctx, in.cfg.Path, rec.Target, rec.Source)
	if err != nil || live == nil {
		return unknown, err
	}
	return live.Version, nil
}

// look finds which of the images is at path; nil if none of them. What is not
// known by its identity is read as a whole.
func (in *Installer) look(ctx context.Context, path string, images ...*image) (*image, error) {
	id, err := identify(path)
	if errors.Is(err, fs.ErrNotExist) {
		return find(images, func(i *image) bool { return i.Absent }), nil
	}
	if err != nil {
		return nil, err
	}
	if found := find(images, func(i *image) bool { return !i.Absent && i.Identity == id }); found != nil {
		return found, nil
	}
	digest, err := contentDigest(ctx, path)
	if err != nil {
		return nil, err
	}
	return find(images, func(i *image) bool { return i.Digest == digest }), nil
}

// holds reports whether want is at path. other is the record's second image: it
// may have the same content, and is then told apart by its identity.
func (in *Installer) holds(ctx context.Context, path string, want, other *image) (bool, error) {
	found, err := in.look(ctx, path, want, other)
	return found != nil && found == want, err
}

func find(images []*image, is func(*image) bool) *image {
	for _, i := range images {
		if i != nil && is(i) {
			return i
		}
	}
	return nil
}

// describe notes what is at path as version.
func describe(ctx context.Context, path, version string) (*image, error) {
	id, err := identify(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &image{Version: version, Absent: true}, nil
	}
	if err != nil {
		return nil, err
	}
	digest, err := contentDigest(ctx, path)
	if err != nil {
		return nil, err
	}
	return &image{Version: version, Digest: digest, Identity: id}, nil
}

func identify(path string) (identity, error) {
	var s unix.Statx_t
	const mask = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, mask, &s); err != nil {
		return identity{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	id := identity{Inode: s.Ino}
	if s.Mask&unix.STATX_BTIME != 0 {
		id.Born = nanoseconds(s.Btime)
	}
	if s.Mode&unix.S_IFMT != unix.S_IFDIR {
		id.Size, id.Modified = int64(s.Size), nanoseconds(s.Mtime)
	}
	return id, nil
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }
