package yamlform_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/yamlform"
)

// variables are those of the tests.
func variables(name string) (yamlform.Variable, error) {
	text, known := map[string]string{
		"n": "5", "word": "tea", "empty": "", "null": "null", "tricky": "a: {b, [c", "lines": "one\ntwo", "again": "$(word)",
		"hash": "x # y",
	}[name]
	if !known {
		return yamlform.Variable{}, errors.New("there is no variable " + name)
	}
	return yamlform.Variable{Text: text, Origin: "of the test"}, nil
}

// read reads the text of a key.
func read(m *yamlform.Map, key string) (text string) {
	yamlform.Value(m, key, &text, func(t string) (string, error) { return t, nil })
	return text
}

// TestExpand puts texts into values, which never become anything but text.
func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		`a: $(n)`:              "5",
		`a: "$(n)"`:            "5",
		`a: $(word)-$(n)`:      "tea-5",
		`a: x$(empty)y`:        "xy",
		`a: $(empty)`:          "",
		`a: $(null)`:           "null",
		`a: $(tricky)`:         "a: {b, [c",
		`a: $(lines)`:          "one\ntwo",
		`a: $(again)`:          "$(word)",
		`a: $(hash)`:           "x # y",
		`a: $$(n) and $(n)`:    "$(n) and 5",
		`a: $n (n) $`:          "$n (n) $",
		"a: |\n  $(word)\n":    "tea\n",
		"b: &b $(n)\na: *b\n":  "5",
		"a: &b $(word)\nb: *b": "tea",
	} {
		doc := yamlform.Parse("tea.yaml", []byte(text))
		doc.Expand(variables)
		assert.Equal(t, want, read(doc.Root(), "a"), text)
		read(doc.Root(), "b")
		require.NoError(t, doc.Err(), text)
		again, err := doc.Text()
		require.NoError(t, err, text)
		assert.Equal(t, want, read(yamlform.Parse("again.yaml", again).Root(), "a"), "%s became %s", text, again)
	}
}

func TestExpandMistakes(t *testing.T) {
	for text, want := range map[string]string{
		`a: $(m)`:      `tea.yaml:1:4: a: there is no variable m`,
		`a: $(n`:       `tea.yaml:1:4: a: "$(n" lacks its closing bracket; want $(name), or $$( for the very text $(`,
		`{$(n): 1}`:    `tea.yaml:1:2: $(n): a variable may be a value, and no key`,
		"a:\n  - $(m)": `tea.yaml:2:5: a[0]: there is no variable m`,
	} {
		doc := yamlform.Parse("tea.yaml", []byte(text))
		doc.Expand(variables)
		assert.ErrorContains(t, doc.Err(), want, text)
	}
}

// TestExpandIsBounded holds that variables cannot make more than a document may have.
func TestExpandIsBounded(t *testing.T) {
	big := strings.Repeat("x", yamlform.MaxBytes/2)
	doc := yamlform.Parse("tea.yaml", []byte("a: $(v)\nb: $(v)\nc: $(v)$(v)$(v)\n"))
	doc.Expand(func(string) (yamlform.Variable, error) { return yamlform.Variable{Text: big}, nil })
	for _, key := range []string{"a", "b", "c"} {
		read(doc.Root(), key)
	}
	assert.EqualError(t, doc.Err(), "tea.yaml:3:4: c: more than 1048576 bytes come of variables")
}

// TestANoteOnAVariable says where a wrong value comes from.
func TestANoteOnAVariable(t *testing.T) {
	doc := yamlform.Parse("tea.yaml", []byte("cups: $(word)"))
	doc.Expand(variables)
	var cups int
	doc.Root().Int("cups", &cups, 1, 9)
	assert.EqualError(t, doc.Err(),
		`tea.yaml:1:7: cups: "tea" is not a whole number ($(word) is "tea", of the test)`)
}

