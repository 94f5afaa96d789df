package commands_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// assembled are the functions of the programs whose texts have a command with
// values in it, each with the test that provokes the text and types what it says.
var assembled = map[string]string{
	"cmd/ota-agent/config/path.go: guarded": "test/commands: TestWarningsTell",
	"cmd/ota-agent/config/path.go: secret":  "test/commands: TestWarningsTell",
	"cmd/ota-sim/explore.go: again":         "cmd/ota-sim: TestTrialAgain",
	"cmd/ota-sim/preflight.go: String":      "cmd/ota-sim: TestTheAdviceWorks",
	"cmd/ota-sim/preflight.go: shards":      "cmd/ota-sim: TestTheAdviceWorks",
	"cmd/ota-sim/preflight.go: virtually":   "cmd/ota-sim: TestTheAdviceWorks",
	"cmd/ota-sim/preflight.go: writeMend":   "cmd/ota-sim: TestWhatHelps", // for root alone
	"cmd/ota-sim/repair.go: lost":           "cmd/ota-sim: TestRepairsWork",
	"cmd/ota-sim/repair.go: run":            "cmd/ota-sim: TestRepairsWork",
	"firmware/slot/grub.go: create":         "firmware/slot: TestGrubBlocksThatAreNone",
	"simulator/report/html.go: newPage":     "test/commands: TestReportTells",
	"simulator/report/html.go: runCommand":  "test/commands: TestReportTells",
	"simulator/report/rows.go: deviceRows":  "test/commands: TestReportTells",
}

// names are the functions in which a program's name is no part of a command.
var names = []string{
	"firmware/tree.go: chmod",        // it says what has failed
	"agent/control/client.go: Error", // it asks whether the agent runs
	"agent/download/config.go: DefaultStallTimeout",
	"simulator/real/world.go: openDownloads", // user agents
	"cmd/ota-agent/main.go: program",
	"cmd/ota-agent/main.go: verbs",
	"cmd/ota-sim/main.go: program",            // the programs themselves
	"simulator/model/draws.go: MachineConfig", // what devices say that they run
	"simulator/platform/service.go: bucket",   // a user of the store
}

// order finds, in a text of the source, a program of ours with a verb or as a word
// of a command line, and other programs that a reader is advised to run.
var order = regexp.MustCompile(
	`\bota-(sim|agent) [a-z]|^ota-(sim|agent)$|^(?:grub-editenv|chmod)$|` +
		`\b(openssl|ulimit|sysctl|systemctl|chmod|chown|apt-get|apt|dpkg|grub-editenv|fw_setenv|mkdir|` +
		`curl|mosquitto|setcap|journalctl|modprobe|go run|go test) [-a-z%/0-9]|\bscripts/[a-z-]+\.sh`,
)

// advised are the commands that are in texts of the source as they are typed.
// The texts of helps are looked at where they are printed.
func advised(t *testing.T) (all []command) {
	t.Helper()
	var put []string
	for _, a := range advices(t) {
		text := strings.TrimSpace(a.text)
		last := text[strings.LastIndex(text, "\n")+1:]
		switch known, is := assembled[a.in]; {
		case slices.Contains(names, a.in):
			put = append(put, a.in)
		case is:
			put = append(put, a.in)
			t.Logf("%-34s %s\n%37styped by %s", a.place, strings.TrimSpace(a.text), "", known)
		case inHelp(last):
		default:
			found := mentioned(strings.ReplaceAll(a.text, "\n", " "))
			assert.NotEmpty(t, found, "%s: a command with values needs its function, %q, in assembled: %q", a.place, a.in,
				a.text)
			for _, c := range found {
				assert.NotContains(t, c, "%", "%s: a command with values needs its function, %q, in assembled", a.place, a.in)
				all = append(all, command{a.place, c})
			}
		}
	}
	for in, test := range assembled {
		assert.Contains(t, put, in, "nothing is assembled there any more")
		dir, name, _ := strings.Cut(test, ": ")
		assert.True(t, hasTest(t, filepath.Join(root, dir), "Test", "^"+name+"$"), "%s: there is no test %s", in, test)
	}
	assert.Subset(t, put, names, "nothing is named there any more")
	return all
}

