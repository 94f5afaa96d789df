package yamlform_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/yamlform"
)

// garden is a document as a program would read one: each kind of value once.
type garden struct {
	name    string
	mode    string
	open    bool
	beds    int
	rest    time.Duration
	area    int64
	rain    int64
	loss    float64
	tools   []string
	plants  []plant
	shed    string
	hasShed bool
}

type plant struct {
	kind  string
	count int
}

func newGarden() garden { return garden{mode: "wild", beds: 7, rest: time.Minute, area: 512} }

func readGarden(text string) (garden, *yamlform.Document, error) {
	g := newGarden()
	doc := yamlform.Parse("garden.yaml", []byte(text))
	m := doc.Root()
	m.Require("name")
	m.Text("name", &g.name, yamlform.Line)
	yamlform.Enum(m, "mode", &g.mode, "wild", "tidy")
	m.Bool("open", &g.open)
	m.Int("beds", &g.beds, 1, 20)
	m.Duration("rest", &g.rest, time.Second, time.Hour)
	m.Size("area", &g.area, 1, 1<<20)
	m.Rate("rain", &g.rain)
	yamlform.Value(m, "loss", &g.loss, yamlform.ParsePercent)
	m.Texts("tools", &g.tools, 0, 3, yamlform.Line)
	for _, p := range m.Maps("plants", 1, 3) {
		var next plant
		p.Require("kind")
		p.Text("kind", &next.kind, yamlform.Words(func(s string) bool { return s != "weed" }, "want a plant that is planted"))
		p.Int("count", &next.count, 1, 1000)
		g.plants = append(g.plants, next)
	}
	shed := m.Map("shed")
	shed.Require("colour")
	shed.Text("colour", &g.shed, yamlform.Line)
	g.hasShed = shed.Given()
	return g, doc, doc.Err()
}

func TestReadsEveryKindOfValue(t *testing.T) {
	g, doc, err := readGarden(`
name: 1.10
mode: "tidy"
open: true
beds: 12
rest: 1m30s
area: 64KiB
rain: 2MiB/s
loss: 0.5%
tools: [spade, "null"]
plants:
  - &rose {kind: rose, count: 3}
  - *rose
shed: {colour: 3_0}
`)
	require.NoError(t, err)
	assert.Empty(t, doc.Warnings())
	rose := plant{"rose", 3}
	assert.Equal(t, garden{
		name: "1.10", mode: "tidy", open: true, beds: 12, rest: 90 * time.Second, area: 64 << 10, rain: 2 << 20, loss: 0.5,
		tools: []string{"spade", "null"}, plants: []plant{rose, rose}, shed: "3_0", hasShed: true,
	}, g)
}

func TestLeavesDefaultsWhereTheDocumentIsSilent(t *testing.T) {
	g, _, err := readGarden("name: back\n")
	require.NoError(t, err)
	want := newGarden()
	want.name = "back"
	assert.Equal(t, want, g)
}

func TestLeavesDefaultsWhereTheDocumentIsWrong(t *testing.T) {
	g, _, err := readGarden("name: back\nbeds: 21\nmode: neat\nrest: 2h\ntools: [spade, \"\"]\n")
	require.Error(t, err)
	want := newGarden()
	want.name = "back"
	assert.Equal(t, want, g)
}

