//go:build !nozstd

package firmware

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"otafleet/internal/ota"
)

// knowsZstd says that this program decodes zstd.
const knowsZstd = true

// maxWindow bounds the memory that a zstd frame may ask for, in bytes. It is
// what the zstd program uses up to level 19.
const maxWindow = 8 << 20

func unpackZstd(file *ota.File, in io.Reader, dst io.Writer) error {
	decoder, err := zstd.NewReader(in,
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return unpackFailure(file, err)
	}
	defer decoder.Close()
	return copyImage(file, frames{decoder}, dst)
}

// frames says which memory a frame wants that may not have it.
type frames struct{ *zstd.Decoder }

func (f frames) Read(p []byte) (int, error) {
	n, err := f.Decoder.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		err = fmt.Errorf("it needs a zstd window above %d MiB", maxWindow>>20)
	}
	return n, err
}
