package yamlform

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxBytes is the size of the largest document that is read.
const MaxBytes = 1 << 20

// Document is a YAML document that is being read, and what was found wrong with
// it so far. It is not safe for concurrent use.
type Document struct {
	name     string
	root     *Map
	maps     []*Map // all that the program has opened and the document gives
	opened   []*Map // these, and those that the document does not give
	problems []Problem
	warnings []Problem

	// Of what compose.go has made of other files and of variables; nil for none.
	files map[*yaml.Node]string // of nodes that are of another file
	notes map[*yaml.Node]string // on nodes, for problems
}

// Parse takes in a document. Whatever is wrong with it, Parse gives a Document
// that can be read; Err then tells. The name stands in front of every problem:
// give the path by which the user knows the file.
func Parse(name string, data []byte) *Document {
	d := &Document{name: name}
	node := d.decode(data)
	if node != nil && !d.wellFormed(node) {
		node = nil
	}
	d.root = d.open(node, node, "")
	return d
}

// Root is the mapping that the document consists of.
func (d *Document) Root() *Map { return d.root }

// Err ends the reading. It returns every mistake as an *Error, or nil: those
// found by the reads, those reported by the program, and the keys that the
// program has not asked for.
func (d *Document) Err() error {
	problems := append([]Problem(nil), d.problems...)
	for _, m := range d.maps {
		problems = append(problems, m.unknownKeys()...)
	}
	if len(problems) == 0 {
		return nil
	}
	problems = inOrder(problems)
	n := min(len(problems), MaxProblems)
	return &Error{Name: d.name, Problems: problems[:n], More: len(problems) - n}
}

// Warnings returns what Map.Warnf has collected, one printed line each, in the
// document's order.
func (d *Document) Warnings() []string { return describe(d.name, inOrder(d.warnings)) }

// Known lists the keys that the program has asked for, with their places, in the
// order of the alphabet. Keys below which there are others are left out; of lists
// of mappings the document must have an entry, whose number is left out too.
func (d *Document) Known() []string {
	known := make(map[string]bool)
	for _, m := range d.opened {
		for _, key := range m.asked {
			known[withoutNumbers(join(m.path, key))] = true
		}
	}
	for path := range known {
		for i := range path {
			if path[i] == '.' {
				delete(known, path[:i])
			}
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// withoutNumbers takes the numbers of list entries out of a path.
func withoutNumbers(path string) string {
	for {
		head, rest, found := strings.Cut(path, "[")
		if !found {
			return path
		}
		_, tail, _ := strings.Cut(rest, "]")
		path = head + tail
	}
}

// decode finds the root node: a mapping, the only document of the file.
func (d *Document) decode(data []byte) *yaml.Node {
	if len(data) > MaxBytes {
		d.problem(nil, "", "is %d bytes long; at most %d are read", len(data), MaxBytes)
		return nil
	}
	if p, ok := unreadable(data); ok {
		d.problems = append(d.problems, p)
		return nil
	}
	in := yaml.NewDecoder(bytes.NewReader(data))
	first, err := nextDocument(in)
	if errors.Is(err, io.EOF) {
		d.problem(nil, "", "is empty")
		return nil
	}
	if err != nil {
		d.problems = append(d.problems, syntaxProblem(data, err))
		return nil
	}
	if second, err := nextDocument(in); !errors.Is(err, io.EOF) {
		d.problem(second, "", "goes on after the end of the document; one file holds one document")
	}
	root := first.Content[0]
	if root.Kind != yaml.MappingNode {
		d.problem(root, "", "want keys with values, this is %s", describeKind(root))
		return nil
	}
	return root
}

// nextDocument reads one document node. The YAML library panics on some inputs
// that it does not expect; to a user that is one more syntax error.
func nextDocument(in *yaml.Decoder) (node *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be understood as YAML: %v", r)
		}
	}()
	node = new(yaml.Node)
	if err := in.Decode(node); err != nil {
		return nil, err
	}
	if len(node.Content) == 0 {
		return nil, io.EOF
	}
	return node, nil
}

// open makes the Map of a mapping. A nil node makes one that has no keys; at is
// where problems of keys that are not there are reported.
func (d *Document) open(node, at *yaml.Node, path string) *Map {
	m := &Map{doc: d, node: node, at: at, path: path}
	d.opened = append(d.opened, m)
	if node != nil {
		d.maps = append(d.maps, m)
	}
	return m
}

// problem notes a mistake at a node; nil is the document itself.
func (d *Document) problem(at *yaml.Node, path, format string, args ...any) {
	d.problems = append(d.problems, d.problemAt(at, path, format, args...))
}

func (d *Document) problemAt(at *yaml.Node, path, format string, args ...any) Problem {
	p := Problem{Path: path, Text: fmt.Sprintf(format, args...)}
	if at != nil {
		p.Name, p.Line, p.Column = d.files[at], at.Line, at.Column
		p.Text += d.notes[at]
	}
	return p
}

// describeKind says what a node is, for people.
func describeKind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n) {
		return "empty"
	}
	return "the single value " + quote(n.Value)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
