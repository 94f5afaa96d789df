//go:build nozstd

package firmware

import (
	"io"

	"otafleet/internal/ota"
)

// knowsZstd says that this program was built without zstd: it refuses a package
// before it downloads anything of it.
const knowsZstd = false

func unpackZstd(file *ota.File, _ io.Reader, _ io.Writer) error { return validEncoding(file) }
