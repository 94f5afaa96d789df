package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform"
	"otafleet/test/harness"
)

func TestExitCodesWithoutAnAgent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, test := range []struct {
		args string
		code int
		says string // on standard output with code 0, else on standard error
	}{
		{"", 2, "Usage: ota-agent VERB"},
		{"help", 0, "Exit codes:"},
		{"--help", 0, "Exit codes:"},
		{"help nothing", 2, `there is no verb "nothing"`},
		{"version", 0, "ota-agent 1.0.0 (go"},
		{"--version", 0, "ota-agent 1.0.0 (go"},
		{"stat", 2, `there is no verb "stat"; did you mean "status"?`},
		{"run --daemon", 2, "unknown flag: --daemon"},
		{"run now", 2, `takes no arguments, and got "now"`},
		{"run --config none.yaml", 2, "none.yaml: no such file or directory; --config names one elsewhere"},
		{"validate --config none.yaml", 2, "none.yaml: no such file or directory; --config names one elsewhere"},
		{"status --config none.yaml", 2, "give --socket to do without the configuration"},
		{"status --socket none.sock", 3, "cannot reach the agent at none.sock: is ota-agent running?"},
		{"check --socket none.sock", 3, "cannot reach the agent"},
		{"confirm --socket none.sock", 3, "cannot reach the agent"},
		{"refuse --reason no --socket none.sock", 3, "cannot reach the agent"},
	} {
		outcome := harness.Run(t, dir, programs.Agent, strings.Fields(test.args)...)
		assert.Equal(t, test.code, outcome.Code, test.args)
		if test.code == 0 {
			assert.Contains(t, outcome.Out, test.says, test.args)
			assert.Empty(t, outcome.Err, test.args)
		} else {
			assert.Contains(t, outcome.Err, test.says, test.args)
			assert.Empty(t, outcome.Out, test.args)
		}
	}
}

func TestEveryVerbExplainsItself(t *testing.T) {
	t.Parallel()
	for _, program := range []string{programs.Agent, programs.Sim} {
		name := filepath.Base(program)
		verbs := verbsOf(harness.Run(t, t.TempDir(), program, "help").Out)
		require.NotEmpty(t, verbs, name)
		for _, verb := range verbs {
			help := harness.Run(t, t.TempDir(), program, "help", verb)
			assert.Equal(t, 0, help.Code, "%s %s", name, verb)
			assert.Contains(t, help.Out, "Usage: "+name+" "+verb, "%s %s", name, verb)
			assert.Equal(t, help, harness.Run(t, t.TempDir(), program, verb, "--help"), "%s %s", name, verb)
		}
	}
}

// verbsOf reads the verbs off the help of a program.
func verbsOf(help string) (verbs []string) {
	_, list, _ := strings.Cut(help, "Verbs:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, line := range strings.Split(list, "\n") {
		verbs = append(verbs, strings.Fields(line)[0])
	}
	return verbs
}

func TestValidateListsEveryMistake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"mistakes.yaml", "mistakes.txt"} {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
	want, err := os.ReadFile("testdata/mistakes.txt")
	require.NoError(t, err)
	outcome := harness.Run(t, dir, programs.Agent, "validate", "--config", "mistakes.yaml")
	assert.Equal(t, harness.Outcome{Code: 2, Err: strings.ReplaceAll(string(want), "DIRECTORY", dir)}, outcome)
	assert.NotContains(t, outcome.Err, "secret", "a password stays unsaid")

	run := harness.Run(t, dir, programs.Agent, "run", "--config", "mistakes.yaml")
	assert.Equal(t, strings.Replace(outcome.Err, "ota-agent validate", "ota-agent run", 1), run.Err, "run says the same")
	assert.Equal(t, 2, run.Code)
}

func TestValidate(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, programs, "mqtt://ota.example.com", harness.NewKey(t))
	d.Components(harness.FileComponent("app", "1.0.0", nil))
	d.Configure()
	validate := func() harness.Outcome {
		return harness.Run(t, d.Dir, programs.Agent, "validate", "--config", "agent.yaml")
	}
	good := validate()
	assert.Equal(t, 0, good.Code)
	assert.Equal(t, "agent.yaml: valid: device gw-0001 of product gw-200, 1 component\n", good.Out)
	assert.Contains(t, good.Err, "warning: agent.yaml:")
	assert.Contains(t, good.Err, "is not encrypted")

	d.Write("release.pub", []byte("no key"), 0o644)
	bad := validate()
	assert.Equal(t, 2, bad.Code)
	assert.Contains(t, bad.Err, "release.pub: cannot read the public key")
}

