package otafleet_test

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instead gives, for a word that this project once used in a sense of its own, the
// word of the field. A phrase counts in names too: takeBack is "take back".
var instead = map[string]string{
	"go back": "roll back", "goes back": "rolls back", "going back": "rollback", "went back": "rolled back",
	"gone back": "rolled back", "take back": "roll back", "takes back": "rolls back", "taken back": "rolled back",
	"taking back": "rolling back", "took back": "rolled back", "way back": "rollback",
	"agree to": "accept", "agrees to": "accepts", "agreed to": "accepted", "agrees or refuses": "accepts or refuses",
	"has agreed": "has accepted", "have agreed": "have accepted", "not agreed": "not accepted",
	"plan in hand": "current plan",
	"of others":    "third-party, external, or whose", "of somebody": "third-party, or whose",
	"somebody": "say who", "nobody": "none, not, or say who", "foreign": "third-party, external, unknown",
	"stand in": "fake platform", "stand ins": "fake platforms",
	"house": "layout", "door": "adapter", "doors": "adapters",
	"ware": "artifact", "wares": "artifacts", "shelf": "catalog", "shelve": "add",
	"witness": "observer", "witnesses": "observers",
	"gear": "hooks", "equip": "decorate", "equips": "decorates", "equipment": "ports",
	"darkness": "outage", "crowd": "population", "crew": "workers", "timetable": "schedule",
	"happening": "event", "happenings": "events",
	"mute": "rejected", "hush": "acks stopped", "hushed": "acks stopped", "voice": "session", "voices": "sessions",
	"is told": "gets, hears",
	"donor":   "seed", "suspect": "restart counter", "farewell": "drain", "take leave": "drain", "takes leave": "drains",
	"journal": "state file", "never may": "invariants held",
	"there is no such": "not found", "is no number": "invalid number", "nobody knows": "unknown",
}

// insteadInNames gives the same for names in Go alone: in sentences these words
// have their common meaning.
var insteadInNames = map[string]string{
	"desk": "URL cache", "dark": "off, or outage", "suffers": "fired", "donor": "seed", "told": "sent, given, received",
	"life": "boot, or history", "lives": "boots, or histories", "lies": "invariant violations, or wrong answers",
	"stock": "fixtures, or inventory", "spare": "refund, or margin",
}

// released are texts that users and programs rely on, or that others have named.
var released = []string{
	"--stand-in", "stand-in=", `"stand-in"`, // a flag, beside --fake-platform
	"ota_agent_journal_saves_total", `"journal":`, `json:"journal"`, // a metric, and a key of the socket
	`"suspect`, "OTA_AGENT_TAKEN_BACK", // a key of the state file, and a variable of the launcher
	// file systems'
	"file system's journal", "file system's\njournal", "journal of ext4", "with a journal", "data=journal",
	"has_journal", "journal commit", "knows no journal", "link-journal", "journalctl", // and systemd's
	`"nobody"`, "/nobody/", "const nobody", "nobody, nobody", "Uid: nobody", "Gid: nobody", "{nobody", // a user of Unix
	"AsNobody", "asNobody", "// nobody is the user", "(t, nobody,", " nobody: 0o755",
}

// camel finds where a word begins within a name.
var camel = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

// spoken is a word of a file, in lower case.
type spoken struct {
	text string
	line int
}

// wordsOf takes a text apart: names where a capital letter begins a word.
func wordsOf(content string) (all []spoken) {
	letters := regexp.MustCompile(`[a-z]+`)
	for i, line := range strings.Split(content, "\n") {
		line = strings.ToLower(camel.ReplaceAllString(line, "$1$3 $2$4"))
		for _, text := range letters.FindAllString(line, -1) {
			all = append(all, spoken{text, i + 1})
		}
	}
	return all
}

// TestWordsAreThoseOfTheField reads code, comments, messages, documents, scenarios
// and scripts.
func TestWordsAreThoseOfTheField(t *testing.T) {
	phrases := map[string][][]string{} // by their first word
	for phrase := range instead {
		parts := strings.Fields(phrase)
		phrases[parts[0]] = append(phrases[parts[0]], parts)
	}
	for name, content := range texts(t) {
		if name == "words_test.go" || name == "LICENSE" || name == "CHANGELOG.md" || path.Ext(name) == ".svg" {
			continue
		}
		text := string(content)
		for _, fragment := range released {
			text = strings.ReplaceAll(text, fragment, "")
		}
		all := wordsOf(text)
		for i, w := range all {
			for _, parts := range phrases[w.text] {
				if i+len(parts) <= len(all) && slices.EqualFunc(parts, all[i:i+len(parts)],
					func(p string, w spoken) bool { return p == w.text }) {
					phrase := strings.Join(parts, " ")
					t.Errorf("%s:%d says %q: say %s", name, w.line, phrase, instead[phrase])
				}
			}
		}
	}
}

// TestNamesAreThoseOfTheField reads the names that Go code declares and uses.
func TestNamesAreThoseOfTheField(t *testing.T) {
	for _, s := range sources(t) {
		seen := map[string]bool{}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			id, is := n.(*ast.Ident)
			if !is || seen[id.Name] {
				return true
			}
			seen[id.Name] = true
			for _, w := range wordsOf(id.Name) {
				if better := insteadInNames[w.text]; better != "" {
					t.Errorf("%s names something %s: say %s", s.path, id.Name, better)
				}
			}
			return true
		})
	}
}
