package ota_test

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

// words are the validators of ids and names, with their longest value.
var words = []struct {
	name    string
	valid   func(string) bool
	longest int
	dots    bool
}{
	{"key", ota.ValidKey, 64, false},
	{"plan id", ota.ValidPlanID, 64, true},
	{"component id", ota.ValidComponentID, 32, true},
	{"file name", ota.ValidFileName, 128, true},
}

func TestIDsAndNames(t *testing.T) {
	for _, w := range words {
		t.Run(w.name, func(t *testing.T) {
			for _, good := range []string{"a", "Z", "0", "_", "-", "gw-200", "A_b-9", strings.Repeat("x", w.longest)} {
				assert.True(t, w.valid(good), good)
			}
			for _, dotted := range []string{"rootfs.img", ".hidden", "...", "a..b", "1.0."} {
				assert.Equal(t, w.dots, w.valid(dotted), dotted)
			}
			for _, bad := range []string{
				"", ".", "..", "/", "a/b", "../a", `a\b`, "a b", "a\n", "a\x00", "a:b", "a*", "a+", "a#", "ä", "а", /* Cyrillic */
				"\xff",
				strings.Repeat("x", w.longest+1), strings.Repeat("x", 1<<20),
			} {
				assert.False(t, w.valid(bad), "%.40q", bad)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	for _, good := range []string{"1", "1.0.0", "3_1", "2026-11 (beta)", "v1/2", "版本一", strings.Repeat("é", 64)} {
		assert.True(t, ota.ValidVersion(good), good)
	}
	for name, bad := range map[string]string{
		"empty": "", "line end": "1\n", "tab": "1\t2", "end of string": "1\x00", "delete": "1\x7f", "C1 control": "1\u0085",
		"line separator": "1\u2028", "writing backwards": "1\u202e2", "byte order mark": "\ufeff1", "no width": "1\u200b",
		"not UTF-8": "1\xff", "replacement": "1\uFFFD", "too long": strings.Repeat("é", 65),
		"far too long": strings.Repeat("1", 1<<20),
	} {
		assert.False(t, ota.ValidVersion(bad), name)
	}
}

// What a validator lets through stays in its directory and can be used in a
// topic, in an environment variable and in a line of a log.
func FuzzValidators(f *testing.F) {
	for _, s := range []string{"", ".", "..", "gw-200", "1.0.0", "../x", "a\x00b", "é", "\xff", strings.Repeat("a", 129)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		dir := filepath.FromSlash("/var/lib/ota")
		for _, w := range words {
			if !w.valid(s) {
				continue
			}
			require.LessOrEqual(t, len(s), w.longest)
			require.Equal(t, dir, filepath.Dir(filepath.Join(dir, s)), "%s %q leaves its directory", w.name, s)
			require.False(t, strings.ContainsAny(s, "/\\+#\x00 \n"))
			require.True(t, ota.ValidFileName(s) && ota.ValidVersion(s) || len(s) > ota.MaxVersion)
		}
		if ota.ValidVersion(s) {
			require.True(t, utf8.ValidString(s))
			require.NotEmpty(t, s)
			require.LessOrEqual(t, utf8.RuneCountInString(s), ota.MaxVersion)
			require.False(t, strings.ContainsAny(s, "\x00\n\r\t\x1b"))
		}
	})
}
