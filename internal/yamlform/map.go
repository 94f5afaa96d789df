package yamlform

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Map is a mapping of the document. A Map that the document does not give can
// be read like any other: it has no keys and requires none.
type Map struct {
	doc   *Document
	node  *yaml.Node // nil if the document does not give the mapping
	at    *yaml.Node // where problems of missing keys are reported
	path  string
	asked []string // the keys that the program knows
}

// Given reports whether the document gives the mapping.
func (m *Map) Given() bool { return m.node != nil }

// Has reports whether the mapping gives the key, with or without a value.
func (m *Map) Has(key string) bool {
	_, found := m.lookup(key)
	return found != nil
}

// HasMap reports whether a key's value is a mapping.
func (m *Map) HasMap(key string) bool {
	_, value := m.lookup(key)
	return value != nil && resolve(value).Kind == yaml.MappingNode
}

// Require reports each of the keys that the mapping does not give.
func (m *Map) Require(keys ...string) {
	for _, key := range keys {
		if m.node != nil && !m.Has(key) {
			m.Problemf(key, "is missing")
		}
	}
}

// Problemf reports a mistake in the value of a key, or in its absence.
func (m *Map) Problemf(key, format string, args ...any) {
	m.doc.problem(m.place(key), join(m.path, key), format, args...)
}

// Warnf notes something about the value of a key that is no mistake and should
// be known. See Document.Warnings.
func (m *Map) Warnf(key, format string, args ...any) {
	m.doc.warnings = append(m.doc.warnings, m.doc.problemAt(m.place(key), join(m.path, key), format, args...))
}

// Sound reports whether nothing wrong has been found so far in the mapping and
// below it. What follows from a mistake need not be reported beside it.
func (m *Map) Sound() bool {
	return !slices.ContainsFunc(m.doc.problems, func(p Problem) bool {
		rest, inside := strings.CutPrefix(p.Path, m.path)
		return inside && (m.path == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// Map opens the mapping below a key. Open each mapping once: what one Map has
// not been asked for, it reports as unknown.
func (m *Map) Map(key string) *Map {
	value := m.value(key)
	if value != nil && value.Kind != yaml.MappingNode {
		m.Problemf(key, "want keys with values, this is %s", describeKind(value))
		value = nil
	}
	return m.doc.open(value, m.place(key), join(m.path, key))
}

// Maps opens the list of least to most mappings below a key. The result has one
// Map for each entry, also for one that is something else.
func (m *Map) Maps(key string, least, most int) []*Map {
	items := m.items(key, least, most)
	maps := make([]*Map, len(items))
	for i, item := range items {
		path := index(join(m.path, key), i)
		node := resolve(item)
		if node.Kind != yaml.MappingNode {
			m.doc.problem(item, path, "want keys with values, this is %s", describeKind(node))
			node = nil
		}
		maps[i] = m.doc.open(node, item, path)
	}
	return maps
}

// items gives the entries of the list below a key, none if their number is out
// of bounds.
func (m *Map) items(key string, least, most int) []*yaml.Node {
	value := m.value(key)
	if value == nil {
		return nil
	}
	if value.Kind != yaml.SequenceNode {
		m.Problemf(key, "want a list, this is %s", describeKind(value))
		return nil
	}
	if n := len(value.Content); n < least || n > most {
		word := "entries"
		if n == 1 {
			word = "entry"
		}
		m.Problemf(key, "has %d %s; want %d to %d", n, word, least, most)
		return nil
	}
	return value.Content
}

// value gives what a key stands for, behind aliases; nil if the mapping does not
// give the key or gives it without a value, which is reported.
func (m *Map) value(key string) *yaml.Node {
	_, value := m.lookup(key)
	if value == nil {
		return nil
	}
	value = resolve(value)
	if isNull(value) {
		m.Problemf(key, "has no value; give one or remove the key")
		return nil
	}
	return value
}

// lookup finds a key and its value, and notes that the program knows the key.
func (m *Map) lookup(key string) (name, value *yaml.Node) {
	if !slices.Contains(m.asked, key) {
		m.asked = append(m.asked, key)
	}
	if m.node == nil {
		return nil, nil
	}
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		if k := m.node.Content[i]; k.Kind == yaml.ScalarNode && k.Value == key {
			return k, m.node.Content[i+1]
		}
	}
	return nil, nil
}

// place is where a problem of a key is reported: at its value, which for an
// empty one is at the key, and at the mapping for a key that is not there.
func (m *Map) place(key string) *yaml.Node {
	name, value := m.lookup(key)
	switch {
	case value == nil:
		return m.at
	case isNull(value):
		return name
	}
	return resolve(value)
}

// unknownKeys are the keys that the program has not asked for.
func (m *Map) unknownKeys() []Problem {
	var problems []Problem
	reported := make(map[string]bool)
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		k := m.node.Content[i]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" || slices.Contains(m.asked, k.Value) || reported[k.Value] {
			continue
		}
		reported[k.Value] = true
		problems = append(problems, m.doc.problemAt(k, join(m.path, k.Value), "unknown key%s", Suggest(k.Value, m.asked)))
	}
	return problems
}

// resolve follows aliases; wellFormed has made sure that they end.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}
