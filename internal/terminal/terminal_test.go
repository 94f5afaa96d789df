package terminal_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

func TestSprintfEscapesWhatIsGiven(t *testing.T) {
	assert.Equal(t, `a\nb: no\u202e, [x\u009b] 7 1m0s`,
		terminal.Sprintf("%s: %v, %v %d %s", "a\nb", errors.New("no\u202e"), []string{"x\u009b"}, 7, time.Minute))
	var b strings.Builder
	terminal.Fprintf(&b, "%-4s|\n", "\x1b")
	assert.Equal(t, "\\x1b|\n", b.String())
}

func TestEscapeLines(t *testing.T) {
	assert.Equal(t, "two:\n\\x1b[2J\none\\r\n", terminal.EscapeLines("two:\n\x1b[2J\none\r\n"))
}

func TestEscapeJSONMeansTheSame(t *testing.T) {
	document, err := json.Marshal(map[string]string{"a": "\u009b\u202e\U000e0041ü\x7f"})
	require.NoError(t, err)
	shown := terminal.EscapeJSON(append(document, '\n'))
	assert.Equal(t, `{"a":"\u009b\u202e\udb40\udc41ü\u007f"}`+"\n", string(shown))
	assert.JSONEq(t, string(document), string(shown))
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"short enough for it":            "short enough for it",
		"a line that is longer than it":  "a line that is longer\nthan it",
		"  in an indented line it hangs": "  in an indented line\n  it hangs",
		"NAME   MEANS\ntea    a drink of leaves, hot":   "NAME   MEANS\ntea    a drink of\n       leaves, hot",
		"a very long first column  x y z w":             "a very long first\ncolumn  x y z w",
		"  ota-agent confirm --plan p-17 --attempt 2":   "  ota-agent confirm --plan p-17 --attempt 2",
		"  for i in 1 2 3; do bin/ota-sim run x & done": "  for i in 1 2 3; do bin/ota-sim run x & done",
		"https://example.com/a/b/c/d/e/f is long":       "https://example.com/a/b/c/d/e/f\nis long",
		"\x1b[31mcoloured\x1b[0m text of 23":            "\x1b[31mcoloured\x1b[0m text of 23",
		"電池 電池 電池 電池 電池 電池 電池 電池 電池":                    "電池 電池 電池 電池 電池 電池 電池\n電池 電池",
	} {
		assert.Equal(t, want, terminal.Wrap(text, 22), text)
	}
}

// FuzzWrap: wrapping moves words, and neither drops nor makes any.
func FuzzWrap(f *testing.F) {
	f.Add("COMPONENT  RUNS\napp        1.0.0 and more", 12)
	f.Add("   \x1b[31m x  ota-", 1)
	f.Fuzz(func(t *testing.T, text string, width int) {
		width = min(max(1, width), 200)
		wrapped := terminal.Wrap(text, width)
		assert.Equal(t, strings.Fields(text), strings.Fields(wrapped))
		assert.GreaterOrEqual(t, strings.Count(wrapped, "\n"), strings.Count(text, "\n"))
	})
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
