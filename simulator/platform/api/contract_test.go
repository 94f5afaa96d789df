package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// contract is docs/openapi.yaml, against which every answer of these tests is held.
type contract struct {
	document map[string]any
	schemas  map[string]*jsonschema.Schema
	seen     map[string]bool // "METHOD path" of the operations that were answered well
}

func readContract(t testing.TB) *contract {
	t.Helper()
	text, err := os.ReadFile("../../../docs/openapi.yaml")
	require.NoError(t, err)
	var raw any
	require.NoError(t, yaml.Unmarshal(text, &raw))
	plain, err := json.Marshal(raw)
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(plain)))
	require.NoError(t, err)
	c := &contract{document: document.(map[string]any), schemas: map[string]*jsonschema.Schema{}, seen: map[string]bool{}}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, compiler.AddResource("https://example.com/openapi.json", document))
	for name := range c.at("components", "schemas") {
		schema, err := compiler.Compile("https://example.com/openapi.json#/components/schemas/" + name)
		require.NoError(t, err, name)
		c.schemas[name] = schema
	}
	return c
}

// at walks down the document.
func (c *contract) at(path ...string) map[string]any {
	here := c.document
	for _, key := range path {
		here, _ = here[key].(map[string]any)
	}
	return here
}

// operation finds the operation of a request.
func (c *contract) operation(method, path string) (name string, operation map[string]any) {
	for pattern := range c.at("paths") {
		expression := "^" + regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(pattern), "[^/]+") + "$"
		if regexp.MustCompile(expression).MatchString(path) {
			if op, is := c.at("paths", pattern)[strings.ToLower(method)].(map[string]any); is {
				return method + " " + pattern, op
			}
		}
	}
	return "", nil
}

// check holds an answer against the document.
func (c *contract) check(t testing.TB, method, path string, status int, header http.Header, body []byte) {
	t.Helper()
	kind := header.Get("Content-Type")
	if status >= 400 {
		require.Equal(t, "application/problem+json", kind, "%s %s: %d %s", method, path, status, body)
		c.checkBody(t, "Problem", body)
		return
	}
	name, operation := c.operation(method, path)
	require.NotNil(t, operation, "%s %s is not in docs/openapi.yaml", method, path)
	c.seen[name] = true
	responses := operation["responses"].(map[string]any)
	response, documented := responses[http.StatusText(status)], false
	for code, r := range responses {
		if code == itoa(status) {
			response, documented = r, true
		}
	}
	require.True(t, documented, "%s answers %d, which docs/openapi.yaml does not say", name, status)
	reference, is := response.(map[string]any)["$ref"].(string)
	if !is {
		return // nothing, a table or a stream
	}
	assert.Equal(t, "application/json", kind)
	c.checkBody(t, reference[strings.LastIndex(reference, "/")+1:], body)
}

func (c *contract) checkBody(t testing.TB, schema string, body []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	require.NoError(t, err, "%s", body)
	require.NotNil(t, c.schemas[schema], schema)
	require.NoError(t, c.schemas[schema].Validate(value), "%s\n%.2000s", schema, body)
}

func itoa(n int) string { text, _ := json.Marshal(n); return string(text) }
