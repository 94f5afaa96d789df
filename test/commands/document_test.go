package commands_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/shell"
)

// root is the checkout, from here.
const root = "../.."

func place(name string, line int) string {
	return strings.TrimPrefix(name, root+"/") + ":" + strconv.Itoa(line)
}

// typable are the programs that the documents speak of. The rest of a span of
// code that begins with one of them, and a space, is what is typed there.
var typable = regexp.MustCompile(
	`^((bin/)?ota-(sim|agent)|make|go|curl|chmod|dpkg|echo|mkdir|grub-editenv|rauc|swupdate|systemctl|` +
		`kubectl|skopeo|systemd-[a-z]+|source|ulimit|scripts/[a-z-]+\.sh|[A-Z_]+=\S+ (make|go|ota-sim)) `,
)

// wordy is a span that may be a command: several words, of which the first may be
// a program's name.
var wordy = regexp.MustCompile(`^[a-z./][\w./-]* `)

// phrases are spans that look like commands and are none.
var phrases = []string{
	"a-z _",
	"app ",
	"download succeeded",
	"env -i",
	"history incomplete:",
	"id target bytes",
	"kill $PPID",
	"mon-fri 01:00-05:00 Europe/Berlin",
	"motor VERSION",
	"pack --hardware",
	"set -m",
	"shard 2/4",
	"the history is complete",
	"upgrade step",
	"never stored downloading of app after stored upgrade_failed signature_invalid of app",
}

// spoken are the documents in which verbs stand without their program.
var spoken = map[string]string{"OPERATOR.md": "ota-agent", "SCENARIOS.md": "ota-sim", "CLUSTER.md": "ota-sim"}

// others are the blocks without a language that are no commands, by what is in
// their first line.
var others = []string{
	"thousand: 1000 devices, broker",
	"Plan Received",
	"cmd/ota-agent/          verbs and flags",
	"GRUB takes",
	"good image",
	"upgrade                      writes",
	"agent/download: honour Retry-After", // how a change is described
	"- {id: agent,",
	"- {id: trust,",
	"- id: motor",
	"- id: modem",
	"ExecStart=",
	"setenv bootcmd",
	"load_env ota_slot", // for boot loaders: the tests of slots and machines obey them
	`. "$flag"`,         // in sh: TestExampleOfAFlag runs it
	"# replace FROM TO",
	"stage)",
	"activate)",
	"revert)", // parts of examples/handlers/motor
}

// sessions are the blocks that are typed as a whole, by their first lines: each
// command needs what those before it have made.
var sessions = []string{
	"mkdir -p out/device out/work", // a handler by hand
	"for i in 1 2 3; do ota-sim run my.yaml --shard $i/3 --out part-$i --quiet & done; wait",
	"for i in 1 2 3; do ota-sim run my.yaml --shard $i/3 --start-with 127.0.0.1:7070 --out part-$i --quiet & done; wait",
	`curl -H 'Authorization: Bearer TOKEN' --data-binary @app-1.1.0.ota -H 'Content-Type: application/octet-stream' \`,
}

// span is code within a sentence, fence the beginning or the end of a block.
var (
	span  = regexp.MustCompile("`[^`]+`")
	fence = regexp.MustCompile("^\\s*```(\\w*)$")
)

// documents are the texts for readers. CHANGELOG.md speaks of the past.
func documents(t *testing.T) []string {
	t.Helper()
	all := []string{root + "/scenarios/README.md"}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		all = append(all, found...)
	}
	return slices.DeleteFunc(all, func(path string) bool { return filepath.Base(path) == "CHANGELOG.md" })
}

// written are the commands of the documents.
func written(t *testing.T) (all []command) {
	t.Helper()
	for _, path := range documents(t) {
		blocks, spans := read(t, path)
		for _, b := range blocks {
			all = append(all, b.commands(path)...)
		}
		for _, s := range spans {
			word, _, _ := strings.Cut(s.text, " ")
			program := spoken[filepath.Base(path)]
			switch {
			case typable.MatchString(s.text):
				all = append(all, s)
			case program != "" && helps[program][word] != "":
				s.text = program + " " + strings.NewReplacer("[", "", "]", "").Replace(s.text)
				all = append(all, s)
			case wordy.MatchString(s.text):
				assert.Contains(t, phrases, s.text, "%s: is this a command? Add its program to typable, or it to phrases", s.place)
			}
		}
	}
	return all
}

// block is what stands between two fences.
type block struct {
	language string
	lines    []string
	first    int // its number in the document
}

