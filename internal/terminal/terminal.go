// Package terminal makes texts from outside safe to show on a terminal.
//
// One flow through it: a device's detail, or a platform's plan name, is put into
// a line for an operator; Escape writes what a terminal would obey, or what would
// show the line in another order, as an escape sequence of Go.
//
// It writes nothing itself, and leaves letters of every script as they are.
package terminal

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns a text in which every character is one that a terminal shows:
// control characters (ESC and U+009B among them), line breaks, formatting ones such
// as U+202E, odd spaces and bytes that are not UTF-8 become \n, \x1b, \u202e and the
// like. The text stays on one line. A backslash stays as it is, so the result is for
// people and cannot be read back.
func Escape(text string) string {
	if !strings.ContainsFunc(text, hidden) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if hidden(r) || r == utf8.RuneError && n == 1 {
			quoted := strconv.QuoteToASCII(text[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// hidden reports whether a character does something else than to stand there.
func hidden(r rune) bool { return !unicode.IsPrint(r) }
