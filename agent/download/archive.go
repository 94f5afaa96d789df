//go:build !noarchive

package download

import (
	"archive/tar"
	"archive/zip"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/hashicorp/go-getter/v2"
	"github.com/klauspost/compress/zstd"

	"otafleet/internal/files"
)

// maxWindow is the largest zstd window or xz dictionary, in bytes, that an
// archive may ask memory for: what xz -9 asks.
const maxWindow = 64 << 20

// extract has go-getter unpack an archive that inspect has passed. It is given a
// zip file as it is, since its directory has been counted, and every other archive
// as a plain tar through a pipe: what is compressed is read here, within limits.
func (u Unpacker) extract(archive, format, dir string) error {
	if format == "zip" {
		return (&getter.ZipDecompressor{FileSizeLimit: u.MaxBytes, FilesLimit: u.MaxFiles}).Decompress(dir, archive, true,
			0o022)
	}
	f, err := files.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, err := u.decompress(f, format)
	if err != nil {
		return err
	}
	defer plain.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	fed := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, plain)
		fed <- errors.Join(err, w.Close())
	}()
	// go-getter counts the archive's end as one more entry.
	tarball := &getter.TarDecompressor{FileSizeLimit: u.MaxBytes, FilesLimit: u.MaxFiles + 1}
	err = tarball.Decompress(dir, fmt.Sprintf("/proc/self/fd/%d", r.Fd()), true, 0o022)
	r.Close()
	if feed := <-fed; err == nil && !errors.Is(feed, syscall.EPIPE) {
		err = feed // what follows the end of the tar was of no interest
	}
	return err
}

// most bounds what comes out of a compressed tar: beside the files there are
// headers, and archive/tar bounds each of them.
func (u Unpacker) most() int64 { return u.MaxBytes + int64(u.MaxFiles)*4096 + 1<<20 }

// inspect reads a whole archive and judges its entries. It reads to the end, even
// behind that of the tar in it, so that nothing is left that only the unpacking
// would come to.
func inspect(ctx context.Context, archive, format string, seen *contents) error {
	if format == "zip" {
		return inspectZip(ctx, archive, seen)
	}
	f, err := files.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, err := seen.limits.decompress(f, format)
	if err != nil {
		return err
	}
	defer plain.Close()
	limited := &io.LimitedReader{R: heedful{ctx, plain}, N: seen.limits.most()}
	if err := inspectTar(limited, seen); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, limited); err != nil {
		return err
	}
	if limited.N == 0 {
		return fmt.Errorf("its files have more than %d bytes", seen.limits.MaxBytes)
	}
	return nil
}

// heedful reads until ctx ends.
type heedful struct {
	ctx context.Context
	r   io.Reader
}

func (h heedful) Read(p []byte) (int, error) {
	if err := h.ctx.Err(); err != nil {
		return 0, err
	}
	return h.r.Read(p)
}

// decompress opens the compression around a tar archive.
func (u Unpacker) decompress(r io.Reader, format string) (io.ReadCloser, error) {
	switch {
	case strings.HasSuffix(format, "gz"):
		return gzip.NewReader(r)
	case strings.HasSuffix(format, "zst"):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case strings.HasSuffix(format, "xz"):
		return io.NopCloser(newXZ(r, u.most())), nil
	case strings.HasSuffix(format, "bz2"):
		return io.NopCloser(bzip2.NewReader(r)), nil
	}
	return io.NopCloser(r), nil
}

func inspectTar(r io.Reader, seen *contents) error {
	for entries := tar.NewReader(r); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeXGlobalHeader { // a comment of git archive
			if err := seen.count(); err != nil {
				return err
			}
			continue
		}
		if header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeDir {
			return fmt.Errorf("entry %.100q is neither a file nor a directory", header.Name)
		}
		for key := range header.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse.") {
				return fmt.Errorf("entry %.100q is a sparse file", header.Name)
			}
		}
		if err := seen.add(header.Name, header.FileInfo().Mode(), header.Size); err != nil {
			return err
		}
	}
}

func inspectZip(ctx context.Context, archive string, seen *contents) error {
	f, err := files.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := checkDirectory(f, seen.limits); err != nil {
		return err
	}
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, entry := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if entry.UncompressedSize64 > uint64(seen.limits.MaxBytes) {
			return fmt.Errorf("its files have more than %d bytes", seen.limits.MaxBytes)
		}
		if err := seen.add(entry.Name, entry.Mode(), int64(entry.UncompressedSize64)); err != nil {
			return err
		}
		if err := readEntry(ctx, entry); err != nil {
			return fmt.Errorf("entry %.100q: %w", entry.Name, err)
		}
	}
	return nil
}

// readEntry checks that an entry is as large as it says: go-getter would
// believe it.
func readEntry(ctx context.Context, entry *zip.File) error {
	if entry.Mode().IsDir() {
		return nil
	}
	r, err := entry.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(heedful{ctx, r}, int64(entry.UncompressedSize64)+1))
	if err == nil && n != int64(entry.UncompressedSize64) {
		err = errors.New("its size is not what it says")
	}
	return err
}
