package yamlform

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// worthSharing is how long a text is, in bytes, that is written once and referred to.
const worthSharing = 512

// Text writes the document anew, with what its variables and parts have made of it:
// one text, which is read as the same document. Comments are left out, and aliases
// written out. The error says that it has become too long to be read.
func (d *Document) Text() ([]byte, error) {
	w := writing{shared: map[string]*yaml.Node{}}
	root := w.copy(d.root.node)
	text, err := encode(root)
	if err != nil {
		return nil, err
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%s: has %d bytes with its parts and what variables stand for; at most %d are read", d.name,
			len(text), MaxBytes)
	}
	again := Parse(d.name, text)
	if again.root.node == nil || !same(root, again.root.node) {
		return nil, errors.New("internal error: the document is another one when it is written")
	}
	return text, nil
}

// encode writes a node. The YAML library panics on what it cannot write.
func encode(n *yaml.Node) (text []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: the document cannot be written: %v", r)
		}
	}()
	return Write(n)
}

// writing copies a document for being written.
type writing struct {
	shared map[string]*yaml.Node // long texts, by themselves
}

// copy is a node with what is below it, in a form that is written as it is read.
func (w *writing) copy(n *yaml.Node) *yaml.Node {
	n = resolve(n)
	if n.Kind == yaml.ScalarNode {
		return w.share(scalarLike(n))
	}
	c := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Style: n.Style & yaml.FlowStyle}
	for i, below := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			c.Content = append(c.Content, scalarLike(below))
		} else {
			c.Content = append(c.Content, w.copy(below))
		}
	}
	return c
}

// scalarLike is a single value as another one: plain, or in double quotes.
func scalarLike(n *yaml.Node) *yaml.Node {
	c := &yaml.Node{Kind: yaml.ScalarNode, Tag: n.Tag, Value: n.Value}
	switch {
	case isNull(n):
		c.Value = "null"
	case n.Style != 0:
		setText(c, n.Value)
	}
	return c
}

// share is a single value, or what refers to an earlier one that is the same and long.
func (w *writing) share(c *yaml.Node) *yaml.Node {
	if len(c.Value) < worthSharing {
		return c
	}
	if first := w.shared[c.Value]; first != nil {
		return &yaml.Node{Kind: yaml.AliasNode, Value: first.Anchor, Alias: first}
	}
	if isTable(c.Value) {
		c.Style = yaml.LiteralStyle
	}
	c.Anchor = fmt.Sprint("text", len(w.shared)+1)
	w.shared[c.Value] = c
	return c
}

// isTable reports whether a text is lines that YAML can hold as they are.
func isTable(text string) bool {
	return strings.HasSuffix(text, "\n") && !strings.HasSuffix(text, "\n\n") &&
		!strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (r <= ' ' || r >= 0x7f) })
}

// same reports whether two nodes are read as the same.
func same(a, b *yaml.Node) bool {
	a, b = resolve(a), resolve(b)
	if a.Kind != b.Kind || isNull(a) != isNull(b) || a.Value != b.Value && !isNull(a) || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}
