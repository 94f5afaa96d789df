package yamlform

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Names lists the keys of the mapping, in its order. All of them count as known.
func (m *Map) Names() (names []string) {
	if m.node == nil {
		return nil
	}
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		if key := m.node.Content[i]; key.Kind == yaml.ScalarNode {
			names = append(names, key.Value)
		}
	}
	m.asked = append(m.asked, names...)
	return names
}

// IsBlank reports whether the mapping gives the key without a value.
func (m *Map) IsBlank(key string) bool {
	_, value := m.lookup(key)
	return value != nil && isNull(resolve(value))
}

// Where is the place of a key's value, for people: scenario.yaml:12:5.
func (m *Map) Where(key string) string { return m.doc.where(m.place(key)) }

// Places are those of the single values in the list of a key.
func (m *Map) Places(key string) (places []string) {
	if _, value := m.lookup(key); value != nil {
		for _, item := range resolve(value).Content {
			if item := resolve(item); item.Kind == yaml.ScalarNode && !isNull(item) {
				places = append(places, m.doc.where(item))
			}
		}
	}
	return places
}

func (d *Document) where(at *yaml.Node) string {
	p := d.problemAt(at, "", "")
	if p.Name == "" {
		p.Name = d.name
	}
	return fmt.Sprintf("%s:%d:%d", p.Name, p.Line, p.Column)
}

// File is the name of the part in which a key's value stands; empty for the document itself.
func (m *Map) File(key string) string { return m.doc.files[m.place(key)] }

// Remove takes a key out of the mapping, when it has been read.
func (m *Map) Remove(key string) {
	if m.Has(key) {
		at := valueOf(m.node, key)
		m.node.Content = slices.Delete(m.node.Content, at-1, at+1)
	}
}

// SetText puts a text in the place of the single value of a key, for Document.Text.
func (m *Map) SetText(key, text string) {
	if _, value := m.lookup(key); value != nil {
		setText(resolve(value), text)
	}
}

// setText makes a node a text, whatever it looks like.
func setText(n *yaml.Node, text string) {
	n.Value, n.Tag, n.Style = text, "!!str", yaml.DoubleQuotedStyle
}

// Variable is what stands in the place of $(name).
type Variable struct {
	Text   string
	Origin string // who has given it, for messages
}

// Expand puts the text of a variable in the place of each $(name) in the single
// values of the document; $$( stands for $(. What a value becomes is text, and
// never a key or a list. find gives a variable by its name, or says why there is
// none; what it gives is not expanded again.
func (d *Document) Expand(find func(name string) (Variable, error)) {
	if d.root.node != nil {
		e := expansion{doc: d, find: find}
		e.visit(d.root.node, "")
	}
}

// WarnOf warns, with a text, of each single value that has a part in it.
func (d *Document) WarnOf(part, text string) {
	var visit func(n *yaml.Node, path string)
	visit = func(n *yaml.Node, path string) {
		if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, part) {
			d.warnings = append(d.warnings, d.problemAt(n, path, "%s", text))
		}
		values(n, path, visit)
	}
	if d.root.node != nil {
		visit(d.root.node, "")
	}
}

// values visits the entries of a list, or the values of a mapping. What stands behind an
// alias is visited where it is written.
func values(n *yaml.Node, path string, visit func(n *yaml.Node, path string)) {
	for i, item := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			visit(item, index(path, i))
		case i%2 == 1:
			visit(item, join(path, n.Content[i-1].Value))
		}
	}
}

type expansion struct {
	doc   *Document
	find  func(name string) (Variable, error)
	grown int // bytes of what values have become
}

// visit expands a node and what is below it.
func (e *expansion) visit(n *yaml.Node, path string) {
	switch n.Kind {
	case yaml.ScalarNode:
		e.scalar(n, path)
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			if key := n.Content[i]; strings.Contains(key.Value, "$(") {
				e.doc.problem(key, join(path, key.Value), "a variable may be a value, and no key")
			}
		}
	}
	values(n, path, e.visit)
}

func (e *expansion) scalar(n *yaml.Node, path string) {
	if !strings.Contains(n.Value, "$(") {
		return
	}
	text, notes, err := e.expanded(n.Value)
	if e.grown += len(text); err == nil && e.grown > MaxBytes {
		err = fmt.Errorf("more than %d bytes come of variables", MaxBytes)
	}
	if err != nil {
		e.doc.problem(n, path, "%s", err)
		return
	}
	if setText(n, text); isWhole(text) {
		n.Tag, n.Style = "!!int", 0
	}
	if e.doc.notes == nil {
		e.doc.notes = map[*yaml.Node]string{}
	}
	if notes != nil {
		e.doc.notes[n] = " (" + strings.Join(notes, ", ") + ")"
	}
}

