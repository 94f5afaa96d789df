// Package terminal makes texts from outside safe to show on a terminal.
//
// One flow through it: a device's detail, or a platform's plan name, is put into
// a line for an operator; Escape writes what a terminal would obey, or what would
// show the line in another order, as an escape sequence of Go.
//
// Wrap breaks lines that are too long for it.
//
// It knows no terminal itself, and leaves letters of every script as they are.
package terminal

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
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

// Sprintf is fmt.Sprintf for a format of ours with arguments from anywhere: texts,
// lists of them and errors among the arguments are escaped.
func Sprintf(format string, args ...any) string {
	safe := make([]any, len(args))
	for i, arg := range args {
		safe[i] = escaped(arg)
	}
	return fmt.Sprintf(format, safe...)
}

// Fprintf writes what Sprintf gives.
func Fprintf(w io.Writer, format string, args ...any) {
	_, _ = io.WriteString(w, Sprintf(format, args...))
}

// escaped is an argument that may be shown.
func escaped(arg any) any {
	switch arg := arg.(type) {
	case string:
		return Escape(arg)
	case []string:
		all := make([]string, len(arg))
		for i := range arg {
			all[i] = Escape(arg[i])
		}
		return all
	case error:
		return Escape(arg.Error())
	case fmt.Stringer:
		return Escape(arg.String())
	}
	return arg
}

// EscapeLines escapes a text of several lines, each for itself.
func EscapeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Escape(lines[i])
	}
	return strings.Join(lines, "\n")
}

// EscapeJSON writes the hidden characters of a JSON document in JSON's own way, so
// that it means the same and can be shown. The document must be valid.
func EscapeJSON(document []byte) []byte {
	var b []byte
	for _, r := range string(document) { // what is not UTF-8 becomes U+FFFD, as for every reader of JSON
		switch {
		case r == '\n' || !hidden(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}

// hidden reports whether a character does something else than to stand there.
func hidden(r rune) bool { return !unicode.IsPrint(r) }
