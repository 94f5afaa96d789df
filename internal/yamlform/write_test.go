package yamlform_test

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"otafleet/internal/yamlform"
)

// thing has every kind of value that is written.
type thing struct {
	Name  yamlform.Text            `yaml:"name"`
	Lines string                   `yaml:"lines,omitempty"`
	Some  []yamlform.Text          `yaml:"some,flow"`
	By    map[string]yamlform.Text `yaml:"by"`
	Below *thing                   `yaml:"below,omitempty"`
}

func TestWrite(t *testing.T) {
	text, err := yamlform.Write(thing{Name: "yes", Lines: "a: 1\n  b\n", Some: []yamlform.Text{"1", "null", "x"},
		By: map[string]yamlform.Text{"z": "~", "a": "1:20"}, Below: &thing{Name: "below"}}, "another")
	require.NoError(t, err)
	assert.Equal(t, `name: "yes"
lines: |
  a: 1
    b
some: ["1", "null", x]
by:
  a: "1:20"
  z: "~"
below:
  name: below
  some: []
  by: {}
---
another
`, string(text))
}

// TestWrittenTextsComeBack: the reader that we have takes them as they were.
func TestWrittenTextsComeBack(t *testing.T) {
	for _, text := range []string{"", " ", "\n", "\t", "\ta\nb", "  a\nb", "\n a", "a\n", "a\n\n", "a \nb", "a\r\nb",
		"a\u2028b\nc", "\ufeffa\nb", "a\u0085\nb", "# a\nb", "- a\n", "---\na\n", "...\n", "%x\n", "a\n\t",
		"漢\n£", "\x00\n", "yes", "0x1", "a: b"} {
		comesBack(t, text)
	}
}

func FuzzWrite(f *testing.F) {
	f.Add("a: |\n  b\n")
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.ValidString(text) {
			comesBack(t, text)
		}
	})
}

func comesBack(t *testing.T, from string) {
	t.Helper()
	text := yamlform.Text(from)
	want := thing{Name: text, Below: &thing{Some: []yamlform.Text{text, "x"}, By: map[string]yamlform.Text{"by": text}}}
	written, err := yamlform.Write(want)
	require.NoError(t, err, "%q", text)
	var back thing
	require.NoError(t, yaml.NewDecoder(bytes.NewReader(written)).Decode(&back), "%q\n%s", text, written)
	assert.Equal(t, text, back.Name)
	assert.Equal(t, want.Below.Some, back.Below.Some)
	assert.Equal(t, want.Below.By, back.Below.By)
}

func TestTextsThatAreNone(t *testing.T) {
	_, err := yamlform.Write(thing{Name: "a\xff"})
	assert.ErrorContains(t, err, `"a\xff" is not UTF-8 text`)
}