func TestReportsEveryMistakeAtOnce(t *testing.T) {
	_, _, err := readGarden(`# a garden
mode: tydi
open: yes
beds: 21
beds: 3
rest: 90
area: 2MB
rain: 5
loss: 120%
tools: [spade, saw, {a: b}, rake, hoe]
plants:
  - {kind: weed, cuont: 3}
  - rose
  - count: many
shed:
<<: {a: b}
fence: !wood tall
`)
	require.Error(t, err)
	assert.Equal(t, strings.TrimSpace(`
garden.yaml:2:1: name: is missing
garden.yaml:2:7: mode: "tydi" is not known here; did you mean "tidy"?
garden.yaml:3:7: open: "yes" is neither true nor false
garden.yaml:4:7: beds: 21 is out of bounds; want 1 to 20
garden.yaml:5:1: beds: duplicate key, first given in line 4
garden.yaml:6:7: rest: "90" is not a duration; want a number with a unit, such as 80ms, 30s, 10m or 24h
garden.yaml:7:7: area: "2MB" is not a size; want bytes, or a whole number with a unit, such as 64KiB or 1MiB
garden.yaml:8:7: rain: "5" is not a rate; want a size a second, such as 2MiB/s
garden.yaml:9:7: loss: "120%" is not a percentage; want 0% to 100%, such as 0.5% or 20%
garden.yaml:10:8: tools: has 5 entries; want 0 to 3
garden.yaml:12:12: plants[0].kind: "weed" is not valid; want a plant that is planted
garden.yaml:12:18: plants[0].cuont: unknown key; did you mean "count"?
garden.yaml:13:5: plants[1]: want keys with values, this is the single value "rose"
garden.yaml:14:5: plants[2].kind: is missing
garden.yaml:14:12: plants[2].count: "many" is not a whole number
garden.yaml:15:1: shed: has no value; give one or remove the key
garden.yaml:16:1: merge keys (<<) are not supported; write the keys out, or use an alias for the whole value
garden.yaml:17:1: fence: unknown key; want one of name, mode, open, beds, rest, area, rain, loss, tools, plants, shed
garden.yaml:17:8: fence: has the tag "!wood"; tags are not supported
`), err.Error())

	var all *yamlform.Error
	require.ErrorAs(t, err, &all)
	assert.Equal(t, "garden.yaml", all.Name)
	assert.Len(t, all.Problems, 19)
}

func TestRefusesAKindForAnother(t *testing.T) {
	for text, want := range map[string]string{
		"name: [a]":              "1:7: name: want a single value, this is a list",
		"name: {a: b}":           "1:7: name: want a single value, this is a mapping",
		"name: x\ntools: spade":  `2:8: tools: want a list, this is the single value "spade"`,
		"name: x\ntools: [~]":    "2:9: tools[0]: want a single value, this is empty",
		"name: x\ntools: [[a]]":  "2:9: tools[0]: want a single value, this is a list",
		"name: x\nplants: []":    "2:9: plants: has 0 entries; want 1 to 3",
		"name: x\nplants: [[a]]": "2:10: plants[0]: want keys with values, this is a list",
		"name: x\nshed: green":   `2:7: shed: want keys with values, this is the single value "green"`,
		"name: x\nshed: {}":      "2:7: shed.colour: is missing",
		"name: x\n[a]: b":        "2:1: a key must be a plain word",
		`name: ""`:               `1:7: name: "" is not valid; want one line of 1 to 4096 printable characters`,
		"- name":                 "1:1: want keys with values, this is a list",
		"name":                   `1:1: want keys with values, this is the single value "name"`,
	} {
		_, _, err := readGarden(text)
		require.Error(t, err, text)
		assert.Equal(t, "garden.yaml:"+want, err.Error(), text)
	}
}

func TestSyntaxErrorsHaveALine(t *testing.T) {
	for text, want := range map[string]string{
		"":                      " is empty",
		"# nothing\n":           " is empty",
		"name: x\n---\nname: y": "2:1: goes on after the end of the document; one file holds one document",
		"name: x\n--- [":        " goes on after the end of the document; one file holds one document",
		"name: x\nbeds: >= 9\n": "2: YAML syntax: did not find expected comment or line break; put quotes around",
		"name: @x":              "1: YAML syntax: found character that cannot start any token; put quotes around",
		"name: x\nopen: a: b": "2: YAML syntax: mapping values are not allowed in this context; put quotes " +
			"around",
		"name: x\ntools: [a, b\nopen: no":  "2: YAML syntax: did not find expected ',' or ']'",
		"a: 1\n- b\n":                      "1: YAML syntax: did not find expected key",
		"name: x\nopen: *gate":             "2: YAML syntax: unknown anchor 'gate' referenced",
		"name: x\nopen: \x01":              `2:7: has the control character '\x01'`,
		"name: é\nopen: é\xff":             "2:8: is not UTF-8 text",
		"name: x\nshed: &s {colour: [*s]}": "2:20: is nested more than 32 deep, counted with what its aliases stand for",
	} {
		_, _, err := readGarden(text)
		require.Error(t, err, text)
		assert.True(t, strings.HasPrefix(err.Error(), "garden.yaml:"+want), "%q gives %s", text, err)
		assert.NotContains(t, err.Error(), "\n", text)
	}
}

