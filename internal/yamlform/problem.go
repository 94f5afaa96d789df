package yamlform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxProblems is how many mistakes an Error lists; the rest are counted.
const MaxProblems = 100

// Problem is one mistake, or one thing that deserves a warning.
type Problem struct {
	Line, Column int    // from 1; 0 if unknown
	Path         string // such as broker.urls[0]; empty for the document itself
	Text         string // what is wrong and what would be right
}

// String gives the place within the document and the text: "12:5: broker.urls: …".
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, "%d:", p.Column)
		}
		b.WriteByte(' ')
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Error is every mistake of a document.
type Error struct {
	Name     string    // of the document
	Problems []Problem // in the document's order, at most MaxProblems
	More     int       // how many further ones there are
}

// Error prints one problem a line: "agent.yaml:12:5: broker.urls: …".
func (e *Error) Error() string {
	lines := describe(e.Name, e.Problems)
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("%s: … and %d more", e.Name, e.More))
	}
	return strings.Join(lines, "\n")
}

// describe prints each problem on its own line, after the document's name.
func describe(name string, problems []Problem) []string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = name + ":"
		if p.Line == 0 {
			lines[i] += " "
		}
		lines[i] += p.String()
	}
	return lines
}

// inOrder sorts problems by their place in the document.
func inOrder(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return problems
}
