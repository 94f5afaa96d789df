//go:build real

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// completed runs a shell in a directory with the program's script, as "script", and
// a file to complete.
func completed(t *testing.T, shell string, arguments ...string) string {
	t.Helper()
	code, script, _ := run(t, "completion", shell)
	require.Equal(t, cli.OK, code)
	cmd := exec.Command(shell, arguments...)
	cmd.Dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, "script"), []byte(script), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, "tea.txt"), nil, 0o600))
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "TERM=dumb")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestToolsFishCompletes(t *testing.T) {
	for line, want := range map[string][]string{
		"kettle p":        {"pour\tpour it out"},
		"kettle boil --":  {"--degrees\thow hot"},
		"kettle boil 1":   {"1"},
		"kettle boil te":  {"tea.txt"},
		"kettle help ver": {"version"},
		"kettle nothing ": {"script", "tea.txt"},
	} {
		out := completed(t, "fish", "--no-config", "-c", `source script; complete -C "$argv[1]"`, line)
		assert.Equal(t, want, strings.Split(strings.TrimSpace(out), "\n"), line)
	}
}

// zshAsks types a line, a tabulator and a key that shows the line to a zsh with a
// terminal, and prints what it shows.
const zshAsks = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1= RPS1=; autoload -Uz compinit; compinit -u -D; source ./script'
zpty -w shell 'show() { print -r -- "<$BUFFER>" }; zle -N show; bindkey "^T" show; print rea""dy'
zpty -r -m shell out '*ready*'
zpty -w -n shell $1$'\t\x14'
zpty -r -m shell out '*<*>*'
print -r -- $out
zpty -d shell`

func TestToolsZshCompletes(t *testing.T) {
	for line, want := range map[string]string{
		"kettle p":            "<kettle pour >",
		"kettle boil --d":     "<kettle boil --degrees >",
		"kettle boil te":      "<kettle boil tea.txt >",
		"kettle help ver":     "<kettle help version >",
		"kettle completion z": "<kettle completion zsh >",
	} {
		out := completed(t, "zsh", "-f", "-c", zshAsks, "zsh", line)
		assert.Contains(t, out, want, line)
	}
}
