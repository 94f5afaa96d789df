package otafleet_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
	"otafleet/simulator/scenario"
)

// update makes the tests write the documents' tables instead of judging them:
// go test . -run Documents -update.
var update = flag.Bool("update", false, "write the tables of the documents")

func TestDocumentsShowTheTablesOfTheCode(t *testing.T) {
	for _, test := range []struct{ document, section, table string }{
		{"docs/PROTOCOL.md", "status-table", statusTable()},
		{"docs/PROTOCOL.md", "code-table", codeTable()},
		{"docs/SCENARIOS.md", "action-table", actionTable()},
		{"docs/SCENARIOS.md", "fault-table", faultTable()},
		{"docs/SCENARIOS.md", "event-table", eventTable()},
		{"docs/SCENARIOS.md", "compare-table", compareTable()},
		{"docs/SCENARIOS.md", "preset-table", presetTable()},
	} {
		t.Run(test.section, func(t *testing.T) {
			content, err := os.ReadFile(test.document)
			require.NoError(t, err)

			opening, closing := "<!-- "+test.section+" -->\n", "<!-- /"+test.section+" -->"
			head, rest, opened := strings.Cut(string(content), opening)
			table, tail, closed := strings.Cut(rest, closing)
			require.True(t, opened && closed, "%s: missing section: it needs the lines %q and %q", test.document, opening,
				closing)

			if *update {
				table = "\n" + test.table + "\n"
				require.NoError(t, os.WriteFile(test.document, []byte(head+opening+table+closing+tail), 0o644))
			}
			assert.Equal(t, strings.TrimSpace(test.table), strings.TrimSpace(table),
				"%s: the section %s is not what the code says; go test . -run Documents -update writes it", test.document,
				test.section)
		})
	}
}

// presetTable gives the presets of lines as Markdown.
func presetTable() string {
	var b strings.Builder
	b.WriteString("| preset | bandwidth | upload | latency, one way | jitter | loss | source |\n" +
		"| --- | --- | --- | --- | --- | --- | --- |\n")
	kilobits := func(bytes int64) string { return fmt.Sprintf("%g kbit/s", float64(bytes)*8/1000) }
	for _, p := range scenario.Presets() {
		l := &p.Link
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", p.Name, kilobits(l.Bandwidth), kilobits(l.Upload),
			l.Latency, l.Jitter, l.Loss, p.Source)
	}
	return b.String()
}

// statusTable gives the status table as Markdown.
func statusTable() string {
	finality := map[ota.Finality]string{ota.NotFinal: "no", ota.FinalAtLimit: "unless a retry is left", ota.Final: "yes"}
	var b strings.Builder
	b.WriteString("| status | what has happened | final | may be followed by | after a restart |\n" +
		"| --- | --- | --- | --- | --- |\n")
	for _, row := range ota.Statuses() {
		var next []string
		for _, s := range row.Next {
			next = append(next, "`"+s.String()+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", row.Wire, row.Sentence, finality[row.Final],
			strings.Join(next, ", "), row.Entry)
	}
	return b.String()
}

// codeTable gives the error codes as Markdown, in the order of their names.
func codeTable() string {
	codes := ota.Codes()
	var b strings.Builder
	b.WriteString("| code | meaning | tried again first |\n| --- | --- | --- |\n")
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		again := ""
		if code.Transient() {
			again = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", code, codes[code], again)
	}
	return b.String()
}

// actionTable gives the actions of a scenario's events as Markdown.
func actionTable() string {
	var b strings.Builder
	b.WriteString("| `do` | what happens | needs | also takes |\n| --- | --- | --- | --- |\n")
	for _, row := range scenario.Actions() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row.Action, row.Sentence, codeWords(row.Needs), codeWords(row.Params))
	}
	return b.String()
}

// faultTable gives the kinds of faults as Markdown. Where a kind strikes at
// every status, the table says so.
func faultTable() string {
	isStatus := func(p scenario.Place) bool { _, is := p.Status(); return is }
	statuses := slices.DeleteFunc(scenario.Places(), func(p scenario.Place) bool { return !isStatus(p) })
	var b strings.Builder
	b.WriteString("| `do` | what happens | `at` | needs | also takes |\n| --- | --- | --- | --- | --- |\n")
	for _, row := range scenario.Kinds() {
		at := codeWords(row.Places)
		if len(row.Places) >= len(statuses) {
			at = strings.TrimPrefix(codeWords(slices.DeleteFunc(row.Places, isStatus))+", any status", ", ")
		}
		also := slices.DeleteFunc(row.Params, func(p string) bool { return slices.Contains(row.Needs, p) })
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", row.Kind, row.Sentence, at, codeWords(row.Needs), codeWords(also))
	}
	return b.String()
}

