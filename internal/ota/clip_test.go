package ota_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

func TestClipKeepsBothEnds(t *testing.T) {
	assert.Equal(t, "abc", ota.Clip("abc", 16))
	assert.Equal(t, "abcd … 234567890", ota.Clip("abcdefghijklmnopqrstuvwxyz1234567890", 18))
	assert.Equal(t, "a\uFFFD", ota.Clip("a\xff", 16), "one sign for all bytes in a row that are none")
	for most := 16; most < 2000; most++ {
		for _, letter := range []string{"x", "ü", "😀"} {
			long := "stage: " + strings.Repeat(letter, 2000) + "end"
			got := ota.Clip(long, most)
			assert.True(t, utf8.ValidString(got))
			assert.LessOrEqual(t, len(got), most)
			assert.Greater(t, len(got), most-2*utf8.UTFMax)
			assert.True(t, strings.HasPrefix(got, "sta") && strings.HasSuffix(got, "end"), got)
			assert.Equal(t, got, ota.Clip(got, most), "what fits stays")
		}
	}
}
