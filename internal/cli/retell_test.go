package cli_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/cli"
)

// TestRetell: what a text tells is what its reader can type.
func TestRetell(t *testing.T) {
	for text, want := range map[string]string{
		"see 'kettle boil'":                       "see 'bin/kettle boil --hot'",
		"kettle boil 2, or kettle pour":           "bin/kettle boil --hot 2, or bin/kettle pour --hot",
		"See 'kettle help boil'.":                 "See 'bin/kettle help boil'.",
		"the kettle boils":                        "the kettle boils",
		"is kettle running?":                      "is kettle running?",
		"/run/kettle boil and my-kettle boil":     "/run/kettle boil and my-kettle boil",
		"kettle is a kettle of kettle":            "kettle is a kettle of kettle",
		"kettle quietly: kettle boil\nkettle xyz": "bin/kettle quietly --hot: bin/kettle boil --hot\nkettle xyz",
		"": "",
	} {
		assert.Equal(t, want, kettle().Retell(text, cli.Streams{Called: "bin/kettle"}, " --hot"), text)
		assert.Equal(t, text, kettle().Retell(text, cli.Streams{}, ""), text)
	}
}

// TestErrorsTellWhatCanBeTyped: by the way to the program, where it was called so.
func TestErrorsTellWhatCanBeTyped(t *testing.T) {
	for args, want := range map[string]string{
		"stir": "kettle: there is no verb \"stir\"\nSee 'bin/kettle help'.\n",
		"boil": "kettle boil: want one argument, the amount, and got 0\nSee 'bin/kettle help boil'.\n",
	} {
		var out, err bytes.Buffer
		kettle().Run(t.Context(), cli.Streams{Out: &out, Err: &err, Called: "bin/kettle"}, []string{args})
		assert.Equal(t, want, err.String())
	}
}
