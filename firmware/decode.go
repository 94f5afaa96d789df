package firmware

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"otafleet/internal/ota"
)

// Decode writes the image of file to dst, from the transferred bytes in src.
// It never writes more than the size that the manifest gives, and succeeds only
// if size and digest of the image are right; until then dst is not to be used.
//
// It fails with code digest_mismatch where the bytes in src are not the ones
// that were signed (fetching them again helps), with unpack_failed where the
// package itself is wrong, with delta_failed for a patch, which needs Patch, and
// with write_failed or space_low where dst cannot be written.
func Decode(ctx context.Context, file *ota.File, src io.ReaderAt, dst io.Writer) error {
	in := &contextReader{ctx, io.NewSectionReader(src, 0, file.Size)}
	var err error
	switch file.Encoding {
	case ota.Plain:
		err = copyImage(file, in, dst)
	case ota.Zstd:
		err = unpackZstd(file, in, dst)
	default:
		return Failf(ota.DeltaFailed, "%s: encoding %s is not supported by this installer", file.Name, file.Encoding)
	}
	var failure *ota.Failure
	if !errors.As(err, &failure) || failure.Code != ota.UnpackFailed {
		return err
	}
	// The blame is the package's only if its transferred bytes are the signed ones.
	if bad := Verify(ctx, file.Name, src, ota.Output{Size: file.Size, SHA256: file.SHA256}); bad != nil {
		return bad
	}
	return err
}

// copyImage copies at most the image's size and checks size and digest.
func copyImage(file *ota.File, in io.Reader, dst io.Writer) error {
	image := file.Image()
	digest := sha256.New()
	out := &imageWriter{dst: dst}
	n, err := io.Copy(io.MultiWriter(out, digest), io.LimitReader(in, image.Size))
	if out.err != nil {
		return WriteFailure(fmt.Errorf("cannot write the image of %s: %w", file.Name, out.err))
	}
	if err != nil {
		return unpackFailure(file, err)
	}
	if n < image.Size {
		return Failf(ota.UnpackFailed, "%s gives %d bytes, the manifest says %d", file.Name, n, image.Size)
	}
	if extra, err := io.CopyN(io.Discard, in, 1); extra > 0 {
		return Failf(ota.UnpackFailed, "%s gives more than the %d bytes of the manifest", file.Name, image.Size)
	} else if !errors.Is(err, io.EOF) {
		return unpackFailure(file, err)
	}
	if ota.Digest(digest.Sum(nil)) != image.SHA256 {
		return Failf(ota.UnpackFailed, "%s gives an image with another digest than the manifest says", file.Name)
	}
	return nil
}

func unpackFailure(file *ota.File, err error) error {
	if isContextEnd(err) {
		return err
	}
	return Failf(ota.UnpackFailed, "cannot decode %s: %v", file.Name, err)
}

// Verify reads size bytes of r and compares their digest; r must end there. It
// fails with code digest_mismatch.
func Verify(ctx context.Context, name string, r io.ReaderAt, want ota.Output) error {
	digest := sha256.New()
	// One byte more than wanted shows a file that is too long.
	n, err := io.Copy(digest, &contextReader{ctx, io.NewSectionReader(r, 0, want.Size+1)})
	switch {
	case err != nil:
		return fmt.Errorf("cannot read %s: %w", name, err)
	case n != want.Size:
		return Failf(ota.DigestMismatch, "%s has not the %d bytes of the manifest", name, want.Size)
	case ota.Digest(digest.Sum(nil)) != want.SHA256:
		return Failf(ota.DigestMismatch, "%s has another digest than the manifest says", name)
	}
	return nil
}

// VerifyFile verifies the file at path, from the disk and not from the memory
// that it was written through.
func VerifyFile(ctx context.Context, name, path string, want ota.Output) error {
	f, err := OpenVerified(ctx, name, path, want)
	if err != nil {
		return err
	}
	return f.Close()
}

// OpenVerified opens the file at path, and verifies it as VerifyFile does: the
// bytes are right in this file, whatever has its name later.
func OpenVerified(ctx context.Context, name, path string, want ota.Output) (*os.File, error) {
	f, err := openWritten(name, path)
	if err != nil {
		return nil, err
	}
	return verified(ctx, name, f, want)
}

// verified verifies an open file, which it closes where that fails.
func verified(ctx context.Context, name string, f *os.File, want ota.Output) (*os.File, error) {
	// Only advice, and only pages already synced are dropped: no error matters.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	if err := Verify(ctx, name, f, want); err != nil {
		_ = f.Close() // its bytes are of no use
		return nil, err
	}
	return f, nil
}

// DecodeFile decodes the transferred file at from into the file to, which it
// makes anew and durable. The image is then read back and verified, and is open.
func (d Disk) DecodeFile(ctx context.Context, file *ota.File, from, to string) (*os.File, error) {
	return d.makeImage(ctx, file, from, to, func(src io.ReaderAt, dst io.Writer) error {
		return Decode(ctx, file, src, dst)
	})
}

// makeImage makes the image of a file by means of decode.
func (d Disk) makeImage(ctx context.Context, file *ota.File, from, to string,
	decode func(io.ReaderAt, io.Writer) error) (*os.File, error) {
	src, err := openWritten(file.Name, from)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	// A decoder takes a megabyte or two: what the download has left goes first, so
	// that the device need not have both.
	debug.FreeOSMemory()
	if err := d.Clear(to, file.Image().Size); err != nil {
		return nil, WriteFailure(err)
	}
	dst, err := d.Create(to)
	if err != nil {
		return nil, WriteFailure(fmt.Errorf("cannot make the image of %s: %w", file.Name, err))
	}
	err = decode(src, io.NewOffsetWriter(dst, 0))
	if err == nil {
		err = WriteFailure(dst.Sync())
	}
	if err == nil {
		err = WriteFailure(d.Sync(filepath.Dir(to)))
	}
	if err != nil {
		_ = dst.Close() // the first error says more
		return nil, err
	}
	return verified(ctx, file.Name, dst.file, file.Image())
}

func openWritten(name, path string) (*os.File, error) {
	f, err := OpenRead(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Failf(ota.DigestMismatch, "%s is not there", name)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	return f, nil
}

// contextReader stops reading when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// imageWriter remembers the error of dst, to tell it from one of the decoder.
type imageWriter struct {
	dst io.Writer
	err error
}

func (w *imageWriter) Write(p []byte) (int, error) {
	n, err := w.dst.Write(p)
	w.err = err
	return n, err
}

func isContextEnd(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
