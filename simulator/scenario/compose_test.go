package scenario_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
)

// dir are the files of a directory, by their paths.
type dir map[string]string

// compose puts together the scenario of a directory.
func (d dir) compose(set ...string) (*scenario.Scenario, []byte, error) {
	return scenario.Compose("s.yaml", []byte(d["s.yaml"]), &scenario.Beside{Set: set, Read: func(path string,
		limit int64) ([]byte, error) {
		text, found := d[path]
		if !found {
			return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
		}
		return []byte(text), nil
	}})
}

// with is the directory with another file, or another text of one.
func (d dir) with(path, text string) dir {
	all := dir{path: text}
	for other, text := range d {
		if other != path {
			all[other] = text
		}
	}
	return all
}

// composed is a scenario of three files.
func composed() dir {
	return dir{
		"s.yaml": `
scenario: composed
duration: $(minutes)m
vars: {minutes: 1, devices: , name: north, version: 1.10}
include: [parts/fleets.yaml]
fleet:
  - {name: first, count: 1, product: p, components: &c [{id: app, type: module, version: $(version)}]}
  - {name: second, count: 1, product: p, components: *c}
plans:
  - {name: spring, product: p, components: [{id: app, package: full, target: "2", size: 1KiB}]}
expect:
  devices: {upgraded: 100%}
  never: [{event: refused}]
`,
		"parts/fleets.yaml": `
include: [more/faults.yaml]
fleet:
  - name: $(name)-$(name)
    count: $(devices)
    product: p
    components: [{id: app, type: module, version: $(version)}]
expect:
  devices: {first: {upgraded: 1}}
  never: [{event: violation}]
`,
		"parts/more/faults.yaml": `
faults:
  - {name: cut, do: power_cut, at: upgrading, chance: 10%}
`,
	}
}

// TestCompose puts a scenario together, and holds that the text that it becomes is
// the same scenario by itself.
func TestCompose(t *testing.T) {
	s, text, err := composed().compose("devices=12")
	require.NoError(t, err)
	require.Len(t, s.Fleets, 3)
	assert.Equal(t, []string{"first", "second", "north-north"},
		[]string{s.Fleets[0].Name, s.Fleets[1].Name, s.Fleets[2].Name})
	assert.Equal(t, 12, s.Fleets[2].Count)
	assert.Equal(t, "1.10", s.Fleets[2].Components[0].Version)
	assert.Equal(t, "cut", s.Faults[0].Name)
	assert.Len(t, s.Expect.Rules, 2)
	again, same, err := dir{"s.yaml": string(text)}.compose()
	require.NoError(t, err, string(text))
	assert.Equal(t, s, again)
	assert.Equal(t, text, same, "nothing is left to put in")
}

// TestComposedExamplesStandAlone does so with every scenario of the tree that has parts.
func TestComposedExamplesStandAlone(t *testing.T) {
	files, err := filepath.Glob("../../scenarios/*.yaml")
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		s, text, err := scenario.Compose(file, data, &scenario.Beside{Read: readBeside(file)})
		require.NoError(t, err)
		again, err := scenario.Parse(file, text)
		require.NoError(t, err)
		assert.Equal(t, s, again)
		if string(text) != string(data) {
			found++
		}
	}
	assert.Positive(t, found)
}