// TestJoin puts the parts of a document together, and finds what is given twice.
func TestJoin(t *testing.T) {
	doc := yamlform.Parse("tea.yaml", []byte("list: &l [1]\nother: *l\nmap: {a: 1, deep: {list: [x]}}\none: 1\n"))
	part := yamlform.Parse("part.yaml",
		[]byte("list: [2, &t 3, *t]\nmap: {b: 2,\n  a: 3, deep: {list: [y], c: 4}}\none: 2\nnew: [n]\nmore: 1\nmap2: 2"))
	assert.True(t, doc.Join(part, "list", "map", "one", "new"))
	root := doc.Root()
	var list, other, deep, added []string
	root.Texts("list", &list, 0, 9, yamlform.Line)
	root.Texts("other", &other, 0, 9, yamlform.Line)
	root.Texts("new", &added, 0, 9, yamlform.Line)
	m := root.Map("map")
	below := m.Map("deep")
	below.Texts("list", &deep, 0, 9, yamlform.Line)
	assert.Equal(t, []string{"1", "2", "3", "3"}, list)
	assert.Equal(t, []string{"1"}, other, "the list of which the other one is a copy has not grown")
	assert.Equal(t, []string{"x", "y"}, deep)
	assert.Equal(t, []string{"n"}, added)
	assert.Equal(t, "1", read(m, "a"))
	assert.Equal(t, "2", read(m, "b"))
	assert.Equal(t, "part.yaml:3:30", below.Where("c"))
	read(root, "one")
	assert.EqualError(t, doc.Err(), strings.Join([]string{
		"part.yaml:3:6: map.a: is given already, at tea.yaml:3:10",
		"part.yaml:4:6: one: is given already, at tea.yaml:4:6",
		`part.yaml:6:1: more: is no key of a part; did you mean "one"?`,
		`part.yaml:7:1: map2: is no key of a part; did you mean "map"?`,
	}, "\n"))
}

// TestJoinIsBounded holds that parts cannot make a document of any size.
func TestJoinIsBounded(t *testing.T) {
	many := "list: [" + strings.Repeat("1,", 60_000) + "1]\n"
	doc := yamlform.Parse("tea.yaml", []byte(many))
	part := yamlform.Parse("part.yaml", []byte(many))
	assert.False(t, doc.Join(part, "list"))
	assert.ErrorContains(t, doc.Err(), "part.yaml:1:1: makes the document too large; it may have 100000 values")
}

// TestTextSharesWhatIsLong writes a long text once.
func TestTextSharesWhatIsLong(t *testing.T) {
	table := strings.Repeat("1,2,3\n", 1000)
	doc := yamlform.Parse("tea.yaml", []byte("a: x\nb: x\nc: x\n"))
	for _, key := range []string{"a", "b", "c"} {
		doc.Root().SetText(key, table)
	}
	text, err := doc.Text()
	require.NoError(t, err)
	assert.Less(t, len(text), 2*len(table))
	again := yamlform.Parse("again.yaml", text).Root()
	for _, key := range []string{"a", "b", "c"} {
		assert.Equal(t, table, read(again, key))
	}
}

func TestTextThatIsTooLong(t *testing.T) {
	doc := yamlform.Parse("tea.yaml", []byte("a: x\n"))
	doc.Root().SetText("a", strings.Repeat("x", yamlform.MaxBytes))
	_, err := doc.Text()
	assert.ErrorContains(t, err, "tea.yaml: has 10485")
	assert.ErrorContains(t, err, "at most 1048576 are read")
}

// FuzzText holds that every document that can be read is written as the same one:
// Text compares them itself.
func FuzzText(f *testing.F) {
	for _, text := range []string{
		"a: 1\nb: [x, 'y', \"z\"]\nc: {d: ~, e: }\n", "a: &x |\n  one\n  two\n\nb: *x\n", "a: >-\n  folded\n  text\n",
		"a: ' #'\nb: '- x'\nc: '? x'\nd: \"\\u2028\"\n", "? a\n: b\n", "a: $(n)\nb: $(tricky)\nc: [$(null), \"$(lines)\"]",
		"a: !!str 1", "a: 2026-01-01\nb: 0x10\nc: .inf\nd: <<\n", "a: \"\\ttab\"\nb: \"trailing \"\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc := yamlform.Parse("fuzz.yaml", []byte(text))
		doc.Root().Names()
		doc.Expand(variables)
		if doc.Err() != nil {
			return
		}
		if _, err := doc.Text(); err != nil {
			assert.ErrorContains(t, err, "at most 1048576 are read")
		}
	})
}