// inHelp reports whether a line is one of a help.
func inHelp(line string) bool {
	for _, verbs := range helps {
		for _, help := range verbs {
			if strings.Contains(help, line) {
				return true
			}
		}
	}
	return false
}

// advice is a text of the source with a command in it.
type advice struct {
	place string // file:line
	in    string // the function or the variable, as file: name
	text  string // with %v where values are put between parts
}

// advices gives the texts of the programs' source in which a command stands.
func advices(t *testing.T) (all []advice) {
	t.Helper()
	for _, dir := range []string{"agent", "cmd", "firmware", "internal", "reporter", "simulator", "scenarios"} {
		for path, content := range textsBelow(t, filepath.Join(root, dir)) {
			if filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
				all = append(all, advicesOf(t, path, content)...)
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}

func advicesOf(t *testing.T, path, content string) (all []advice) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, content, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, declaration := range file.Decls {
		in := strings.TrimPrefix(path, root+"/") + ": " + nameOf(declaration)
		ast.Inspect(declaration, func(node ast.Node) bool {
			text, whole := folded(node)
			if whole && order.MatchString(text) {
				all = append(all, advice{place(path, files.Position(node.Pos()).Line), in, text})
			}
			return !whole
		})
	}
	return all
}

// nameOf is what a declaration declares first.
func nameOf(declaration ast.Decl) string {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		return d.Name.Name
	case *ast.GenDecl:
		if len(d.Specs) > 0 {
			if value, is := d.Specs[0].(*ast.ValueSpec); is {
				return value.Names[0].Name
			}
		}
	}
	return ""
}

// folded is the text of a string that is written out, or put together from such
// and from values, which are %v.
func folded(node ast.Node) (text string, is bool) {
	switch n := node.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(n.Value)
		return text, n.Kind == token.STRING && err == nil
	case *ast.BinaryExpr:
		left, one := folded(n.X)
		right, other := folded(n.Y)
		if n.Op != token.ADD || !one && !other {
			return "", false
		}
		if !one {
			left = "%v"
		}
		if !other {
			right = "%v"
		}
		return left + right, true
	}
	return "", false
}

// textsBelow reads the files of a directory and those below it.
func textsBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path] = string(content)
		return err
	}))
	return all
}

// TestFlagsInTexts: a flag that a text of the source names is one of the program.
func TestFlagsInTexts(t *testing.T) {
	flag := regexp.MustCompile(`(?:^|[\s("'\[])--([a-z][a-z-]+)`)
	others := regexp.MustCompile(`(?m)^.*(?:kubectl|sbatch|SBATCH|squeue).*$`) // lines with programs of clusters
	known := map[string]map[string]bool{}
	for program, verbs := range helps {
		known[program] = map[string]bool{"help": true, "version": true}
		for verb := range verbs {
			for name := range synopsisOf(program, verb).flags {
				known[program][name] = true
			}
		}
	}
	found := 0
	for program, dirs := range map[string][]string{
		"ota-agent": {"agent", "cmd/ota-agent", "firmware/file", "firmware/command"},
		"ota-sim":   {"cmd/ota-sim", "simulator", "internal/bundle"},
	} {
		for _, dir := range dirs {
			texts := textsBelow(t, filepath.Join(root, dir))
			for _, path := range slices.Sorted(maps.Keys(texts)) {
				if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
					continue
				}
				text := others.ReplaceAllString(strings.Join(literals(t, path, texts[path]), "\n"), "")
				for _, name := range flag.FindAllStringSubmatch(text, -1) {
					found++
					assert.True(t, known[program][name[1]], "%s: %s has no flag --%s", path, program, name[1])
				}
			}
		}
	}
	assert.Greater(t, found, 50)
}

// literals are all texts of a source file.
func literals(t *testing.T, path, content string) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, content, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(file, func(node ast.Node) bool {
		text, whole := folded(node)
		if whole {
			all = append(all, text)
		}
		return !whole
	})
	return all
}