func TestComposeMistakes(t *testing.T) {
	const least = "\nscenario: s\nduration: 1m\n"
	one := func(count string) string {
		return "fleet: [{name: a, count: " + count + ", product: p, components: [{id: app, type: module, version: 1}]}]\n"
	}
	for name, test := range map[string]struct {
		dir  dir
		set  []string
		want string
	}{
		"no value": {composed(), nil,
			"s.yaml:4:20: vars.devices: has no value: give one here, or --set devices=VALUE"},
		"unknown setting": {composed(), []string{"devices=1", "device=1"},
			`--set device=1: there is no variable "device"; did you mean "devices"?`},
		"set twice":  {composed(), []string{"devices=1", "devices=2"}, "--set devices=2: devices is set twice"},
		"no setting": {composed(), []string{"devices"}, "--set devices: want name=value"},
		"no variables": {dir{"s.yaml": least + one("1")}, []string{"a=1"},
			"s.yaml:2:1: vars: --set a=1: the scenario has no variables"},
		"unused": {dir{"s.yaml": least + "vars: {a: 1}\n" + one("1")}, []string{"a=1"},
			"s.yaml:4:11: vars.a: --set a=1: $(a) stands nowhere in the scenario"},
		"wrong type": {composed(), []string{"devices=many"},
			`parts/fleets.yaml:5:12: fleet[2].count: "many" is not a whole number ($(devices) is "many", of --set)`},
		"wrong default": {dir{"s.yaml": least + "vars: {n: x}\n" + one("$(n)")}, nil,
			`s.yaml:5:26: fleet[0].count: "x" is not a whole number ($(n) is "x", of s.yaml:4:11)`},
		"unknown": {dir{"s.yaml": least + "vars: {number: 1}\n" + one("$(numbre)")}, nil,
			`s.yaml:5:26: fleet[0].count: there is no variable "numbre"; did you mean "number"?`},
		"unknown in part": {dir{"s.yaml": least + "include: [a.yaml]", "a.yaml": one("$(n)")}, nil,
			`a.yaml:1:26: fleet[0].count: there is no variable "n"; vars declares them`},
		"a list": {dir{"s.yaml": least + "vars: {n: [1]}\n" + one("$(n)")}, nil,
			"s.yaml:4:11: vars.n: want a single value, this is a list"},
		"recursion": {dir{"s.yaml": least + "vars: {n: 1, m: $(n)}\n" + one("$(m)")}, nil,
			"s.yaml:4:17: vars.m: a variable is plain text, and does not refer to others"},
		"a strange name": {dir{"s.yaml": least + "vars: {n o: 1}\n" + one("$(n o)")}, nil,
			`s.yaml:4:13: vars.n o: "n o" is not valid`},
		"injection": {dir{"s.yaml": least + "vars: {n: 1}\n" + one("$(n)")}, []string{"n=1, product: q"},
			`"1, product: q" is not a whole number`},
		"outside": {dir{"s.yaml": least + "include: [../a.yaml]"}, nil,
			`s.yaml:4:11: include[0]: "../a.yaml" is no path of a file in the scenario's directory or below`},
		"outside, hidden": {dir{"s.yaml": least + "include: [a/../../b.yaml]"}, nil, "is no path of a file in"},
		"absolute":        {dir{"s.yaml": least + "include: [/a.yaml]"}, nil, `"/a.yaml" is no path of a file in`},
		"outside of above": {dir{"s.yaml": least + "include: [a/a.yaml]", "a/a.yaml": "include: [../../a.yaml]"}, nil,
			`a/a.yaml:1:11: include[0]: "../../a.yaml" is no path`},
		"missing": {composed().with("parts/fleets.yaml", "include: [no.yaml]"), []string{"devices=1"},
			"parts/fleets.yaml:1:11: include[0]: parts/no.yaml: file does not exist"},
		"circle": {composed().with("parts/more/faults.yaml", "include: [../fleets.yaml]"), []string{"devices=1"},
			"parts/more/faults.yaml:1:11: include[0]: leads in a circle: s.yaml includes parts/fleets.yaml includes " +
				"parts/more/faults.yaml includes parts/fleets.yaml"},
		"itself": {dir{"s.yaml": least + "include: [s.yaml]"}, nil,
			"leads in a circle: s.yaml includes s.yaml"},
		"twice": {dir{"s.yaml": least + "include:\n  - a.yaml\n  - ./a.yaml", "a.yaml": one("1")}, nil,
			"s.yaml:6:5: include[1]: a.yaml is included already, at s.yaml:5:5"},
		"no mapping": {dir{"s.yaml": least + "include: [a.yaml]", "a.yaml": "[1]"}, nil,
			"a.yaml:1:1: want keys with values, this is a list"},
		"syntax": {dir{"s.yaml": least + "include: [a.yaml]", "a.yaml": "fleet: [\n"}, nil,
			"a.yaml:2: YAML syntax"},
		"empty": {dir{"s.yaml": least + "include: [a.yaml]", "a.yaml": ""}, nil, "a.yaml: is empty"},
		"no part's key": {dir{"s.yaml": least + "include: [a.yaml]", "a.yaml": "duration: 1m\n" + one("1")}, nil,
			"a.yaml:1:1: duration: is no key of a part; want one of fleet, plans, events, faults, expect"},
		"vars in a part": {dir{"s.yaml": least + "include: [a.yaml]", "a.yaml": "vars: {n: 1}\n" + one("1")}, nil,
			"a.yaml:1:1: vars: is no key of a part"},
		"a listed fleet": {dir{"s.yaml": least + "include: [a.yaml]\n" + one("1"), "a.yaml": "fleet: {devices: d.csv}"}, nil,
			"a.yaml:1:8: fleet: is given already, at s.yaml:5:8"},
		"a name twice": {dir{"s.yaml": least + "include: [a.yaml]\n" + one("1"), "a.yaml": "\n" + one("1")}, nil,
			`a.yaml:2:16: fleet[1].name: "a" is there already, at s.yaml:5:16; names are unique`},
		"an expectation": {dir{"s.yaml": least + "include: [a.yaml]\n" + one("1") + "expect: {devices: {upgraded: 1}}",
			"a.yaml": "expect: {devices: {upgraded: 2}}"}, nil,
			"a.yaml:1:30: expect.devices.upgraded: is given already, at s.yaml:6:30"},
		"key of a part": {dir{"s.yaml": least + "include: [a.yaml]", "a.yaml": "fleet: [{nam: a}]"}, nil,
			`a.yaml:1:10: fleet[0].nam: unknown key; did you mean "name"?`},
		"variable as key": {dir{"s.yaml": least + "vars: {n: 1}\n" + one("$(n)") +
			"expect: {devices: {$(n): {upgraded: 1}}}"}, nil,
			"s.yaml:6:20: expect.devices.$(n): a variable may be a value, and no key"},
		"too deep": {deep(scenario.MaxIncludes + 1), nil,
			"7.yaml:1:11: include[0]: parts include each other more than 8 deep"},
		"too large": {dir{"s.yaml": least + "include: [a.yaml]",
			"a.yaml": one("1") + strings.Repeat("#", scenario.MaxText)}, nil,
			"s.yaml:4:11: include[0]: the scenario has more than 1048576 bytes with its parts"},
		"too many": {many(scenario.MaxParts), nil, "the scenario has more than 100 parts"},
		"no list":  {dir{"s.yaml": least + "include: a.yaml"}, nil, "s.yaml:4:10: include: want a list"},
	} {
		t.Run(name, func(t *testing.T) {
			s, text, err := test.dir.compose(test.set...)
			assert.ErrorContains(t, err, test.want)
			assert.Nil(t, s)
			assert.Nil(t, text)
		})
	}
}