// compareTable gives the figures by which runs are compared as Markdown.
func compareTable() string {
	words := map[scenario.Worse]string{scenario.Higher: "more", scenario.Lower: "less", scenario.Either: "either"}
	var b strings.Builder
	b.WriteString("| figure | what it is | worse is | allowed in the real world | in virtual time |\n" +
		"| --- | --- | --- | --- | --- |\n")
	for _, m := range scenario.Measures() {
		allowed, virtual := "nothing", "nothing"
		if m.Allowed != (scenario.Tolerance{}) {
			allowed = fmt.Sprintf("%s, at least %s", m.Allowed.Share, inUnit(m.Unit, m.Allowed.Least))
		}
		if m.Fixed > 0 {
			allowed += fmt.Sprintf(", or its part of %s", inUnit(m.Unit, m.Fixed))
		}
		if m.Machine {
			virtual = "the same"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Figure, m.Sentence, words[m.Worse], allowed, virtual)
	}
	return b.String()
}

func inUnit(unit scenario.Unit, value float64) string {
	switch unit {
	case scenario.Seconds:
		return yamlform.FormatDuration(time.Duration(value * float64(time.Second)))
	case scenario.Bytes:
		return yamlform.FormatSize(int64(value))
	}
	return fmt.Sprint(value)
}

// eventTable gives the events that rules are about as Markdown.
func eventTable() string {
	var b strings.Builder
	b.WriteString("| `event` | what has happened | takes |\n| --- | --- | --- |\n")
	for _, row := range scenario.EventKinds() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", row.Kind, row.Sentence, codeWords(row.Params))
	}
	return b.String()
}

func codeWords[T ~string](words []T) string {
	var all []string
	for _, w := range words {
		all = append(all, "`"+string(w)+"`")
	}
	return strings.Join(all, ", ")
}

// TestScenarioWordsAreThoseOfTheCode holds the first columns of the tables whose
// sentences only the document has.
func TestScenarioWordsAreThoseOfTheCode(t *testing.T) {
	content, err := os.ReadFile("docs/SCENARIOS.md")
	require.NoError(t, err)
	var places []scenario.Place
	for _, p := range scenario.Places() {
		if _, is := p.Status(); !is {
			places = append(places, p)
		}
	}
	for _, test := range []struct {
		header string
		words  string
	}{
		{"| `at` | strikes |", codeWords(places)},
		{"| class | the device |", codeWords(scenario.Classes())},
		{"| figure | reports that |", codeWords(scenario.Figures())},
		{"| span | time |", codeWords(scenario.Spans())},
	} {
		_, table, found := strings.Cut(string(content), test.header+"\n")
		require.True(t, found, "docs/SCENARIOS.md has no table %s", test.header)
		table, _, _ = strings.Cut(table, "\n\n")
		var words []string
		for _, line := range strings.Split(table, "\n") {
			if word, _, is := strings.Cut(strings.TrimPrefix(line, "| "), " |"); is && strings.HasPrefix(word, "`") {
				words = append(words, word)
			}
		}
		assert.Equal(t, test.words, strings.Join(words, ", "), "docs/SCENARIOS.md: %s", test.header)
	}
	for _, q := range scenario.Quantiles() {
		assert.Contains(t, string(content), "`"+string(q)+"`")
	}
}

// TestSecurityNamesTests: what SECURITY.md says is shown by tests that exist.
func TestSecurityNamesTests(t *testing.T) {
	content, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	shown := regexp.MustCompile("`([a-z0-9_/]+_test\\.go)`((?:,?\\s+Test[A-Za-z0-9]+)+)").FindAllStringSubmatch(
		string(content), -1)
	named := 0
	for _, place := range shown {
		code, err := os.ReadFile(place[1])
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`\w+`).FindAllString(place[2], -1) {
			named++
			assert.True(t, strings.Contains(string(code), "\nfunc "+name+"("), "SECURITY.md names %s, which %s does not have",
				name, place[1])
		}
	}
	assert.Equal(t, len(regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(content), -1)), named,
		"each test stands behind its file")
}