// read takes a document apart: its blocks, and the spans of code in its sentences.
func read(t *testing.T, path string) (blocks []block, spans []command) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	inside := false
	for i, line := range strings.Split(string(content), "\n") {
		switch found := fence.FindStringSubmatch(line); {
		case found != nil:
			if inside = !inside; inside {
				blocks = append(blocks, block{found[1], nil, i + 2})
			}
		case inside:
			last := &blocks[len(blocks)-1]
			last.lines = append(last.lines, line)
		default:
			for _, code := range span.FindAllString(line, -1) {
				spans = append(spans, command{place(path, i+1), strings.Trim(code, "`")})
			}
		}
	}
	require.False(t, inside, "%s: a fence has no end", path)
	return blocks, spans
}

// commands are the command lines of a block that has some: those after a "$ ", if
// there are any, and else all. One that ends in a backslash goes on in the next.
func (b *block) commands(path string) (all []command) {
	if b.language != "" && b.language != "sh" {
		return b.contained(path)
	}
	if slices.ContainsFunc(others, func(text string) bool { return strings.Contains(b.lines[0], text) }) {
		return nil
	}
	if slices.Contains(sessions, strings.TrimSpace(b.lines[0])) {
		return []command{{place(path, b.first), strings.Join(b.lines, "\n")}}
	}
	prompts := strings.HasPrefix(strings.TrimSpace(b.lines[0]), "$ ")
	text, at := "", 0
	for i, line := range b.lines {
		line, is := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if prompts && !is || line == "" {
			continue
		}
		if text == "" {
			at = b.first + i
		}
		rest, goesOn := strings.CutSuffix(line, `\`)
		if text += rest; goesOn {
			continue
		}
		text, _, _ = strings.Cut(text, " # ")
		all = append(all, command{place(path, at), strings.TrimSpace(text)})
		text = ""
	}
	return all
}

// contained are the commands of ota-sim in configurations of other programs: behind "run:" or a
// dash, or as a list of its arguments.
func (b *block) contained(path string) (all []command) {
	line := regexp.MustCompile(`^\s*(?:- run: |- )(ota-sim .*)$`)
	list := regexp.MustCompile(`\["(?:run|merge)",[^\]]*\]`)
	for i, text := range b.lines {
		if found := line.FindStringSubmatch(text); found != nil {
			all = append(all, command{place(path, b.first+i), found[1]})
		}
		var words []string
		if json.Unmarshal([]byte(list.FindString(text)), &words) == nil {
			all = append(all, command{place(path, b.first+i), shell.Line(append([]string{"ota-sim"}, words...)...)})
		}
	}
	return all
}

// helped are the commands of the programs' helps: the examples, which are
// indented, and what sentences name.
func helped() (all []command) {
	for program, h := range helps {
		for verb, text := range h {
			at := strings.TrimSpace(program + " help " + verb)
			for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
				if example, is := strings.CutPrefix(line, "  "); is && indented.MatchString(example) {
					example, _, _ = strings.Cut(example, "        in ~")
					all = append(all, command{at, strings.TrimSpace(example)})
					continue
				}
				for _, c := range mentioned(line) {
					all = append(all, command{at, c})
				}
			}
		}
	}
	return all
}

// indented is an example in a help.
var indented = regexp.MustCompile(`^(source <\()?ota-(agent|sim) `)

// mention is a command within a sentence: a program of ours with its verb, and the
// flags and placeholders that follow.
var mention = regexp.MustCompile(
	`'(ota-(?:agent|sim) [^'\n]*)'|(?:^|[^'/\w])` +
		`((?:bin/)?ota-(?:agent|sim) [a-z]+(?: --?[a-z-]+(?:[= ][A-Za-z/.]+)?| [A-Z]{2,}\b)*)`,
)

// prose are words that follow the name of a program without being its verb.
var prose = []string{"calls", "of", "or", "thousands"}

// mentioned are the commands that a text speaks of.
func mentioned(text string) (all []string) {
	for _, found := range mention.FindAllStringSubmatch(text, -1) {
		c := found[1] + found[2]
		if !slices.Contains(prose, strings.Fields(c)[1]) {
			all = append(all, c)
		}
	}
	return all
}

// commented are the commands in comments of what a reader copies or reads.
func commented(t *testing.T) (all []command) {
	t.Helper()
	comment := regexp.MustCompile(`^\s*#+\s*(.*)`)
	order := regexp.MustCompile(`(?:^ *|: )((?:bin/ota-sim|mkdir|systemctl|/etc/init.d/ota-agent) .*)|"(make [^"]+)"`)
	for _, dir := range []string{"examples", "packaging"} {
		for path, content := range textsBelow(t, filepath.Join(root, dir)) {
			for i, line := range strings.Split(content, "\n") {
				found := comment.FindStringSubmatch(line)
				if found == nil {
					continue
				}
				if said := order.FindStringSubmatch(found[1]); said != nil {
					all = append(all, command{place(path, i+1), said[1] + said[2]})
					found[1], _, _ = strings.Cut(found[1], said[0])
				}
				for _, c := range mentioned(found[1]) {
					all = append(all, command{place(path, i+1), c})
				}
			}
		}
	}
	return all
}
