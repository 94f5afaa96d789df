package otafleet_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// longest is the number of lines that a file may have; most have a third of it.
const longest = 500

// tables names the package-level variables that are allowed, singly or by file:
// constants for which Go has no word, since nothing writes to them after they
// are declared. Anything else would be shared by the thousands of agents that
// live in one process.
var tables = map[string]string{
	"internal/ota.table":                        "the status table",
	"internal/ota.codes":                        "the error codes",
	"internal/ota.deviceNames":                  "names of a device's statuses",
	"agent.stepNames":                           "names of the steps on disk",
	"agent.stepSentences":                       "what the operator reads of a step",
	"agent.answerNames":                         "names of the user's answers",
	"agent.situationTable":                      "what the device does or waits for, for programs and people",
	"agent/link/native.refusals":                "what a broker's reason codes mean",
	"simulator/fault.kinds":                     "how each kind of fault is made",
	"test/harness.clock":                        "a pattern of times of day",
	"test/harness.changing":                     "a pattern of what differs from run to run",
	"simulator/verdict.kindNames":               "names of the kinds of events",
	"simulator/verdict.powers":                  "of the prime of a hash",
	"simulator/platform/engine.powers":          "of the prime of a hash",
	"simulator/platform/engine.arrivalNames":    "names of what becomes of a report",
	"simulator/platform/engine.sentences":       "texts of the plan log",
	"simulator/platform/engine.tellingReasons":  "the order in which reasons are given",
	"simulator/platform/objectstore/failure.go": "the failures of S3, errors to compare with",
}

// pure names the packages that compute and do nothing else, with the files that
// are excepted. That is why a run can be repeated to the byte, cut at any
// output, and driven through a million devices in virtual time.
var pure = map[string]string{
	"internal/ota":               "",
	"internal/wire":              "",
	"internal/quecthing":         "",
	"internal/yamlform":          "",
	"internal/chart":             "",
	"reporter":                   "",
	"agent":                      "runner.go effect.go silent.go restart.go", // they execute what the machine decides
	"agent/download/policy":      "",
	"simulator/enrol":            "",
	"simulator/cluster":          "",
	"simulator/fleet":            "",
	"simulator/selection":        "",
	"simulator/trace":            "",
	"simulator/verdict":          "",
	"simulator/compare":          "",
	"simulator/report":           "",
	"simulator/platform/account": "",
	"simulator/platform/engine":  "",

	"simulator/platform/quecthing": "login.go seat.go server.go", // they are beside the conversation
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	sentence := regexp.MustCompile(`[.:](\s|$)`)
	for pkg, files := range packages(t) {
		docs := packageComments(files)
		if len(docs) != 1 {
			t.Errorf("package %s has %d package comments; it needs one: what it is for, one flow through it, "+
				"what it does not do", pkg, len(docs))
			continue
		}
		if !strings.HasPrefix(docs[0], title(files)) {
			t.Errorf("the package comment of %s does not begin with %q", pkg, title(files))
		}
		if n := len(sentence.FindAllString(docs[0], -1)); n < 2 || n < 3 && !isProgram(files) {
			t.Errorf("the package comment of %s is too short to tell what it is for, one flow and a limit", pkg)
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function: what must happen is called by whoever needs it", s.path)
			}
		}
	}
}

func TestNoMutableGlobals(t *testing.T) {
	unseen := maps.Clone(tables)
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, variable := range globals(s.ast) {
			id := s.pkg + "." + variable
			delete(unseen, id)
			delete(unseen, s.path)
			if tables[id] == "" && tables[s.path] == "" {
				t.Errorf("%s declares the variable %s: give it to a struct or a function or, if it is a table that nothing "+
					"writes to, to the list tables", s.path, variable)
			}
		}
	}
	for id := range unseen {
		t.Errorf("the list tables names %s, which does not exist: remove the line", id)
	}
}

func TestPurePackagesDoNothing(t *testing.T) {
	world := []string{"os", "os/exec", "net", "net/http", "syscall", "math/rand"}
	for _, s := range sources(t) {
		except, is := pure[s.pkg]
		if !is || s.test || slices.Contains(strings.Fields(except), path.Base(s.path)) {
			continue
		}
		for _, imported := range s.imports() {
			if slices.Contains(world, imported) {
				t.Errorf("%s imports %s, but %s only computes", s.path, imported, s.pkg)
			}
		}
		for _, effect := range effects(s.ast) {
			t.Errorf("%s uses %s, but %s only computes", s.path, effect, s.pkg)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > longest {
			t.Errorf("%s has %d lines, more than %d: one idea a file", s.path, s.lines, longest)
		}
	}
}

func TestLargeLiteralsNameTheirFields(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if l, is := n.(*ast.CompositeLit); is && len(l.Elts) > mostUnnamed && isUnnamedStruct(l) {
				t.Errorf("%s has a literal with %d values without their names: with more than %d, a reader counts",
					s.path, len(l.Elts), mostUnnamed)
			}
			return true
		})
	}
}

