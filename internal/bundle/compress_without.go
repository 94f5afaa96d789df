//go:build nozstd

package bundle

import (
	"errors"
	"io"
)

// Compress fails: this program was built without zstd (tag nozstd).
func Compress(io.Writer, io.Reader) error {
	return errors.New("cannot compress with zstd: this program was built without it (tag nozstd)")
}
