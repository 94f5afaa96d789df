package terminal_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/terminal"
)

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"Prüfsumme 電池 🔋 a\\b \"c\"":  "Prüfsumme 電池 🔋 a\\b \"c\"",
		"\x1b[2J\x1b]0;title\x07":    `\x1b[2J\x1b]0;title\a`,
		"\u009b31m\u0085":            `\u009b31m\u0085`,
		"no\n12:00:00  gw is now ok": `no\n12:00:00  gw is now ok`,
		"a\rb\tc\x00\x7f":            `a\rb\tc\x00\x7f`,
		"abc\u202edcba\u2066\u200f":  `abc\u202edcba\u2066\u200f`,
		"\u2028\u2029\ufeff\u200b":   `\u2028\u2029\ufeff\u200b`,
		"\x9b31m \xff":               `\x9b31m \xff`,
		"\U000e0041":                 `\U000e0041`,
		"�":                          "�",
	} {
		assert.Equal(t, want, terminal.Escape(text))
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("\x1b[31m\u202e")
	f.Add("\x9b \n")
	f.Fuzz(func(t *testing.T, text string) {
		shown := terminal.Escape(text)
		assert.True(t, utf8.ValidString(shown))
		assert.False(t, strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", shown)
		assert.Equal(t, shown, terminal.Escape(shown), "what is escaped stays as it is")
	})
}
