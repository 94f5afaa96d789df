package ota_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3919872: "3.7 MiB", 1 << 30: "1.0 GiB", 1 << 50: "1.0 PiB",
		1 << 62: "4096.0 PiB",
	} {
		assert.Equal(t, want, ota.FormatSize(n))
	}
}

func TestCounted(t *testing.T) {
	for want, n := range map[string]int{"0 files": 0, "1 file": 1, "2 files": 2} {
		assert.Equal(t, want, ota.Counted(n, "file"))
	}
	assert.Equal(t, []string{"2 retries", "1 retry", "2 addresses", "2 switches", "2 keys"},
		[]string{ota.Counted(2, "retry"), ota.Counted(1, "retry"),
			ota.Counted(2, "address"), ota.Counted(2, "switch"), ota.Counted(2, "key")})
}
