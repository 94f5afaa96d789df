package bundle

import (
	"archive/tar"
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"otafleet/internal/files"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// envelopeName is the first member of a bundle.
const envelopeName = "manifest.json"

// Release is what a bundle is made from.
type Release struct {
	Manifest ota.Manifest // without Files, which Create fills in
	Files    []string     // paths, 1 to ota.MaxFiles
	Chunk    int64        // bytes; 0 means as many as suit the size of each file
	Zstd     bool         // compress the files
	// From are the files that run before, one for each of Files: patches are made
	// from them. None for a package without patches.
	From []string
	// Patches are patches that the bsdiff command has made, one for each of Files;
	// none to have them made.
	Patches []string
	Memory  int64 // bytes that making a patch may take; 0 means DefaultMemory
	Keys    []ed25519.PrivateKey
}

// Create writes a bundle to path and returns its manifest. The file appears
// whole or not at all.
func Create(path string, release Release) (*ota.Manifest, error) {
	if err := release.check(path); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(filepath.Dir(path), ".pack-*")
	if err != nil {
		return nil, fmt.Errorf("cannot make a package: %w", err)
	}
	defer os.RemoveAll(work)

	manifest := release.Manifest
	if manifest.Created.IsZero() {
		manifest.Created = time.Now()
	}
	sources := make([]string, len(release.Files))
	for i, source := range release.Files {
		file, transferred, err := release.prepare(i, source, filepath.Join(work, fmt.Sprint(i)))
		if err != nil {
			return nil, err
		}
		manifest.Files = append(manifest.Files, file)
		sources[i] = transferred
	}
	envelope, err := Seal(&manifest, release.Keys...)
	if err != nil {
		return nil, err
	}
	packed := filepath.Join(work, "bundle")
	if err := write(packed, envelope, &manifest, sources); err != nil {
		return nil, fmt.Errorf("cannot write the package: %w", err)
	}
	if err := os.Rename(packed, path); err != nil {
		return nil, fmt.Errorf("cannot write the package: %w", err)
	}
	return &manifest, nil
}

// check looks for what can be known before any file is read.
func (r *Release) check(path string) error {
	if n := len(r.Files); n < 1 || n > ota.MaxFiles {
		return fmt.Errorf("cannot make a package of %d files: it has 1 to %d", n, ota.MaxFiles)
	}
	if len(r.From) > 0 && len(r.From) != len(r.Files) {
		return fmt.Errorf("cannot make patches of %d files from %d: each needs the one that runs before", len(r.Files),
			len(r.From))
	}
	if n := len(r.Patches); n > 0 && n != len(r.From) {
		return fmt.Errorf("cannot pack %d patches of %d files: give one for each of the files that run before", n,
			len(r.From))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("cannot write the package: %s is a directory; give the name of a file", path)
	}
	return nil
}

// Seal signs a manifest.
func Seal(manifest *ota.Manifest, keys ...ed25519.PrivateKey) (ota.Envelope, error) {
	payload, err := wire.EncodeManifest(manifest)
	if err != nil {
		return ota.Envelope{}, err
	}
	return wire.Sign(wire.ManifestType, payload, keys...)
}

// prepare describes file i and returns the path of the bytes to transfer: the
// file itself, or a compressed copy or a patch at scratch.
func (r *Release) prepare(i int, source, scratch string) (ota.File, string, error) {
	image, err := r.describe(filepath.Base(source), source)
	if err != nil || !r.Zstd && len(r.From) == 0 {
		return image, source, err
	}
	if len(r.From) > 0 {
		return r.preparePatch(i, source, scratch, image)
	}
	if err := compress(source, scratch); err != nil {
		return ota.File{}, "", fmt.Errorf("cannot compress %s: %w", source, err)
	}
	file, err := r.describe(image.Name, scratch)
	if err != nil {
		return ota.File{}, "", err
	}
	file.Encoding = ota.Zstd
	file.Output = &ota.Output{Size: image.Size, SHA256: image.SHA256}
	return file, scratch, nil
}

// describe reads what is at a path, which is transferred under that name.
func (r *Release) describe(name, path string) (ota.File, error) {
	f, err := files.Open(path)
	if err != nil {
		return ota.File{}, fmt.Errorf("cannot read the file to pack: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ota.File{}, fmt.Errorf("cannot read the file to pack: %w", err)
	}
	chunk := r.Chunk
	if chunk == 0 {
		chunk = chunkFor(info.Size(), len(r.Files))
	}
	if info.Size()/maxChunks > chunk {
		return ota.File{},
			fmt.Errorf(
				"cannot pack %s: it has more than %d chunks of %d bytes, whose hashes do not fit into a manifest: use larger "+
					"chunks", path, maxChunks,
				chunk)
	}
	return Describe(name, f, chunk)
}

const (
	// maxChunks is more than a manifest has room for.
	maxChunks = ota.MaxPayload / sha256.Size
	// roomForChunks is what it has room for in any case: in the envelope, a hash takes
	// 57 bytes.
	roomForChunks = 16 << 10
	// manyChunks is how many chunks a file has before larger ones are chosen. A device
	// syncs each, which takes a disk as long as to write 100 KiB or more.
	manyChunks = 1 << 10
	// largeChunk is the largest chunk that is chosen for less syncs, in bytes: a device
	// holds one in memory.
	largeChunk = 1 << 20
)

// chunkFor is the size of the chunks of a file, in bytes: from the default on, doubled
// until they are few, or large, and until the hashes of so many such files fit into one
// manifest.
func chunkFor(size int64, files int) int64 {
	chunk := int64(ota.DefaultChunk)
	for chunk < largeChunk && size > manyChunks*chunk {
		chunk *= 2
	}
	for chunk < ota.MaxChunk && size > roomForChunks/int64(files)*chunk {
		chunk *= 2
	}
	return chunk
}

// compressionWindow bounds the memory that a device needs to decode.
const compressionWindow = 1 << 20

func compress(source, target string) error {
	in, err := files.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	return writeFile(target, func(out io.Writer) error { return Compress(out, in) })
}

// writeFile makes a file of what fill writes.
func writeFile(path string, fill func(io.Writer) error) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(fill(out), out.Close())
}

// write lays out the archive.
func write(path string, envelope ota.Envelope, manifest *ota.Manifest, sources []string) (err error) {
	header, err := wire.EncodeEnvelope(envelope)
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buffered := bufio.NewWriter(out)
	archive := tar.NewWriter(buffered)
	member := func(name string, size int64) error {
		return archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: manifest.Created})
	}
	if err := member(envelopeName, int64(len(header))); err != nil {
		return err
	}
	if _, err := archive.Write(header); err != nil {
		return err
	}
	for i, f := range manifest.Files {
		if err := member(f.Name, f.Size); err != nil {
			return err
		}
		if err := appendFile(archive, sources[i]); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), buffered.Flush(), out.Sync())
}

func appendFile(w io.Writer, path string) error {
	in, err := files.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}
