package cli

import (
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"otafleet/internal/terminal"
)

const (
	defaultColumns = 80  // of a terminal that does not say
	readable       = 100 // the most that a line of running text has
)

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Columns is how many characters fit into a line of the terminal that w is.
func Columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return defaultColumns
}

// Show writes a text for people: for a terminal in lines that fit into it, or into
// COLUMNS if that is set; for everything else as it is.
func Show(w io.Writer, text string) error {
	if IsTerminal(w) {
		text = terminal.Wrap(text, wanted(w))
	}
	_, err := io.WriteString(w, text)
	return err
}

// wanted is how long a line of a terminal may be.
func wanted(w io.Writer) int {
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		return columns
	}
	return Columns(w)
}

// flowing puts the lines of each paragraph behind one another, for a terminal that
// has a width of its own. Indented lines are examples, and stay.
func flowing(w io.Writer, text string) string {
	if !IsTerminal(w) {
		return text
	}
	var b strings.Builder
	runs := false // the line before goes on
	for _, line := range strings.Split(text, "\n") {
		indented := strings.HasPrefix(line, " ")
		switch {
		case runs && line != "" && !indented:
			b.WriteString(" ")
		case b.Len() > 0:
			b.WriteString("\n")
		}
		b.WriteString(line)
		runs = line != "" && !indented
	}
	return terminal.Wrap(b.String(), min(readable, wanted(w)))
}
