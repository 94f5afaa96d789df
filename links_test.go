package otafleet_test

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// TestLinksLeadSomewhere follows the links between documents: to a file that is
// there and, behind a #, to one of its headings.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s#]*)(?:#([^)\s]*))?\)`)
	all := texts(t)
	for name, content := range all {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, found := range link.FindAllStringSubmatch(string(content), -1) {
			file, heading := found[1], found[2]
			if strings.Contains(file, "://") || strings.HasPrefix(file, "mailto:") {
				continue
			}
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, target)
			} else if heading != "" && !anchors(string(all[target]))[heading] {
				t.Errorf("%s links to %s, which has no heading %q", name, target, heading)
			}
		}
	}
}

// anchors gives the names by which the headings of a document are linked.
func anchors(document string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(document) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			names[anchor(heading)] = true
		}
	}
	return names
}

// anchor gives the name by which a heading is linked: in lower case, a hyphen for
// each space, without punctuation.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}