// mostUnnamed is how many values a struct literal may have without their names.
const mostUnnamed = 4

// isUnnamedStruct reports whether a literal that says its type is of a struct, by the
// look of it, and does not name fields. The rows of a table, which leave their type
// out, have their names above them.
func isUnnamedStruct(l *ast.CompositeLit) bool {
	switch l.Type.(type) {
	case *ast.Ident, *ast.SelectorExpr, *ast.StructType:
		_, named := l.Elts[0].(*ast.KeyValueExpr)
		return !named
	}
	return false
}

func TestNothingIsLeftForLater(t *testing.T) {
	later := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b|\.\./` + `shared|not ` + `implemented`)
	for file, content := range texts(t) {
		for i, line := range bytes.Split(content, []byte("\n")) {
			if later.Match(line) {
				t.Errorf("%s:%d: %s", file, i+1, line)
			}
		}
	}
}

// packageComments gives the package comments of a package: of its code, or of
// its tests where it has no code.
func packageComments(files []source) []string {
	var code, tests []string
	for _, s := range files {
		switch {
		case s.ast.Doc == nil:
		case s.test:
			tests = append(tests, s.ast.Doc.Text())
		default:
			code = append(code, s.ast.Doc.Text())
		}
	}
	if len(code) == 0 {
		return tests
	}
	return code
}

// title gives the words with which the comment of a package begins.
func title(files []source) string {
	if isProgram(files) {
		return "Command " + path.Base(files[0].pkg)
	}
	return "Package " + strings.TrimSuffix(files[0].ast.Name.Name, "_test")
}

// isProgram reports whether the package is a program, whose help says the rest.
func isProgram(files []source) bool {
	return strings.TrimSuffix(files[0].ast.Name.Name, "_test") == "main"
}

// globals gives the package-level variables of a file but for errors to compare
// with, interface assertions, embedded files and a program's version and time.
func globals(file *ast.File) []string {
	var names []string
	for _, d := range file.Decls {
		group, is := d.(*ast.GenDecl)
		if !is || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			v := spec.(*ast.ValueSpec)
			if embedded(group.Doc) || embedded(v.Doc) || isError(v) {
				continue
			}
			for _, n := range v.Names {
				if n.Name != "_" && (n.Name != "version" && n.Name != "built" || file.Name.Name != "main") {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// embedded reports whether a declaration's comment embeds a file.
func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, line := range doc.List {
		if strings.HasPrefix(line.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// isError reports whether the variable holds a plain error value.
func isError(v *ast.ValueSpec) bool {
	for _, value := range v.Values {
		call, is := value.(*ast.CallExpr)
		if !is || selector(call.Fun) != "errors.New" && selector(call.Fun) != "fmt.Errorf" {
			return false
		}
	}
	return len(v.Values) > 0
}

// effects gives what starts a goroutine, and the calls that look at the clock.
func effects(file *ast.File) []string {
	clock := regexp.MustCompile(`^time\.(Now|Since|Until|Sleep|After|AfterFunc|Tick|NewTimer|NewTicker)$`)
	found := goroutines(file)
	ast.Inspect(file, func(n ast.Node) bool {
		if s, is := n.(*ast.SelectorExpr); is && clock.MatchString(selector(s)) {
			found = append(found, selector(s))
		}
		return true
	})
	return found
}

// selector gives pkg.Name for an expression of that form.
func selector(e ast.Expr) string {
	if s, is := e.(*ast.SelectorExpr); is {
		return fmt.Sprintf("%v.%s", s.X, s.Sel.Name)
	}
	return ""
}

// TestWhatIsNotRacedIsAlone looks at the packages that `make test` leaves to tests
// without the race detector.
func TestWhatIsNotRacedIsAlone(t *testing.T) {
	_, list, found := strings.Cut(string(texts(t)["Makefile"]), "\nALONE :=")
	list, _, ended := strings.Cut(strings.ReplaceAll(list, "\\\n", " "), "\n")
	if !found || !ended {
		t.Fatal("Makefile has no list ALONE")
	}
	all := packages(t)
	for _, pkg := range strings.Fields(list) {
		if len(all[pkg]) == 0 {
			t.Errorf("Makefile's list ALONE names %s, which does not exist: remove it", pkg)
		}
		for _, s := range all[pkg] {
			if starts := goroutines(s.ast); len(starts) > 0 || slices.Contains(s.imports(), "sync") {
				t.Errorf("%s works on several goroutines (%s): take %s from Makefile's list ALONE", s.path,
					strings.Join(starts, ", "), pkg)
			}
		}
	}
}

// goroutines gives what starts one in a file: a go statement, or a Go method.
func goroutines(file *ast.File) (found []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "go")
		case *ast.CallExpr:
			if s, is := n.Fun.(*ast.SelectorExpr); is && s.Sel.Name == "Go" {
				found = append(found, "Go")
			}
		}
		return true
	})
	return found
}
