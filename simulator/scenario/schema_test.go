package scenario_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"otafleet/internal/yamlform"
	"otafleet/simulator/fleet"
	"otafleet/simulator/scenario"
)

// readBeside reads what lies beside a file.
func readBeside(file string) func(string, int64) ([]byte, error) {
	return func(path string, _ int64) ([]byte, error) {
		return os.ReadFile(filepath.Join(filepath.Dir(file), path))
	}
}

// anyDevices are those of a device file that fits testdata/good/listed.yaml.
func anyDevices() scenario.Devices {
	return scenario.Devices{Open: func(path string) (*fleet.File, error) { return fleet.Parse(path, []byte(lines)) }}
}

const schemaFile = "../../docs/scenario.schema.json"

// TestSchemaIsWritten holds the published schema against the tables of the
// language; -update writes it anew.
func TestSchemaIsWritten(t *testing.T) {
	var want bytes.Buffer
	out := json.NewEncoder(&want)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	require.NoError(t, out.Encode(schema()))
	if *update {
		require.NoError(t, os.WriteFile(schemaFile, want.Bytes(), 0o644))
	}
	published, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	assert.Equal(t, want.String(), string(published), "go test ./simulator/scenario -update writes it")
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiled, err := jsonschema.NewCompiler().Compile(schemaFile)
	require.NoError(t, err)
	return compiled
}

// document reads YAML as an editor does: by YAML 1.2, in which few bare words
// are anything but text.
func document(t *testing.T, data []byte) any {
	t.Helper()
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(data, &doc))
	return plain(t, doc.Content[0])
}

func plain(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.AliasNode:
		return plain(t, n.Alias)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = plain(t, item)
		}
		return list
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(t, n.Content[i+1])
		}
		return m
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	case "!!int", "!!float":
		if _, err := strconv.ParseFloat(n.Value, 64); err == nil && !strings.Contains(n.Value, "_") {
			return json.Number(n.Value)
		}
	}
	return n.Value
}

// TestSchemaTakesGoodScenarios holds the schema against every scenario of the
// tree that the parser takes.
func TestSchemaTakesGoodScenarios(t *testing.T) {
	compiled := compileSchema(t)
	checked := 0
	for _, pattern := range []string{"testdata/good/*.yaml", "../../scenarios/*.yaml", "../../examples/scenario*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			_, text, err := scenario.Compose(file, data, &scenario.Beside{Devices: anyDevices(), Read: readBeside(file)})
			require.NoError(t, err)
			assert.NoError(t, compiled.Validate(document(t, data)), file)
			assert.NoError(t, compiled.Validate(document(t, text)), file)
			checked++
		}
	}
	assert.GreaterOrEqual(t, checked, 10)
}

// TestSchemaSeesMistakes holds that the schema complains about every mistake of
// the bad documents but those in testdata/unseen.txt: what only two places
// together make wrong, sums, and bounds of what is written as text.
// -update writes that list anew.
func TestSchemaSeesMistakes(t *testing.T) {
	compiled := compileSchema(t)
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	var unseen strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		_, err = scenario.Parse(filepath.Base(file), data)
		var all *yamlform.Error
		require.ErrorAs(t, err, &all)
		if strings.Contains(all.Problems[0].Text, "YAML syntax") {
			continue
		}
		var invalid *jsonschema.ValidationError
		require.ErrorAs(t, compiled.Validate(document(t, data)), &invalid, file)
		complaints := places(invalid)
		for _, p := range all.Problems {
			if !complains(complaints, p.Path) {
				fmt.Fprintf(&unseen, "%s:%s\n", all.Name, p)
			}
		}
	}
	const golden = "testdata/unseen.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(unseen.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), unseen.String())
}

// places are where a validation failed: every innermost cause, down to the key
// that is missing or too many.
func places(e *jsonschema.ValidationError) [][]string {
	below := func(names ...string) (all [][]string) {
		for _, name := range names {
			all = append(all, append(slices.Clone(e.InstanceLocation), name))
		}
		return all
	}
	switch cause := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		return below(cause.Properties...)
	case *kind.Required:
		return below(cause.Missing...)
	}
	if len(e.Causes) == 0 {
		return [][]string{e.InstanceLocation}
	}
	var all [][]string
	for _, cause := range e.Causes {
		all = append(all, places(cause)...)
	}
	return all
}

// complains reports whether a complaint is about the path of a problem.
func complains(complaints [][]string, path string) bool {
	steps := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	return slices.ContainsFunc(complaints, func(c []string) bool { return slices.Equal(c, steps) })
}

