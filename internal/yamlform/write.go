package yamlform

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Write gives values as the documents of one YAML text: structs with yaml tags, in the
// order of their fields, and maps in the order of their keys. What a reader could take
// for something else, such as the yes of YAML 1.1, is quoted. Texts from outside have
// the type Text.
func Write(documents ...any) ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	for _, d := range documents {
		if err := encoder.Encode(d); err != nil {
			return nil, fmt.Errorf("cannot write YAML: %w", err)
		}
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("cannot write YAML: %w", err)
	}
	return b.Bytes(), nil
}

// Text is a string of which nothing is known. It comes back as it was. For lines the
// library would take a block in any case, also where that breaks them.
type Text string

// MarshalYAML refuses what is not UTF-8: it would come back as something else.
func (t Text) MarshalYAML() (any, error) {
	text := string(t)
	switch {
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("%.40q is not UTF-8 text", text)
	case strings.Contains(text, "\n") && !fitsBlock(text):
		return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: text}, nil
	}
	return text, nil
}

// fitsBlock reports whether every reader takes a text from a block as it is: its first
// line says how far it is indented, and no other reader sees a line end elsewhere.
func fitsBlock(text string) bool {
	return !strings.ContainsAny(text[:1], " \t\r\n") && !strings.ContainsAny(text, "\r\u0085\u2028\u2029\ufeff")
}
