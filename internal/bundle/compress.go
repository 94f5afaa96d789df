//go:build !nozstd

package bundle

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

// Compress writes what it reads as a zstd frame that devices can decode.
func Compress(w io.Writer, r io.Reader) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(compressionWindow))
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, r); err != nil {
		return err
	}
	return z.Close()
}
