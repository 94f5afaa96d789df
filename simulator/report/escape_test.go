package report_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/report"
	"otafleet/simulator/verdict"
)

// hostile is what no line of a verdict may bring to a terminal.
const hostile = "\x1b[2J\u009b31m\u202e\r\x07\xff"

// spoil puts it behind every text of a value, keys included, as a record that
// another program has written could.
func spoil(v reflect.Value) {
	text := reflect.TypeFor[string]()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			if field.CanSet() {
				spoil(field)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if key.Type() == text {
				v.SetMapIndex(reflect.ValueOf(key.String()+hostile), v.MapIndex(key))
			}
		}
	case reflect.String:
		if v.Type() == text {
			v.SetString(v.String() + hostile)
		}
	}
}

// TestTextsFromOutsideAreShownNotObeyed: only line ends and our own colours are
// more than what a terminal shows.
func TestTextsFromOutsideAreShownNotObeyed(t *testing.T) {
	for name, v := range verdicts(t) {
		spoil(reflect.ValueOf(v))
		spoil(reflect.ValueOf(&v.Figures))
		for _, style := range []report.Style{{}, {Color: true}} {
			var b bytes.Buffer
			require.NoError(t, report.WriteText(&b, v, style))
			shown := strings.NewReplacer("\x1b[0m", "", "\x1b[1m", "", "\x1b[2m", "", "\x1b[31m", "", "\x1b[32m", "").
				Replace(b.String())
			for i, line := range strings.Split(shown, "\n") {
				assert.False(t, strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%s, line %d: %q",
					name, i+1, line)
			}
			assert.Contains(t, shown, `\x1b[2J\u009b31m\u202e\r\a\xff`)
		}
	}
	e := verdict.Event{Kind: verdict.Numbered, Component: "app", Detail: "line one\n" + hostile}
	assert.Equal(t, `report 0, app: Plan Not Received: line one\n\x1b[2J\u009b31m\u202e\r\a\xff`, report.Describe(&e))
}
