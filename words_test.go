package otafleet_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instead gives, for a word that this project once used in a sense of its own,
// the word that others use. A phrase counts in names too: takeBack is "take back".
var instead = map[string]string{
	"go back": "roll back", "goes back": "rolls back", "going back": "rollback", "went back": "rolled back",
	"gone back": "rolled back", "take back": "roll back", "takes back": "rolls back", "taken back": "rolled back",
	"taking back": "rollback", "took back": "rolled back", "way back": "rollback",
	"agree": "accept", "agrees": "accepts", "agreed": "accepted", "agreeing": "accepting",
	"in hand":     "current",
	"of others":   "third-party, or say whose",
	"of somebody": "third-party", "somebody": "say who", "nobody": "none, no one, or say who", "stranger": "third party",
	"foreign":     "third-party, or unknown",
	"stand in":    "fake platform",
	"door":        "adapter", "doors": "adapters", "house": "layout", "rooms": "packages",
	"ware": "artifact", "wares": "artifacts", "shelf": "catalog", "stock": "fixtures",
	"witness": "observer", "witnesses": "observers", "lies": "is, stands; or invariant violations",
	"gear": "hooks", "equip": "decorate", "equipment": "ports",
	"darkness": "outage", "crowd": "population", "crew": "workers", "timetable": "schedule",
	"happening": "event", "happenings": "events",
	"voice": "session", "voices": "sessions", "mute": "rejected", "hush": "acks stopped", "told": "sent, given, ok",
	"desk": "URL cache", "donor": "seed", "suspect": "restart counter", "farewell": "drain", "take leave": "drain",
	"journal":          "state file",
	"never may":        "invariants held",
	"there is no such": "not found",
	"is no number":     "invalid number",
	"knows how many":   "unknown",
}

// camel finds where a word begins within a name.
var camel = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

// word is a word of a file, in lower case.
type word struct {
	text string
	line int
}

// wordsOf takes a text apart: names where a capital letter begins a word.
func wordsOf(content string) (all []word) {
	letters := regexp.MustCompile(`[a-z]+('s)?`)
	for i, line := range strings.Split(content, "\n") {
		line = strings.ToLower(camel.ReplaceAllString(line, "$1$3 $2$4"))
		for _, text := range letters.FindAllString(line, -1) {
			all = append(all, word{text, i + 1})
		}
	}
	return all
}

// TestWordsAreThoseOfTheField reads code, comments, messages, documents, scenarios
// and scripts.
func TestWordsAreThoseOfTheField(t *testing.T) {
	byFirst := map[string][][]string{}
	for phrase := range instead {
		parts := strings.Fields(phrase)
		byFirst[parts[0]] = append(byFirst[parts[0]], parts)
	}
	for name, content := range texts(t) {
		if name == "words_test.go" || path.Ext(name) == ".sum" {
			continue
		}
		all := wordsOf(string(content))
		for i, w := range all {
			for _, parts := range byFirst[w.text] {
				if i+len(parts) > len(all) || !slices.EqualFunc(parts, all[i:i+len(parts)], func(p string, w word) bool { return p == w.text }) {
					continue
				}
				phrase := strings.Join(parts, " ")
				t.Errorf("%s:%d says %q: say %s", name, w.line, phrase, instead[phrase])
			}
		}
	}
}
