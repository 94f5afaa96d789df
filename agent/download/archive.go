//go:build !noarchive

package download

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/go-getter/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow is the largest zstd window or xz dictionary, in bytes, that an
// archive may ask memory for: what xz -9 asks.
const maxWindow = 64 << 20

// extract lets go-getter unpack an archive that inspect has passed.
func (u Unpacker) extract(archive, format, dir string) error {
	// go-getter counts the archive's end as one more entry.
	decompressor := getter.LimitedDecompressors(u.MaxFiles+1, u.MaxBytes)[format]
	return decompressor.Decompress(dir, archive, true, 0o022)
}

// inspect reads a whole archive and judges its entries.
func inspect(ctx context.Context, archive, format string, seen *contents) error {
	if format == "zip" {
		return inspectZip(ctx, archive, seen)
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, err := decompress(f, format)
	if err != nil {
		return err
	}
	defer plain.Close()
	// Beside the files there are headers; archive/tar bounds each of them.
	most := seen.limits.MaxBytes + int64(seen.limits.MaxFiles)*4096 + 1<<20
	return inspectTar(ctx, io.LimitReader(plain, most), seen)
}

// decompress opens the compression around a tar archive.
func decompress(r io.Reader, format string) (io.ReadCloser, error) {
	switch {
	case strings.HasSuffix(format, "gz"):
		return gzip.NewReader(r)
	case strings.HasSuffix(format, "zst"):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case strings.HasSuffix(format, "xz"):
		return openXZ(r)
	case strings.HasSuffix(format, "bz2"):
		return io.NopCloser(bzip2.NewReader(r)), nil
	}
	return io.NopCloser(r), nil
}

// openXZ opens an xz stream whose first block asks for a bearable dictionary;
// one run of xz gives the same to every block.
func openXZ(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReader(r)
	head, _ := buffered.Peek(64)
	size, err := xzDictionary(head)
	if err != nil {
		return nil, err
	}
	if size > maxWindow {
		return nil, fmt.Errorf("its dictionary has %d bytes, at most %d are allowed", size, maxWindow)
	}
	x, err := xz.NewReader(buffered)
	return io.NopCloser(x), err
}

// xzDictionary finds the dictionary size in the head of an xz file: after the
// stream's header of 12 bytes, the first block's size, flags, optional lengths
// and then its only filter, LZMA2 (id 0x21) with one byte of properties.
func xzDictionary(head []byte) (int64, error) {
	errHead := errors.New("not an xz file of LZMA2 blocks")
	if len(head) < 14 {
		return 0, errHead
	}
	if head[12] == 0 {
		return 0, nil // no block
	}
	flags, rest := head[13], head[14:]
	for _, optional := range []byte{0x40, 0x80} {
		if flags&optional == 0 {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0, errHead
		}
		rest = rest[n:]
	}
	if flags&3 != 0 || len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 {
		return 0, errHead
	}
	return lzma.DecodeDictCap(rest[2])
}

func inspectTar(ctx context.Context, r io.Reader, seen *contents) error {
	for entries := tar.NewReader(r); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue // a comment of git archive
		}
		if header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeDir {
			return fmt.Errorf("entry %.100q is neither a file nor a directory", header.Name)
		}
		if err := seen.add(header.Name, header.FileInfo().Mode(), header.Size); err != nil {
			return err
		}
	}
}

func inspectZip(ctx context.Context, archive string, seen *contents) error {
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
		if err := readEntry(entry); err != nil {
			return fmt.Errorf("entry %.100q: %w", entry.Name, err)
		}
	}
	return nil
}

// readEntry checks that an entry is as large as it says: go-getter would
// believe it.
func readEntry(entry *zip.File) error {
	if entry.Mode().IsDir() {
		return nil
	}
	r, err := entry.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(r, int64(entry.UncompressedSize64)+1))
	if err == nil && n != int64(entry.UncompressedSize64) {
		err = errors.New("its size is not what it says")
	}
	return err
}
