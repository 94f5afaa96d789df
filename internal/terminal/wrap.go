package terminal

import (
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Wrap breaks the lines of a text that have more than width characters, at spaces.
// What follows stands below a column of a table's row, or below the line's
// own text. A word that is longer than a line stays whole, and so does a command
// that can be typed: an indented line with the name of one of the two programs. ANSI
// colours take no room.
func Wrap(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if length(line) > width && !typed(line) {
			lines[i] = wrapLine(line, width)
		}
	}
	return strings.Join(lines, "\n")
}

// typed reports whether a line is a command.
func typed(line string) bool {
	return strings.HasPrefix(line, " ") && slices.ContainsFunc(strings.Fields(line), func(word string) bool {
		program := path.Base(word)
		return program == "ota-agent" || program == "ota-sim"
	})
}

func wrapLine(line string, width int) string {
	hang := strings.Repeat(" ", hanging(line, width))
	var b strings.Builder
	left := width
	for rest := line; rest != ""; {
		spaces := len(rest) - len(strings.TrimLeft(rest, " "))
		word, _, _ := strings.Cut(rest[spaces:], " ")
		rest = rest[spaces+len(word):]
		need := length(word)
		if spaces+need > left && left < width-len(hang) {
			b.WriteString("\n" + hang)
			left, spaces = width-len(hang), 0
		}
		b.WriteString(strings.Repeat(" ", spaces) + word)
		left -= spaces + need
	}
	return b.String()
}

// hanging is where a line goes on: at its own indentation, or at its last column
// that leaves a third of the width.
func hanging(line string, width int) int {
	at, column := 0, 0
	for rest := line; ; {
		text := strings.TrimLeft(rest, " ")
		if column += len(rest) - len(text); column > width*2/3 {
			break
		}
		at = column
		before, after, found := strings.Cut(text, "  ")
		if !found {
			break
		}
		column += length(before)
		rest = "  " + after
	}
	return at
}

// length is the number of characters that a text shows.
func length(text string) int {
	n := 0
	for text != "" {
		if strings.HasPrefix(text, "\x1b[") {
			if end := strings.IndexByte(text, 'm'); end > 0 {
				text = text[end+1:]
				continue
			}
		}
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		n++
	}
	return n
}