// deep is a directory in which so many parts include each other.
func deep(parts int) dir {
	d := dir{"s.yaml": "scenario: s\nduration: 1m\ninclude: [0.yaml]"}
	for i := range parts {
		d[fmt.Sprint(i, ".yaml")] = fmt.Sprintf("include: [%d.yaml]", i+1)
	}
	return d
}

// many is a directory in which two parts have so many in all, beside themselves.
func many(parts int) dir {
	d := dir{"s.yaml": "scenario: s\nduration: 1m\ninclude: [a.yaml, b.yaml]",
		"a.yaml": "include:\n", "b.yaml": "include:\n"}
	for i := range parts {
		name := []string{"a.yaml", "b.yaml"}[i%2]
		d[name] += fmt.Sprintf("  - %d.yaml\n", i)
		d[fmt.Sprint(i, ".yaml")] = "events: []"
	}
	return d
}

// TestWithoutADirectory holds that what has come through a pipe has variables, and no parts.
func TestWithoutADirectory(t *testing.T) {
	const text = "scenario: s\nduration: 1m\nvars: {n: 1}\n" +
		"fleet: [{name: a, count: $(n), product: p, components: [{id: app, type: module, version: 1}]}]\n"
	s, _, err := scenario.Compose("-", []byte(text), &scenario.Beside{Set: []string{"n=5"}})
	require.NoError(t, err)
	assert.Equal(t, 5, s.Devices())
	_, _, err = scenario.Compose("-", []byte(text+"include: [a.yaml]"), &scenario.Beside{})
	assert.EqualError(t, err,
		`-:5:11: include[0]: "a.yaml" cannot be looked for: the scenario is not in a file of its own`)
}

// TestVariablesNowhere warns of a variable that nothing uses, and of one where there
// are none.
func TestVariablesNowhere(t *testing.T) {
	const text = "scenario: s\ndescription: costs $(n)\nduration: 1m\n" +
		"fleet: [{name: a, count: 1, product: p, components: [{id: app, type: module, version: 1}]}]\n"
	s, data, err := dir{"s.yaml": text}.compose()
	require.NoError(t, err)
	assert.Equal(t, text, string(data))
	assert.Equal(t, "costs $(n)", s.Description)
	assert.Equal(t, []string{"s.yaml:2:14: description: has a variable, and the scenario has no vars: it stays as it is"},
		s.Warnings)
	s, _, err = dir{"s.yaml": text + "vars: {n: 1, m: 2}"}.compose()
	require.NoError(t, err)
	assert.Equal(t, []string{"s.yaml:5:17: vars.m: $(m) stands nowhere in the scenario"}, s.Warnings)
}

// TestSchemaOfParts holds the schema of parts against those of the tree.
func TestSchemaOfParts(t *testing.T) {
	compiled, err := jsonschema.NewCompiler().Compile(schemaFile + "#/$defs/part")
	require.NoError(t, err)
	files, err := filepath.Glob("../../scenarios/parts/*/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.NoError(t, compiled.Validate(document(t, data)), file)
	}
	for _, wrong := range []string{"duration: 1m", "vars: {n: 1}", "fleet: {devices: d.csv}", "include: a.yaml"} {
		assert.Error(t, compiled.Validate(document(t, []byte(wrong))), wrong)
	}
}