// TestSchemaHasTheKeysOfTheParser misspells a key in every mapping of the
// documents that use all keys. The parser then lists the keys that it knows
// there, which must be those of the schema.
func TestSchemaHasTheKeysOfTheParser(t *testing.T) {
	root, visited := schema(), map[string]bool{}
	for _, name := range []string{"everything", "faults", "listed"} {
		file := "testdata/good/" + name + ".yaml"
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		s, err := scenario.ParseWith(file, data, anyDevices())
		require.NoError(t, err)
		var doc yaml.Node
		require.NoError(t, yaml.Unmarshal(data, &doc))
		walk(root, root, "", doc.Content[0], func(path string, form node, mapping *yaml.Node) {
			visited[path] = true
			want := append(slices.Collect(maps.Keys(form["properties"].(node))), namesMade(s, path)...)
			assert.ElementsMatch(t, want, parserKeys(t, &doc, mapping), path)
		})
	}
	everyMapping(root, root, "", func(path string) {
		assert.True(t, visited[path], "no document has %s", path)
	})
}

// namesMade are the keys of a mapping that are names of the scenario's own.
func namesMade(s *scenario.Scenario, path string) (all []string) {
	switch path {
	case "expect.devices", "compare_devices":
		for i := range s.Fleets {
			all = append(all, s.Fleets[i].Name)
		}
	case "expect.platform.plans":
		for i := range s.Plans {
			all = append(all, s.Plans[i].Name)
		}
	case "expect.components":
		for i := range s.Fleets {
			for _, c := range s.Fleets[i].Components {
				all = append(all, c.ID)
			}
		}
		slices.Sort(all)
		all = slices.Compact(all)
	case "expect.faults", "compare_faults":
		for i := range s.Faults {
			all = append(all, s.Faults[i].Name)
		}
	}
	return all
}

// parserKeys asks the parser which keys a mapping may have.
func parserKeys(t *testing.T, doc, mapping *yaml.Node) []string {
	t.Helper()
	kept := mapping.Content
	defer func() { mapping.Content = kept }()
	const strange = "zzzzzzzzzzzzzzzz"
	mapping.Content = append(slices.Clone(kept), &yaml.Node{Kind: yaml.ScalarNode, Value: strange},
		&yaml.Node{Kind: yaml.ScalarNode, Value: "1"})
	text, err := yaml.Marshal(doc)
	require.NoError(t, err)
	_, err = scenario.ParseWith("s.yaml", text, anyDevices())
	var all *yamlform.Error
	require.ErrorAs(t, err, &all)
	require.Len(t, all.Problems, 1, "%v", err)
	_, known, found := strings.Cut(all.Problems[0].Text, "unknown key; want one of ")
	require.True(t, found, "%v", err)
	return strings.Split(known, ", ")
}

// resolve follows a reference, and gives what it leads to the name by which it
// is referred to.
func resolve(root, form node, path string) (node, string) {
	if at, is := form["$ref"].(string); is {
		name := strings.TrimPrefix(at, "#/$defs/")
		return root["$defs"].(node)[name].(node), name
	}
	return form, path
}

// alternatives are the forms that a schema has for a mapping, and for anything else.
func alternatives(form node) (mapping, other node) {
	then, is := form["then"].(node)
	if !is || form["properties"] != nil {
		return form, form
	}
	return then, form["else"].(node)
}

// below gives the parts of a schema: of a mapping by key, with * for any other,
// and of a list.
func below(form node) map[string]node {
	parts := map[string]node{}
	properties, _ := form["properties"].(node)
	for name, part := range properties {
		if form, is := part.(node); is {
			parts["."+name] = form
		}
	}
	if any, is := form["additionalProperties"].(node); is && any["type"] == "object" {
		parts[".*"] = any
	}
	if items, is := form["items"].(node); is {
		parts["[]"] = items
	}
	return parts
}

// walk visits each mapping of a document, with the schema that it obeys.
func walk(root, form node, path string, value *yaml.Node, visit func(path string, form node, mapping *yaml.Node)) {
	mapping, other := alternatives(form)
	if form = other; value.Kind == yaml.MappingNode {
		form = mapping
	}
	form, path = resolve(root, form, path)
	parts := below(form)
	switch value.Kind {
	case yaml.MappingNode:
		visit(path, form, value)
		for i := 0; i < len(value.Content); i += 2 {
			step := "." + value.Content[i].Value
			if _, known := parts[step]; !known {
				step = ".*"
			}
			walk(root, parts[step], path+step, value.Content[i+1], visit)
		}
	case yaml.SequenceNode:
		for _, item := range value.Content {
			walk(root, parts["[]"], path+"[]", item, visit)
		}
	}
}

// everyMapping visits each mapping of the schema.
func everyMapping(root, form node, path string, visit func(path string)) {
	if mapping, other := alternatives(form); mapping["$ref"] != other["$ref"] {
		everyMapping(root, mapping, path, visit)
		form = other
	}
	form, path = resolve(root, form, path)
	if form["type"] == "object" {
		visit(path)
	}
	for step, part := range below(form) {
		everyMapping(root, part, path+step, visit)
	}
}
