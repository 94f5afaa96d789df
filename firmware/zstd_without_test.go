//go:build nozstd

package firmware_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/firmware"
	"otafleet/firmware/firmwaretest"
	"otafleet/internal/ota"
)

// A package that cannot be decoded is refused before a byte of it is fetched.
func TestWithoutZstd(t *testing.T) {
	f := firmwaretest.Plain("app.img", []byte("image"))
	f.Encoding, f.Output = ota.Zstd, &ota.Output{Size: 9}
	job := firmware.Job{Component: "app", Source: "1.0.0", Target: "1.1.0", Files: []ota.File{f}}
	assert.Equal(t, "app.img is encoded with zstd, which this program was built without (tag nozstd)",
		firmwaretest.RequireCode(t, ota.UnpackFailed, job.Validate()).Detail)
}
