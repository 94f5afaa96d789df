package otafleet_test

import (
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// widest is the number of columns that a line of a document may have.
const widest = 100

// TestDocumentsAreWrapped: a change of a sentence is then a change of its lines.
// Tables, code blocks, and what has no space to break at may be wider.
func TestDocumentsAreWrapped(t *testing.T) {
	whole := regexp.MustCompile("`[^`]+`" + `|\]\([^)]*\)`) // code and link targets stay on one line
	for name, content := range texts(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		block := false
		for i, line := range strings.Split(string(content), "\n") {
			text := strings.TrimSpace(line)
			if strings.HasPrefix(text, "```") {
				block = !block
			}
			breakable := strings.Contains(whole.ReplaceAllString(text, "x"), " ")
			if utf8.RuneCountInString(line) > widest && !block && !strings.HasPrefix(text, "|") && breakable {
				t.Errorf("%s:%d has more than %d columns: wrap it", name, i+1, widest)
			}
		}
		if block {
			t.Errorf("%s: a code block has no end", name)
		}
	}
}
