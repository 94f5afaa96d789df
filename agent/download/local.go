package download

import (
	"context"
	"fmt"
	"io"
	"slices"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
)

// copy fills the places from a package file at hand. The operator at the device
// names it, never a platform. What the file says of itself does not count: its
// chunks are held against the hashes of the verified manifest, as those of a
// server are.
func (d *download) copy(ctx context.Context) error {
	b, err := bundle.Open(d.job.Local)
	if err != nil {
		return &ota.Failure{Code: ota.StorageUnavailable, Detail: err.Error()}
	}
	defer b.Close()
	if d.targets, err = newTargets(d.job.Files, d.job.Places); err != nil {
		return err
	}
	if err := d.fetcher.enter(ctx); err != nil {
		return err
	}
	defer d.fetcher.leave()
	d.buf = make([]byte, largestChunk(d.targets))
	for _, t := range d.targets {
		if err := t.scan(ctx, d.buf); err != nil {
			return err
		}
		d.done += t.have
		d.total += t.file.Size
	}
	d.progress()
	for _, t := range d.targets {
		i := slices.IndexFunc(b.Manifest.Files, func(f ota.File) bool {
			return f.Name == t.file.Name && f.Size == t.file.Size
		})
		if i < 0 {
			return &ota.Failure{Code: ota.ManifestMismatch,
				Detail: fmt.Sprintf("%s holds no file %s of %d bytes any more", d.job.Local, t.file.Name, t.file.Size)}
		}
		if err := d.copyFile(ctx, t, b.File(i)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile brings the chunks of one file that are not in place yet.
func (d *download) copyFile(ctx context.Context, t *target, from io.ReaderAt) error {
	for i := range t.chunks.Len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if t.chunks.Kept(i) {
			continue
		}
		d.start()
		offset, length := t.file.ChunkAt(i)
		data := d.buf[:length]
		if n, err := from.ReadAt(data, offset); int64(n) < length {
			return &ota.Failure{Code: ota.StorageUnavailable,
				Detail: fmt.Sprintf("cannot read %s of %s: %v", t.file.Name, d.job.Local, err)}
		}
		if !t.matches(i, data) {
			return &ota.Failure{Code: ota.DigestMismatch,
				Detail: fmt.Sprintf("file %s of %s: chunk %d is not the signed one", t.file.Name, d.job.Local, i)}
		}
		if err := t.write(i, data); err != nil {
			return err
		}
		d.arrived(length)
	}
	return t.finish(ctx, d.buf)
}