// isWhole reports whether a text is a whole number, which needs no quotes.
func isWhole(text string) bool {
	return text != "" && len(text) < 16 && strings.Trim(text, "0123456789") == "" && (text[0] != '0' || text == "0")
}

// expanded is a text with its variables, and a note on each.
func (e *expansion) expanded(text string) (string, []string, error) {
	var b strings.Builder
	var notes []string
	for b.Len() <= MaxBytes {
		before, rest, found := strings.Cut(text, "$(")
		b.WriteString(before)
		if !found {
			return b.String(), notes, nil
		}
		if strings.HasSuffix(before, "$") { // $$(, of which one $ has been written
			b.WriteString("(")
			text = rest
			continue
		}
		name, rest, closed := strings.Cut(rest, ")")
		if !closed {
			return "", nil, fmt.Errorf("%s lacks its closing bracket; want $(name), or $$( for the very text $(",
				quote("$("+name))
		}
		v, err := e.find(name)
		if err != nil {
			return "", nil, err
		}
		b.WriteString(v.Text)
		notes = append(notes, fmt.Sprintf("$(%s) is %s, %s", name, quote(v.Text), v.Origin))
		text = rest
	}
	return "", nil, fmt.Errorf("more than %d bytes come of variables", MaxBytes)
}

// Join puts what a part has behind what the document has: entries of lists behind
// its entries, keys of mappings beside its keys. Only these keys may be given in a
// part. What is given twice, and is no list, is a mistake, as are all mistakes of the
// part. Join reports whether the document is still small enough to be read.
func (d *Document) Join(part *Document, keys ...string) bool {
	for _, p := range part.problems {
		if p.Name == "" {
			p.Name = part.name
		}
		d.problems = append(d.problems, p)
	}
	if d.root.node == nil || part.root.node == nil {
		return true
	}
	d.adopt(part)
	d.join(d.root.node, part.root.node, "", keys)
	w := walk{doc: d}
	if w.visit(d.root.node, "", 0, false); w.tooDeep == nil && w.values <= maxValues {
		return true
	}
	d.problem(part.root.node, "", "makes the document too large; it may have %d values, counted with those of its parts "+
		"and what aliases stand for", maxValues)
	d.root.node, d.maps = nil, nil
	return false
}

// adopt notes of which file the nodes of a part are.
func (d *Document) adopt(part *Document) {
	if d.files == nil {
		d.files = map[*yaml.Node]string{}
	}
	if d.notes == nil {
		d.notes = map[*yaml.Node]string{}
	}
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		if d.files[n] = part.files[n]; d.files[n] == "" {
			d.files[n] = part.name
		}
		if note := part.notes[n]; note != "" {
			d.notes[n] = note
		}
		for _, below := range n.Content {
			visit(below)
		}
	}
	visit(part.root.node)
}

// join puts the keys of a mapping into another one; with keys, only these.
func (d *Document) join(into, from *yaml.Node, path string, keys []string) {
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, value := from.Content[i], from.Content[i+1]
		below := join(path, key.Value)
		if keys != nil && !slices.Contains(keys, key.Value) {
			d.problem(key, below, "is no key of a part%s", Suggest(key.Value, keys))
			continue
		}
		at := valueOf(into, key.Value)
		if at < 0 {
			into.Content = append(into.Content, key, value)
			continue
		}
		there, more := resolve(into.Content[at]), resolve(value)
		switch {
		case there.Kind != more.Kind || there.Kind == yaml.ScalarNode:
			d.problem(value, below, "is given already, at %s", d.where(there))
		case there.Kind == yaml.SequenceNode:
			into.Content[at] = d.grown(there, more.Content...)
		default:
			into.Content[at] = d.grown(there)
			d.join(into.Content[at], more, below, nil)
		}
	}
}

// valueOf is the place of a key's value among the contents of a mapping; -1 for none.
func valueOf(mapping *yaml.Node, key string) int {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if k := mapping.Content[i]; k.Kind == yaml.ScalarNode && k.Value == key {
			return i + 1
		}
	}
	return -1
}

// grown is a copy of a list or a mapping with more in it: an alias may stand for the
// one that it is a copy of.
func (d *Document) grown(n *yaml.Node, more ...*yaml.Node) *yaml.Node {
	c := *n
	c.Anchor, c.Content = "", slices.Concat(n.Content, more)
	if file := d.files[n]; file != "" {
		d.files[&c] = file
	}
	return &c
}
