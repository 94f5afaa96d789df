package shell_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/shell"
)

// TestLine: a shell gives the words back.
func TestLine(t *testing.T) {
	words := []string{"plain", "", "two words", `it's`, `"$HOME"`, "$i", "`id`", "a\nb", "*", "~", "#", "a=b", "--x=y z",
		`back\slash`, "ä", "!", "{1,2}", "<(x)", "50%"}
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", `printf '%s\0' `+shell.Line(words...)).Output()
	require.NoError(t, err)
	assert.Equal(t, words, strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"))
	assert.Equal(t, "ota-sim run --seed=7 my.yaml", shell.Line("ota-sim", "run", "--seed=7", "my.yaml"),
		"what needs no quotes has none")
}

func TestPath(t *testing.T) {
	assert.Equal(t, "./-x.yaml", shell.Path("-x.yaml"))
	assert.Equal(t, "a/-x.yaml", shell.Path("a/-x.yaml"))
	assert.Empty(t, shell.Path(""))
}
