package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// kettle is a program with a verb of every kind.
func kettle() *cli.Program {
	simple := func(action cli.Action) func(*pflag.FlagSet) cli.Action {
		return func(*pflag.FlagSet) cli.Action { return action }
	}
	return &cli.Program{
		Name: "kettle", Summary: "boil water",
		Exits: []cli.ExitLine{{Code: cli.Failed, Meaning: "it stayed cold"}, {Code: 3, Meaning: "it is empty"}},
		Verbs: []cli.Verb{
			{Name: "boil", Args: "LITRES", Words: []string{"1", "2"}, Summary: "boil some water",
				Help: "Boils.\n\nExample:\n  kettle boil 2", Flags: boil},
			{Name: "pour", Summary: "pour it out", Flags: simple(func(_ context.Context, s cli.Streams, args []string) error {
				if err := cli.NoArgs(args); err != nil {
					return err
				}
				_, err := io.Copy(s.Out, s.In)
				return err
			})},
			{Name: "fail", Summary: "fail",
				Flags: simple(func(context.Context, cli.Streams, []string) error { return errors.New("it leaks") })},
			{Name: "quietly", Summary: "fail without a word",
				Flags: simple(func(context.Context, cli.Streams, []string) error { return &cli.Exit{Code: 3} })},
			{Name: "wrapped", Summary: "fail in depth", Flags: simple(func(context.Context, cli.Streams, []string) error {
				return fmt.Errorf("cannot pour: %w", cli.Exitf(3, "it is %s", "empty"))
			})},
			{Name: "lines", Summary: "say much that is wrong", Flags: simple(func(context.Context, cli.Streams, []string) error {
				return cli.Exitf(cli.Usage, "two mistakes:\none\ntwo")
			})},
			{Name: "wait", Summary: "wait", Flags: simple(func(ctx context.Context, _ cli.Streams, _ []string) error {
				<-ctx.Done()
				return &cli.Exit{Code: cli.Interrupted}
			})},
			cli.CompletionVerb("kettle", kettle),
			cli.VersionVerb("kettle", "1.2.3"),
		},
	}
}

func boil(flags *pflag.FlagSet) cli.Action {
	degrees := flags.Int("degrees", 100, "how hot")
	return func(_ context.Context, s cli.Streams, args []string) error {
		litres, err := cli.OneArg(args, "the amount")
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "%s litres at %d degrees\n", litres, *degrees)
		return nil
	}
}

// run gives the exit code and what was said.
func run(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = kettle().Run(t.Context(), cli.Streams{In: strings.NewReader("tea"), Out: &o, Err: &e}, args)
	return code, o.String(), e.String()
}

const help = `kettle: boil water

Usage: kettle VERB [FLAGS] [ARGUMENTS]

Verbs:
  boil        boil some water
  pour        pour it out
  fail        fail
  quietly     fail without a word
  wrapped     fail in depth
  lines       say much that is wrong
  wait        wait
  completion  print a script that completes command lines
  version     print the version

'kettle help VERB' explains a verb with examples.

Exit codes:
  0    done
  1    it stayed cold
  3    it is empty
`

const boilHelp = `boil some water

Usage: kettle boil [FLAGS] LITRES

Boils.

Example:
  kettle boil 2

Flags:
      --degrees int   how hot (default 100)
`

