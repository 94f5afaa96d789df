package yamlform

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Value reads the scalar below a key with parse, which says in its error what is
// wrong with the text and what would be right. All other reads of scalars are
// this one with a parse of their own.
func Value[T any](m *Map, key string, dst *T, parse func(text string) (T, error)) {
	node := m.value(key)
	if node == nil {
		return
	}
	if v, ok := scalar(m.doc, node, join(m.path, key), parse); ok {
		*dst = v
	}
}

// Values reads the list of least to most scalars below a key. One wrong entry
// leaves dst as it is.
func Values[T any](m *Map, key string, dst *[]T, least, most int, parse func(text string) (T, error)) {
	items := m.items(key, least, most)
	if len(items) == 0 {
		return
	}
	values, good := make([]T, len(items)), true
	for i, item := range items {
		v, ok := scalar(m.doc, resolve(item), index(join(m.path, key), i), parse)
		values[i], good = v, good && ok
	}
	if good {
		*dst = values
	}
}

func scalar[T any](d *Document, node *yaml.Node, path string, parse func(string) (T, error)) (T, bool) {
	var zero T
	if node.Kind != yaml.ScalarNode || isNull(node) {
		d.problem(node, path, "want a single value, this is %s", describeKind(node))
		return zero, false
	}
	v, err := parse(node.Value)
	if err != nil {
		d.problem(node, path, "%s", err)
		return zero, false
	}
	return v, true
}

// Enum reads one of a few words.
func Enum[T ~string](m *Map, key string, dst *T, words ...T) {
	Value(m, key, dst, func(text string) (T, error) {
		known := make([]string, len(words))
		for i, w := range words {
			if text == string(w) {
				return w, nil
			}
			known[i] = string(w)
		}
		return "", errors.New(quote(text) + " is not known here" + Suggest(text, known))
	})
}

// Rule says what is wrong with a text and what would be right, or nil.
type Rule func(text string) error

// Words makes a Rule of a condition and of what it wants, such as "want 1 to 64
// letters and digits".
func Words(valid func(text string) bool, want string) Rule {
	return func(text string) error {
		if valid(text) {
			return nil
		}
		return fmt.Errorf("%s is not valid; %s", quote(text), want)
	}
}

// Line is the Rule for any text: one line of 1 to 4096 printable characters.
func Line(text string) error {
	if text == "" || len(text) > 4096 || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("%s is not valid; want one line of 1 to 4096 printable characters", quote(text))
	}
	return nil
}

// Text reads a text that obeys a rule.
func (m *Map) Text(key string, dst *string, rule Rule) { Value(m, key, dst, obeying(rule)) }

// Texts reads a list of least to most texts that obey a rule each.
func (m *Map) Texts(key string, dst *[]string, least, most int, rule Rule) {
	Values(m, key, dst, least, most, obeying(rule))
}

func obeying(rule Rule) func(string) (string, error) {
	return func(text string) (string, error) { return text, rule(text) }
}

// Bool reads true or false; nothing else means either.
func (m *Map) Bool(key string, dst *bool) {
	Value(m, key, dst, func(text string) (bool, error) {
		switch text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, fmt.Errorf("%s is neither true nor false", quote(text))
	})
}

// Int reads a whole number from lo to hi.
func (m *Map) Int(key string, dst *int, lo, hi int) {
	Value(m, key, dst, Between(lo, hi, ParseInt, strconv.Itoa))
}

// Duration reads a duration from lo to hi.
func (m *Map) Duration(key string, dst *time.Duration, lo, hi time.Duration) {
	Value(m, key, dst, Between(lo, hi, ParseDuration, FormatDuration))
}

// Size reads a number of bytes from lo to hi.
func (m *Map) Size(key string, dst *int64, lo, hi int64) {
	Value(m, key, dst, Between(lo, hi, ParseSize, FormatSize))
}

// Rate reads a number of bytes a second; 0 is read and means what the caller
// says.
func (m *Map) Rate(key string, dst *int64) { Value(m, key, dst, ParseRate) }

// Between bounds a parse: what is below lo or above hi is refused with a message
// that shows the bounds.
func Between[T cmp.Ordered](lo, hi T, parse func(string) (T, error), show func(T) string) func(string) (T, error) {
	return func(text string) (T, error) {
		v, err := parse(text)
		if err == nil && (v < lo || v > hi) {
			err = fmt.Errorf("%s is out of bounds; want %s to %s", text, show(lo), show(hi))
		}
		return v, err
	}
}
