package yamlform

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Bounds of a document once its aliases are followed: far above what people
// write, far below what hurts. An alias within its own anchor is endless and
// runs into the first.
const (
	maxDepth  = 32
	maxValues = 100_000
)

// wellFormed reports what no document may have, whatever it means: duplicate
// keys, tags, merge keys, keys that are not words. It is false if the document
// is too deep or too large to be read at all.
func (d *Document) wellFormed(root *yaml.Node) bool {
	w := walk{doc: d}
	w.visit(root, "", 0, true)
	switch {
	case w.tooDeep != nil:
		d.problem(w.tooDeep, "", "is nested more than %d deep, counted with what its aliases stand for", maxDepth)
	case w.values > maxValues:
		d.problem(root, "", "has more than %d values, counted with what its aliases stand for", maxValues)
	default:
		return true
	}
	return false
}

type walk struct {
	doc     *Document
	values  int
	tooDeep *yaml.Node
}

// visit checks a node and what is below it. What stands behind an alias is
// counted and not checked again: it is visited where it is written.
func (w *walk) visit(n *yaml.Node, path string, depth int, check bool) {
	w.values++
	if depth > maxDepth && w.tooDeep == nil {
		w.tooDeep = n
	}
	if w.tooDeep != nil || w.values > maxValues {
		return
	}
	if check && n.Style&yaml.TaggedStyle != 0 {
		w.doc.problem(n, path, "has the tag %s; tags are not supported", quote(n.Tag))
	}
	switch n.Kind {
	case yaml.AliasNode:
		w.visit(n.Alias, path, depth+1, false)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			w.visit(item, index(path, i), depth+1, check)
		}
	case yaml.MappingNode:
		if check {
			w.keys(n, path)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			w.visit(n.Content[i+1], join(path, n.Content[i].Value), depth+1, check)
		}
	}
}

// keys checks the keys of one mapping.
func (w *walk) keys(n *yaml.Node, path string) {
	first := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		w.values++
		switch {
		case key.Kind != yaml.ScalarNode:
			w.doc.problem(key, path, "a key must be a plain word")
		case key.Tag == "!!merge":
			w.doc.problem(key, path,
				"merge keys (<<) are not supported; write the keys out, or use an alias for the whole value")
		case first[key.Value] != nil:
			w.doc.problem(key, join(path, key.Value), "duplicate key, first given in line %d", first[key.Value].Line)
		default:
			first[key.Value] = key
		}
	}
}

func join(path, key string) string {
	key = plain(key)
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// plain shows a key as it is if it is a short word, and quoted otherwise, so
// that a strange one does not garble the message.
func plain(key string) string {
	if q := quote(key); q != `"`+key+`"` {
		return q
	}
	return key
}

// quote shows a piece of the document in a message, cut if it is long.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strconv.Quote(text)
}
