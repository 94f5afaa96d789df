package file

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

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
	Dress     *dress `json:"dress,omitempty"`     // what Target gets when it is live
	// the component's path while Target waits to be confirmed after a restart
	Trial string `json:"trial,omitempty"`
}

// image is one version as it was seen on the disk.
type image struct {
	Version  string   `json:"version"`
	Absent   bool     `json:"absent,omitempty"` // the version is that nothing is there
	Digest   string   `json:"digest,omitempty"` // as contentDigest gives it; empty where its content is too much
	Identity identity `json:"identity,omitzero"`
}

// identity tells without reading it that a file or directory is the one seen
// before. The device number is left out: it may change over a restart.
type identity struct {
	Inode    uint64 `json:"inode"`
	Born     int64  `json:"born"`              // ns since 1970; 0 where the file system or kernel does not keep it
	Size     int64  `json:"size"`              // bytes; 0 for a directory
	Modified int64  `json:"modified"`          // ns since 1970; 0 for a directory
	Changed  int64  `json:"changed,omitempty"` // the same, of what no program can set back; 0 where it was not noted
}

// is reports whether both are of one file that has not changed.
func (id identity) is(other identity) bool {
	return id.was(other) && (id.Changed == other.Changed || id.Changed == 0 || other.Changed == 0)
}

// was is the same for a file that has got another name or owner since.
func (id identity) was(other identity) bool {
	return id.Inode == other.Inode && id.Size == other.Size && id.Modified == other.Modified &&
		(id.Born == other.Born || id.Born == 0 || other.Born == 0)
}

// unknown is the version of content that no record knows.
const unknown = "unknown"

// maxRecord bounds the record, in bytes: extended attributes are nearly all of it.
const maxRecord = 1 << 20

func (in *Installer) record() firmware.Record[record] {
	return recordIn(in.cfg.StateDir, in.cfg.Disk, in.log)
}

// recordIn is the record of the component whose state directory is dir.
func recordIn(dir string, disk firmware.Disk, log *slog.Logger) firmware.Record[record] {
	return firmware.Record[record]{
		Path: filepath.Join(dir, "record.json"), Disk: disk, Limit: maxRecord, Check: (*record).check, Logger: log,
	}
}

// check returns an error for a job without its versions.
func (r *record) check() error {
	if r.Job != "" && (r.Source == nil || r.Target == nil) {
		return errors.New("the job's versions are missing")
	}
	return nil
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
// known by its identity is read as a whole, where it may be one of them.
func (in *Installer) look(ctx context.Context, path string, images ...*image) (*image, error) {
	id, err := identify(path)
	if errors.Is(err, fs.ErrNotExist) {
		return find(images, func(i *image) bool { return i.Absent }), nil
	}
	if err != nil {
		return nil, err
	}
	if found := find(images, func(i *image) bool { return !i.Absent && i.Identity.is(id) }); found != nil {
		return found, nil
	}
	alike := func(i *image) bool { return i.Digest != "" && (isTree(i.Digest) || i.Identity.Size == id.Size) }
	if find(images, alike) == nil {
		return nil, nil
	}
	digest, err := in.digest(ctx, path)
	if err != nil || digest == "" {
		return nil, err
	}
	return find(images, func(i *image) bool { return i.Digest == digest }), nil
}

// digest is the contentDigest, empty where the content cannot tell what it is: it
// is too much, or belongs to an application that is changing it.
func (in *Installer) digest(ctx context.Context, path string) (string, error) {
	digest, err := contentDigest(ctx, path)
	return digest, in.tooMuch(ctx, path, err)
}

// tooMuch gives nil for the error of a digest of what cannot tell what it is.
func (in *Installer) tooMuch(ctx context.Context, path string, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	in.log.Info("a version is not known by its content", "path", path, "error", err)
	return nil
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
func (in *Installer) describe(ctx context.Context, path, version string) (*image, error) {
	id, err := identify(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &image{Version: version, Absent: true}, nil
	}
	if err != nil {
		return nil, err
	}
	digest, err := in.digest(ctx, path)
	if err != nil {
		return nil, err
	}
	return &image{Version: version, Digest: digest, Identity: id}, nil
}

// identify looks at what is at path, whatever it is.
func identify(path string) (identity, error) {
	f, err := firmware.OpenName(path)
	if err != nil {
		return identity{}, err
	}
	defer f.Close() // nothing was written to it
	return identityOf(f)
}

func identityOf(f *os.File) (identity, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	s := info.Sys().(*syscall.Stat_t)
	id := identity{Inode: s.Ino, Born: born(f)}
	if !info.IsDir() {
		id.Size, id.Modified, id.Changed = s.Size, s.Mtim.Nano(), s.Ctim.Nano()
	}
	return id, nil
}

// born is when a file was made; 0 where the file system does not keep that. A
// kernel before 4.11 and filters of system calls know no statx.
func born(f *os.File) int64 {
	var s unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &s)
	if err != nil || s.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return s.Btime.Sec*1e9 + int64(s.Btime.Nsec)
}
