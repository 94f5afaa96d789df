package yamlform

import (
	"cmp"
	"fmt"
	"sort"
	"strings"
)

// MaxProblems is how many mistakes an Error lists; the rest are counted.
const MaxProblems = 100

// Problem is one mistake, or one thing that deserves a warning.
type Problem struct {
	Name         string // of the file, if it is a part of the document
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
		lines[i] = cmp.Or(p.Name, name) + ":"
		if p.Line == 0 {
			lines[i] += " "
		}
		lines[i] += p.String()
	}
	return lines
}

// inOrder sorts problems by their place in the document.
func inOrder(problems []Problem) []Problem {
	b := byPlace{problems, make([]int, len(problems))}
	for i := range b.order {
		b.order[i] = i
	}
	sort.Sort(b)
	return problems
}

// byPlace sorts problems, those of one place as they were found. The sort of
// package slices would be made once more for this type, which takes 5 kB.
type byPlace struct {
	problems []Problem
	order    []int
}

func (b byPlace) Len() int { return len(b.order) }

func (b byPlace) Less(i, k int) bool {
	p, q := &b.problems[i], &b.problems[k]
	return cmp.Or(strings.Compare(p.Name, q.Name), p.Line-q.Line, p.Column-q.Column, b.order[i]-b.order[k]) < 0
}

func (b byPlace) Swap(i, k int) {
	b.problems[i], b.problems[k] = b.problems[k], b.problems[i]
	b.order[i], b.order[k] = b.order[k], b.order[i]
}