func TestVerbsOfARunningAgent(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	agent := s.device.Start()
	agent.AwaitOutput("connected to the broker")
	s.upgrades("p", "1.1.0", 3)

	status := s.device.Do("status")
	assert.Equal(t, 0, status.Code)
	for _, line := range []string{"gw-0001 of product gw-200, ota-agent/1.0.0, up ", "\nconnected since ",
		"\nidle: plan p is at its end on this device\n", "\nCOMPONENT  TYPE    RUNS   RELEASE\napp        module  1.1.0  3\n",
		"\nplan p, attempt 1, accepted, ends ", "\n  app  upgrade_succeeded  to 1.1.0\n"} {
		assert.Contains(t, status.Out, line)
	}
	harness.Await(t, "the last acknowledgement", func() bool {
		document, ok := s.status()
		return ok && document.Pending == 0
	})
	document, _ := s.status()
	assert.Equal(t, "gw-0001", document.Device)
	assert.Equal(t, "upgrade_succeeded", document.Plan.Components[0].Status)
	assert.Positive(t, document.StateFile.Saves)

	assert.Equal(t, harness.Outcome{Out: "the platform is asked for a plan\n"}, s.device.Do("check"))
	for _, verb := range []string{"confirm", "refuse"} {
		outcome := s.device.Do(verb)
		assert.Equal(t, 4, outcome.Code, verb)
		assert.Contains(t, outcome.Err, "no plan waits for an answer: idle", verb)
	}

	second := harness.Run(t, s.device.Dir, programs.Agent, "run", "--config", "agent.yaml")
	assert.Equal(t, 5, second.Code)
	assert.Contains(t, second.Err, s.device.Path("state"), "it says which directory is taken")
	assert.True(t, agent.Running())

	assert.Equal(t, 0, agent.Stop())
	assert.Equal(t, 3, s.device.Do("status").Code)
	assert.True(t, missing(s.device.Path("agent.sock")), "it leaves no socket behind")
}

func TestAgentThatCannotStart(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Write("taken", []byte("a file"), 0o644)
	s.device.Settings["state_dir"] = "taken/state"
	agent := s.device.Start()
	assert.Equal(t, 1, agent.Wait())
	assert.Contains(t, agent.Output(), "taken")

	s.device.Settings["state_dir"], s.device.Settings["control_socket"] = "state", "taken"
	agent = s.device.Start()
	assert.Equal(t, 2, agent.Wait())
	assert.Contains(t, agent.Output(), "is there and is not a socket; remove it, or choose another path")
	assert.Equal(t, "a file", string(s.device.Read("taken")))
}

// A wrong password is no reason to end. A changed one is used at the next try,
// and neither is ever written anywhere.
func TestPasswordIsReadAgain(t *testing.T) {
	t.Parallel()
	s := &setting{t: t, key: harness.NewKey(t), platform: harness.StartPlatform(t, platform.Config{
		Credentials: func(user, password string) bool { return user == "gw-0001" && password == "right-secret" }})}
	s.device = harness.NewDevice(t, programs, "", s.key)
	s.device.Settings["broker"] = harness.Settings{
		"urls":          []string{s.platform.BrokerURL()},
		"username":      "gw-0001",
		"password_file": "password",
	}
	s.device.Settings["log"] = harness.Settings{"level": "debug"}
	s.device.Components(harness.FileComponent("app", "1.0.0", nil))
	s.device.Write("app.bin", []byte("old"), 0o755)
	s.device.Write("password", []byte("wrong-secret\n"), 0o600)
	agent := s.device.Start()
	harness.Await(t, "a status", func() bool { _, ok := s.status(); return ok })
	assert.Equal(t, 4, s.device.Do("check").Code, "there is no connection to ask over")
	agent.AwaitOutput("level=WARN")

	s.device.Write("password", []byte("right-secret\n"), 0o600)
	s.upgrades("p", "1.1.0", 1)
	assert.NotContains(t, agent.Output(), "-secret")
}
