package e2e_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// codes is what each verb does while no agent runs, and what it does with a
// running one that is connected and has nothing to do: the exit codes, and part
// of what it prints with --json. A verb that is not in the table fails the test.
var codes = map[string]struct {
	args    string
	without int    // exit code while no agent runs
	with    int    // exit code with a running one
	json    string // a key of the document; empty for a verb that prints none then
}{
	"run":        {"", 1, 5, ""}, // without an agent it is one, and cannot open its socket in this test
	"status":     {"", 3, 0, "components"},
	"explain":    {"", 3, 0, "sentence"},
	"check":      {"", 3, 0, "done"},
	"confirm":    {"", 3, 4, ""},
	"refuse":     {"--reason no", 3, 4, ""},
	"abandon":    {"--reason no", 3, 4, ""},
	"pause":      {"--reason no", 3, 0, "done"},
	"resume":     {"", 3, 0, "done"},
	"history":    {"", 3, 0, "plans"},
	"rehearse":   {"usb/good.ota", 3, 0, "fetch_bytes"},
	"install":    {"usb/good.ota", 3, 0, "answer"},
	"validate":   {"", 0, 0, "valid"},
	"completion": {"bash", 0, 0, ""},
	"version":    {"", 0, 0, "version"},
}

// TestEveryVerb walks the verbs that the program's own help gives.
func TestEveryVerb(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.bundleFile("good.ota", "1.1.0", 2, "new", nil, s.key)
	s.device.Configure()
	verbs := verbsOf(harness.Run(t, s.device.Dir, programs.Agent, "help").Out)
	assert.Len(t, codes, len(verbs), "the table has a verb that the program does not know")
	do := func(verb string, more ...string) harness.Outcome {
		args := append([]string{verb}, strings.Fields(codes[verb].args)...)
		if verb != "version" && verb != "completion" {
			args = append(args, "--config", "agent.yaml")
		}
		return harness.Run(t, s.device.Dir, programs.Agent, append(args, more...)...)
	}
	for _, verb := range verbs {
		require.Contains(t, codes, verb, "the table does not have the verb")
		if verb != "run" {
			assert.Equal(t, codes[verb].without, do(verb).Code, verb)
		}
		wrong := harness.Run(t, s.device.Dir, programs.Agent, verb, "--nonsense")
		assert.Equal(t, 2, wrong.Code, verb)
		assert.Contains(t, wrong.Err, "unknown flag: --nonsense", verb)
	}

	guide, err := os.ReadFile("../../docs/OPERATOR.md")
	require.NoError(t, err)
	for _, verb := range verbs {
		assert.Contains(t, string(guide), "\n| `"+verb, "docs/OPERATOR.md does not explain the verb")
	}

	agent := s.device.Start()
	agent.AwaitOutput("connected to the broker")
	harness.Await(t, "the connection", func() bool { status, ok := s.status(); return ok && status.Connected })
	for _, verb := range verbs {
		want := codes[verb]
		var args []string
		if want.json != "" {
			args = []string{"--json"}
		}
		if verb == "resume" {
			s.awaitState("paused")
		}
		outcome := do(verb, args...)
		assert.Equal(t, want.with, outcome.Code, "%s: %s", verb, outcome.Err)
		if want.json != "" {
			var document map[string]any
			require.NoError(t, json.Unmarshal([]byte(outcome.Out), &document), "%s: %s", verb, outcome.Out)
			assert.Contains(t, document, want.json, verb)
		}
		if verb == "resume" {
			s.awaitState("idle")
		}
	}

	// The script completes every verb and its flags.
	script := do("completion").Out
	for _, verb := range verbs {
		assert.Contains(t, script, " "+verb, "completion")
	}
	assert.Contains(t, script, `install) flags="--config --socket --device --json --detach"`)
}

// TestEveryExitCode walks the codes of the program's own help, and provokes each.
func TestEveryExitCode(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	help := harness.Run(t, s.device.Dir, programs.Agent, "help").Out
	_, list, found := strings.Cut(help, "Exit codes:\n")
	require.True(t, found)
	var codes []string
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		codes = append(codes, strings.Fields(line)[0])
	}
	assert.Equal(t, 3, s.device.Do("status").Code)
	agent := s.device.Start()
	agent.AwaitOutput("connected to the broker")
	for code, args := range map[string][]string{
		"0": {"status", "--config", "agent.yaml"},
		"1": {"rehearse", "--config", "agent.yaml", "none.ota"},
		"2": {"status", "--nonsense"},
		"3": {"status", "--socket", "none.sock"},
		"4": {"confirm", "--config", "agent.yaml"},
		"5": {"run", "--config", "agent.yaml"},
	} {
		i := slices.Index(codes, code)
		require.GreaterOrEqual(t, i, 0, "the help does not have the code %s", code)
		codes = slices.Delete(codes, i, i+1)
		assert.Equal(t, code, string(rune('0'+harness.Run(t, s.device.Dir, programs.Agent, args...).Code)), "%v", args)
	}
	assert.Empty(t, codes, "codes that nothing provokes")
	assert.Equal(t, 0, agent.Stop(), "stopped by a signal")
}