func TestRun(t *testing.T) {
	tests := []struct {
		args     string
		code     int
		out, err string
	}{
		{"", cli.Usage, "", help},
		{"help", cli.OK, help, ""},
		{"-h", cli.OK, help, ""},
		{"--help", cli.OK, help, ""},
		{"help boil", cli.OK, boilHelp, ""},
		{"boil --help", cli.OK, boilHelp, ""},
		{"boil -h", cli.OK, boilHelp, ""},
		{"help pour", cli.OK, "pour it out\n\nUsage: kettle pour\n", ""},
		{"help por", cli.Usage, "", "kettle: there is no verb \"por\"; did you mean \"pour\"?\nSee 'kettle help'.\n"},
		{"boil 2", cli.OK, "2 litres at 100 degrees\n", ""},
		{"boil 2 --degrees 80", cli.OK, "2 litres at 80 degrees\n", ""},
		{"boil --degrees=80 -- -2", cli.OK, "-2 litres at 80 degrees\n", ""},
		{"boil", cli.Usage, "", "kettle boil: want one argument, the amount, and got 0\nSee 'kettle help boil'.\n"},
		{"boil 1 2", cli.Usage, "", "kettle boil: want one argument, the amount, and got 2\nSee 'kettle help boil'.\n"},
		{"boil --cold", cli.Usage, "", "kettle boil: unknown flag: --cold\nSee 'kettle help boil'.\n"},
		{"boil --degree 80", cli.Usage, "",
			"kettle boil: unknown flag: --degree; did you mean \"--degrees\"?\nSee 'kettle help boil'.\n"},
		{"boil --degeres=80", cli.Usage, "",
			"kettle boil: unknown flag: --degeres; did you mean \"--degrees\"?\nSee 'kettle help boil'.\n"},
		{"boil -d", cli.Usage, "", "kettle boil: unknown shorthand flag: 'd' in -d\nSee 'kettle help boil'.\n"},
		{"boil --degrees hot", cli.Usage, "",
			"kettle boil: invalid argument \"hot\" for \"--degrees\" flag: must be an integer\nSee 'kettle help boil'.\n"},
		{"pour", cli.OK, "tea", ""},
		{"pour slowly", cli.Usage, "", "kettle pour: takes no arguments, and got \"slowly\"\nSee 'kettle help pour'.\n"},
		{"completion", cli.Usage, "", "kettle completion: want one argument, the shell, and got 0\n" +
			"See 'kettle help completion'.\n"},
		{"completion csh", cli.Usage, "",
			"kettle completion: there is no completion for \"csh\", only for bash, zsh, fish\nSee 'kettle help completion'.\n"},
		{"fail", cli.Failed, "", "kettle fail: it leaks\n"},
		{"quietly", 3, "", ""},
		{"wrapped", 3, "", "kettle wrapped: cannot pour: it is empty\n"},
		{"lines", cli.Usage, "", "kettle lines: two mistakes:\none\ntwo\n"},
		{"stir", cli.Usage, "", "kettle: there is no verb \"stir\"\nSee 'kettle help'.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			code, out, err := run(t, strings.Fields(tt.args)...)
			assert.Equal(t, tt.code, code)
			assert.Equal(t, tt.out, out)
			assert.Equal(t, tt.err, err)
		})
	}
}

func TestSuggestions(t *testing.T) {
	for wrong, want := range map[string]string{
		"boi": "boil", "biol": "boil", "bol": "boil", "boill": "boil", "foil": "boil", "ver": "version", "versoin": "version",
		"po": "pour",
		"b":  "", "p": "", "x": "", "spoil": "", "verify": "", "boiling": "", "oliv": "", "pourly": "", "quit": "", "": "",
		"überall": "",
	} {
		_, _, err := run(t, wrong)
		if want == "" {
			assert.NotContains(t, err, "did you mean", wrong)
		} else {
			assert.Contains(t, err, `did you mean "`+want+`"?`, wrong)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		code, out, err := run(t, args...)
		assert.Equal(t, cli.OK, code)
		assert.Regexp(t, `^kettle 1\.2\.3 \(go[0-9.a-zA-Z:-]+.*, \w+/\w+\)\n$`, out)
		assert.Empty(t, err)
	}
	code, out, _ := run(t, "version", "--json")
	assert.Equal(t, cli.OK, code)
	assert.Regexp(t, `^\{"go":"go[^"]*","processor":"\w+","program":"kettle","system":"\w+","version":"1\.2\.3"\}\n$`, out)
	code, _, _ = run(t, "version", "now")
	assert.Equal(t, cli.Usage, code)
}

// TestTheContextReachesTheVerb: whoever interrupts the program ends its verb.
func TestTheContextReachesTheVerb(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, cli.Interrupted, kettle().Run(ctx, cli.Streams{Out: io.Discard, Err: io.Discard}, []string{"wait"}))
}

// TestArgumentsAreLeftAlone: they are the caller's.
func TestArgumentsAreLeftAlone(t *testing.T) {
	args := []string{"--version"}
	run(t, args...)
	assert.Equal(t, []string{"--version"}, args)
}

func TestExit(t *testing.T) {
	cause := errors.New("cold")
	err := error(&cli.Exit{Code: 3, Err: cause})
	assert.ErrorIs(t, err, cause)
	assert.Equal(t, "cold", err.Error())
	assert.Empty(t, (&cli.Exit{Code: 3}).Error())
}

// TestCompletion asks bash what may follow.
func TestCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	code, script, _ := run(t, "completion", "bash")
	require.Equal(t, cli.OK, code)
	for words, want := range map[string]string{
		"":               "help boil pour fail quietly wrapped lines wait completion version",
		"p":              "pour",
		"boil --":        "--degrees",
		"boil --degrees": "--degrees",
		"boil ":          "1 2 file.txt",
		"boil 1":         "1",
		"pour ":          "file.txt",
		"help ver":       "version",
		"nothing --":     "",
	} {
		line := append([]string{"kettle"}, strings.Split(words, " ")...)
		cmd := exec.Command(bash, "-c", script+`COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kettle; echo "${COMPREPLY[*]}"`)
		cmd.Args = append(append(cmd.Args, "bash"), line...)
		cmd.Dir = t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, "file.txt"), nil, 0o600))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Equal(t, want, strings.TrimSpace(string(out)), words)
	}
}
