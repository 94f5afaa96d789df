package ota_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3919872: "3.7 MiB", 1 << 30: "1.0 GiB", 1 << 50: "1.0 PiB", 1 << 62: "4096.0 PiB",
	} {
		assert.Equal(t, want, ota.FormatSize(n))
	}
}
