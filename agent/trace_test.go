package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trace is one case of a file in testdata/traces:
//
//	the name of the case
//	  given how the device came here, in the words of newDriver
//	  an input, in the words of play   -> what the machine says to it
//	                                   -> to the timers that ring meanwhile, one line each
//
// An input without an arrow gives the machine nothing. "-" is an answer without a word.
// What is too long for a line goes on in the next one. Comments begin with # and are
// kept.
type trace struct {
	comment string // with the empty line before it
	name    string
	setup   string
	words   []string
	text    string // all of it, as it stands in the file
}

// runTraces plays every trace of a file. With -update it writes what it has seen into
// the file, to be read in the difference.
func runTraces(t *testing.T, name string) {
	path := filepath.Join("testdata", "traces", name+".txt")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	names, seen := map[string]bool{}, ""
	for _, row := range parseTraces(string(content)) {
		text := row.text // of a trace that is not run now
		assert.False(t, names[row.name], "two traces are called %q", row.name)
		names[row.name] = true
		t.Run(row.name, func(t *testing.T) {
			text = row.play(t)
			if !*update {
				assert.Equal(t, row.text, text, "go test ./agent -update writes down what is said now")
			}
		})
		seen += row.comment + text
	}
	require.NotEmpty(t, names)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(seen), 0o644))
	}
}

func parseTraces(content string) (all []trace) {
	comment := ""
	for line := range strings.Lines(content) {
		last := len(all) - 1
		setup, isSetup := strings.CutPrefix(line, "  given ")
		switch {
		case strings.TrimSpace(line) == "" || line[0] == '#':
			comment += line
			continue
		case line[0] != ' ':
			all = append(all, trace{comment: comment, name: strings.TrimSpace(line)})
			comment, last = "", last+1
		case isSetup:
			all[last].setup = strings.TrimSpace(setup)
		case line[2] != ' ':
			word, _, _ := strings.Cut(line, arrow)
			all[last].words = append(all[last].words, strings.TrimSpace(word))
		}
		all[last].text += line
	}
	return all
}

const (
	arrow  = "-> "
	column = 24  // at which arrows stand
	widest = 110 // the columns of a line
)

// play plays the trace and writes it down.
func (row *trace) play(t *testing.T) string {
	d := newDriver(t, row.setup)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  given %s\n", row.name, row.setup)
	for _, word := range row.words {
		d.groups = nil
		d.word(word)
		line := "  " + word
		for _, group := range d.groups {
			writeGroup(&b, line, group)
			line = ""
		}
		if len(d.groups) == 0 {
			fmt.Fprintln(&b, line)
		}
	}
	return b.String()
}

// writeGroup writes what the machine says to one input.
func writeGroup(b *strings.Builder, line, group string) {
	line = fmt.Sprintf("%-*s %s", column, line, arrow)
	indent := strings.Repeat(" ", column+1+len(arrow))
	words := strings.Fields(group)
	if len(words) == 0 {
		words = []string{"-"}
	}
	for i, word := range words {
		if i > 0 && utf8.RuneCountInString(line)+1+len(word) > widest {
			fmt.Fprintln(b, strings.TrimRight(line, " "))
			line = indent
		}
		line += word + " "
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}
