package differ_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
)

// object is a mapping of a scenario file: its keys in their order.
type object []entry

// entry is a key with its value: an object, a list of objects, or a text as the
// file has it.
type entry struct {
	key   string
	value any
}

// add appends a key.
func (o *object) add(key string, value any) { *o = append(*o, entry{key, value}) }

// text is the scenario file: what is in a list at the top has a line of its own.
func (o object) text() []byte {
	var b strings.Builder
	for _, e := range o {
		items, list := e.value.([]object)
		if !list {
			b.WriteString(e.key + ": " + inline(e.value) + "\n")
			continue
		}
		b.WriteString(e.key + ":\n")
		for _, item := range items {
			b.WriteString("  - " + inline(item) + "\n")
		}
	}
	return []byte(b.String())
}

// inline is a value on one line.
func inline(value any) string {
	var parts []string
	switch value := value.(type) {
	case object:
		for _, e := range value {
			parts = append(parts, e.key+": "+inline(e.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []object:
		for _, item := range value {
			parts = append(parts, inline(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return value.(string)
}

// parse reads the document as ota-sim does.
func (o object) parse() (*scenario.Scenario, error) { return scenario.Parse("differ.yaml", o.text()) }

// smaller lists the document without one of its parts, for each part: of lists an
// item, of objects a key, and of fleets all devices but one. The largest parts come
// first. Some of what it lists is no scenario.
func (o object) smaller() []object {
	var lists, keys, counts []object
	for i, e := range o {
		with := func(value any) object {
			changed := slices.Clone(o)
			changed[i].value = value
			return changed
		}
		keys = append(keys, slices.Delete(slices.Clone(o), i, i+1))
		switch value := e.value.(type) {
		case object:
			for _, less := range value.smaller() {
				keys = append(keys, with(less))
			}
		case []object:
			for k := range value {
				lists = append(lists, with(slices.Delete(slices.Clone(value), k, k+1)))
			}
			for k := range value {
				for _, less := range value[k].smaller() {
					items := slices.Clone(value)
					items[k] = less
					keys = append(keys, with(items))
				}
			}
		case string:
			if e.key == "count" && value != "1" {
				counts = append(counts, with("1"))
			}
		}
	}
	return slices.Concat(lists, counts, keys)
}

func TestDocumentsAreScenarios(t *testing.T) {
	t.Parallel()
	doc := object{{"scenario", "differ"}, {"duration", "2s"}, {"fleet", []object{{
		{"name", "a"}, {"count", "2"}, {"product", "gw"},
		{"components", []object{{{"id", "app"}, {"type", "module"}, {"version", `"1"`}}}},
		{"link", object{{"latency", "5ms"}}},
	}}}}
	require.Equal(t, `scenario: differ
duration: 2s
fleet:
  - {name: a, count: 2, product: gw, components: [{id: app, type: module, version: "1"}], link: {latency: 5ms}}
`, string(doc.text()))
	s, err := doc.parse()
	require.NoError(t, err)
	require.Len(t, s.Fleets, 1)

	valid := []string{}
	for _, less := range doc.smaller() {
		if _, err := less.parse(); err == nil {
			valid = append(valid, string(less.text()[len("scenario: differ\nduration: 2s\nfleet:\n  - "):]))
		}
	}
	require.Equal(t, []string{
		`{name: a, count: 1, product: gw, components: [{id: app, type: module, version: "1"}], link: {latency: 5ms}}` + "\n",
		`{name: a, count: 2, product: gw, components: [{id: app, type: module, version: "1"}]}` + "\n",
		`{name: a, count: 2, product: gw, components: [{id: app, type: module, version: "1"}], link: {}}` + "\n",
	}, valid)
}
