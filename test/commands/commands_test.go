// Package commands_test types what the documents, the helps, the comments of the
// examples and the errors of both programs tell their readers to type.
//
// One flow through it: every command is found, with the place where it stands;
// each is typed in a directory that has the files which it names, with the built
// programs and on free ports; what cannot be typed here is in a table with its
// reason, and as much of it as can be is compared with the programs' own helps,
// the Makefile, the tests and the tree. go test -v lists them all. A command in a
// place that the tables do not know fails the test.
//
// The package does not judge what a command does, only that it is one.
package commands_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/test/harness"
)

// programs are built once, and asked once for their helps: by program and verb,
// with that of the program itself at "".
var (
	programs harness.Programs
	helps    map[string]map[string]string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ota-commands-")
	if err == nil {
		defer os.RemoveAll(dir)
		programs, err = harness.Build(dir, "1.0.0")
	}
	if err == nil {
		helps, err = readHelps()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// readHelps asks both programs for the helps of all their verbs.
func readHelps() (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for name, path := range map[string]string{"ota-agent": programs.Agent, "ota-sim": programs.Sim} {
		help, err := exec.Command(path, "help").Output()
		if err != nil {
			return nil, err
		}
		all[name] = map[string]string{"": string(help)}
		_, list, _ := strings.Cut(string(help), "Verbs:\n")
		list, _, _ = strings.Cut(list, "\n\n")
		for line := range strings.Lines(list) {
			verb := strings.Fields(line)[0]
			if help, err = exec.Command(path, "help", verb).Output(); err != nil {
				return nil, err
			}
			all[name][verb] = string(help)
		}
	}
	return all, nil
}

// command is a command line as a reader finds it.
type command struct {
	place string // file:line, or the verb whose help it is in
	text  string // on one line
}

// checked says how a command was checked.
type checked struct {
	command
	how string
}

// TestCommands finds every command, and checks each text once.
func TestCommands(t *testing.T) {
	places := map[string][]string{}
	for _, c := range slices.Concat(written(t), helped(), commented(t), advised(t)) {
		places[c.text] = append(places[c.text], c.place)
	}
	assert.Greater(t, len(places), 150, "commands are not found")
	k := newChecker(t)
	var mutex sync.Mutex
	var all []checked
	t.Run("each", func(t *testing.T) {
		for text, at := range places {
			t.Run(text, func(t *testing.T) {
				t.Parallel()
				how := k.check(t, text)
				mutex.Lock()
				defer mutex.Unlock()
				for _, place := range at {
					all = append(all, checked{command{place, text}, how})
				}
			})
		}
	})
	k.complete(t)
	slices.SortFunc(all, func(a, b checked) int {
		return cmp.Or(strings.Compare(a.place, b.place), strings.Compare(a.text, b.text))
	})
	for _, c := range all {
		t.Logf("%-34s %s\n%37s%s", c.place, c.text, "", c.how)
	}
}