func TestBoundsTheDocument(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Repeat(alias+", ", 9)+alias)
	}
	for name, text := range map[string]string{
		"is 1048577 bytes long; at most 1048576 are read": strings.Repeat("#", yamlform.MaxBytes+1),
		"has more than 100000 values":                     bomb,
		"is nested more than 32 deep":                     "name: " + strings.Repeat("[", 40) + strings.Repeat("]", 40),
	} {
		_, _, err := readGarden(text)
		require.ErrorContains(t, err, name)
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestListsAtMostAHundredProblems(t *testing.T) {
	var text strings.Builder
	text.WriteString("name: x\n")
	for i := range 110 {
		fmt.Fprintf(&text, "zz%d: 1\n", i)
	}
	_, _, err := readGarden(text.String())
	lines := strings.Split(err.Error(), "\n")
	assert.Len(t, lines, yamlform.MaxProblems+1)
	assert.Equal(t, "garden.yaml: … and 10 more", lines[yamlform.MaxProblems])
}

func TestShowsStrangeTextQuotedAndCut(t *testing.T) {
	_, _, err := readGarden("name: x\n\"a\\nb\": 1\nmode: " + strings.Repeat("y", 500) + "\n")
	require.ErrorContains(t, err, `garden.yaml:2:1: "a\nb": unknown key`)
	assert.ErrorContains(t, err, strings.Repeat("y", 60)+"…")
	assert.Less(t, len(err.Error()), 400)
}

func TestProblemsAndWarningsOfTheProgram(t *testing.T) {
	doc := yamlform.Parse("a.yaml", []byte("b: {c: 1}\nd:\n"))
	m := doc.Root()
	b := m.Map("b")
	assert.True(t, b.Has("c"))
	assert.False(t, b.Has("e"))
	assert.True(t, m.Has("d"))
	m.Warnf("d", "is odd")
	b.Warnf("c", "is even")
	b.Problemf("e", "is needed beside c")
	m.Map("absent").Problemf("x", "cannot be missed")
	assert.Equal(t, []string{"a.yaml:1:8: b.c: is even", "a.yaml:2:1: d: is odd"}, doc.Warnings())
	assert.EqualError(t, doc.Err(), "a.yaml:1:1: absent.x: cannot be missed\na.yaml:1:4: b.e: is needed beside c")
}

func TestSoundIsWhatHasNoMistakeBelow(t *testing.T) {
	m := yamlform.Parse("garden.yaml", []byte("bed: {kind: rose}\nbed2: {rows: [{n: 0}]}\n")).Root()
	first, second := m.Map("bed"), m.Map("bed2")
	row := second.Maps("rows", 1, 1)[0]
	assert.True(t, m.Sound() && first.Sound() && second.Sound() && row.Sound())
	n := 1
	row.Int("n", &n, 1, 2)
	assert.False(t, row.Sound())
	assert.False(t, second.Sound())
	assert.True(t, first.Sound(), "its path is only the beginning of the other one's")
	assert.False(t, m.Sound())
}

func TestErrMayBeAskedTwice(t *testing.T) {
	_, doc, err := readGarden("nmae: x\n")
	assert.EqualError(t, doc.Err(), err.Error())
	assert.ErrorContains(t, err, `unknown key; did you mean "name"?`)
}

func TestTextOfRuleIsTheProblem(t *testing.T) {
	doc := yamlform.Parse("a.yaml", []byte("b: c\n"))
	var s string
	doc.Root().Text("b", &s, func(string) error { return errors.New("is 100% wrong") })
	assert.EqualError(t, doc.Err(), "a.yaml:1:4: b: is 100% wrong")
}
