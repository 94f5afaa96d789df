package otafleet_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

// update makes the tests write the documents' tables instead of judging them:
// go test . -run Documents -update.
var update = flag.Bool("update", false, "write the tables of the documents")

func TestDocumentsShowTheTablesOfTheCode(t *testing.T) {
	for _, test := range []struct{ document, section, table string }{
		{"README.md", "status-table", statusTable()},
		{"docs/PROTOCOL.md", "code-table", codeTable()},
	} {
		t.Run(test.section, func(t *testing.T) {
			content, err := os.ReadFile(test.document)
			require.NoError(t, err)

			opening, closing := "<!-- "+test.section+" -->\n", "<!-- /"+test.section+" -->"
			head, rest, opened := strings.Cut(string(content), opening)
			table, tail, closed := strings.Cut(rest, closing)
			require.True(t, opened && closed, "%s: missing section: it needs the lines %q and %q", test.document, opening, closing)

			if *update {
				table = "\n" + test.table + "\n"
				require.NoError(t, os.WriteFile(test.document, []byte(head+opening+table+closing+tail), 0o644))
			}
			assert.Equal(t, strings.TrimSpace(test.table), strings.TrimSpace(table), "%s: the section %s is not what the code says; go test . -run Documents -update writes it", test.document, test.section)
		})
	}
}

// statusTable gives the status table as Markdown.
func statusTable() string {
	finality := map[ota.Finality]string{ota.NotFinal: "no", ota.FinalAtLimit: "unless a retry is left", ota.Final: "yes"}
	var b strings.Builder
	b.WriteString("| status | what has happened | final | may be followed by | after a restart |\n| --- | --- | --- | --- | --- |\n")
	for _, row := range ota.Statuses() {
		var next []string
		for _, s := range row.Next {
			next = append(next, "`"+s.String()+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", row.Wire, row.Sentence, finality[row.Final], strings.Join(next, ", "), row.Entry)
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
