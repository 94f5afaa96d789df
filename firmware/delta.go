package firmware

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"otafleet/internal/bsdiff"
	"otafleet/internal/ota"
)

// Base is the image that a component runs, as a patch reads it: by offset, and
// beside it nothing is held in memory.
type Base struct {
	io.ReaderAt
	size int64
	file *os.File
}

// OpenBase opens the file or block device that holds what runs. A device may be
// larger than the image on it.
func OpenBase(path string) (*Base, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // does not wait at a pipe
	if err != nil {
		return nil, Failf(ota.DeltaFailed, "cannot open the image that runs: %v", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		_ = f.Close() // nothing was written to it
		return nil, Failf(ota.DeltaFailed, "cannot measure the image that runs: %v", err)
	}
	return &Base{ReaderAt: f, size: size, file: f}, nil
}

// Size is how many bytes there are.
func (b *Base) Size() int64 { return b.size }

// Close closes the file or device.
func (b *Base) Close() error { return b.file.Close() }

// section is the base as the patch of a file knows it: as long as the manifest
// says, if it does.
func (b *Base) section(file *ota.File) *io.SectionReader {
	size := b.size
	if file.Base != nil {
		size = min(size, file.Base.Size)
	}
	return io.NewSectionReader(b, 0, size)
}

// CheckBase refuses a job, with code delta_failed, one of whose patches does not
// start from what runs. It reads the whole of what runs, and belongs before a
// download: the device then asks for the full package. Where the manifest does
// not say what a patch starts from, only the result will tell. A job without
// patches does not open the base.
func (j Job) CheckBase(ctx context.Context, open func(context.Context) (*Base, error)) error {
	for i := range j.Files {
		file := &j.Files[i]
		if file.Encoding != ota.BSDiff {
			continue
		}
		base, err := open(ctx)
		if err != nil {
			return err
		}
		err = base.check(ctx, file)
		_ = base.Close() // nothing was written to it
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Base) check(ctx context.Context, file *ota.File) error {
	if file.Base == nil {
		return nil
	}
	err := Verify(ctx, "what runs", b.section(file), *file.Base)
	if err == nil || isContextEnd(err) || ctx.Err() != nil {
		return err
	}
	return Failf(ota.DeltaFailed, "%s does not start from what runs: %v", file.Name, err)
}

// Patch writes the image of file to dst, from the patch in src and the image that
// runs. What it promises is what Decode promises; a patch that does not fit fails
// with code delta_failed. It holds less than 3 MB, whatever the size of the images.
func Patch(ctx context.Context, file *ota.File, base *Base, src io.ReaderAt, dst io.Writer) error {
	if file.Encoding != ota.BSDiff {
		return Decode(ctx, file, src, dst)
	}
	// A patch is short, and its format has parts that do not show in the result.
	if err := Verify(ctx, file.Name, src, ota.Output{Size: file.Size, SHA256: file.SHA256}); err != nil {
		return err
	}
	in, err := bsdiff.NewReader(base.section(file), io.NewSectionReader(src, 0, file.Size), file.Size)
	if err != nil {
		return Failf(ota.DeltaFailed, "cannot apply %s: %v", file.Name, err)
	}
	err = copyImage(file, &contextReader{ctx, in}, dst)
	var failure *ota.Failure
	if errors.As(err, &failure) && failure.Code == ota.UnpackFailed {
		return Failf(ota.DeltaFailed, "%s", failure.Detail)
	}
	return err
}

// PatchFile makes the image of the patch at from as DecodeFile does. open gives
// the image that runs.
func (d Disk) PatchFile(ctx context.Context, file *ota.File, open func(context.Context) (*Base, error),
	from, to string) (*os.File, error) {
	base, err := open(ctx)
	if err != nil {
		return nil, err
	}
	defer base.Close() // nothing was written to it
	return d.makeImage(ctx, file, from, to, func(src io.ReaderAt, dst io.Writer) error {
		return Patch(ctx, file, base, src, dst)
	})
}
