package commands_test

import (
	"encoding/json"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/shell"
	"otafleet/simulator/platform"
	"otafleet/test/harness"
)

// strange is a name that a shell would take apart.
const strange = `it's "one" of $i & 50%`

// TestReportTells: the commands on the page of a verdict are typed as they stand,
// whatever the files are called.
func TestReportTells(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{"plain": "my.yaml", "strange": strange + ".yaml", "dash": "-x.yaml",
		"pipe": "-"} {
		for _, kept := range []string{"", "kept", strange, "-kept"} {
			t.Run(name+" "+kept, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				link(t, dir)
				write(t, dir, "input", strings.Replace(fleet, "COUNT", "3", 1))
				if source != "-" {
					write(t, dir, source, strings.Replace(fleet, "COUNT", "3", 1))
				}
				out := ""
				if kept != "" {
					out = shell.Line("--out=" + kept)
				}
				ran := sh(t, dir,
					"ota-sim run --virtual --quiet --seed 7 --html page.html "+out+" -- "+shell.Line(source)+" <input")
				require.Zero(t, ran.Code, ran.Err)
				page, err := os.ReadFile(filepath.Join(dir, "page.html"))
				require.NoError(t, err)
				if source == "-" && kept == "" {
					assert.Contains(t, string(page), "put its text, which is below, into <code>my.yaml</code> first.")
					require.NoError(t, os.Rename(filepath.Join(dir, "input"), filepath.Join(dir, "my.yaml")))
				}
				commands := regexp.MustCompile(`<pre class="command"><code>(.*?)</code>`).FindAllStringSubmatch(string(page), -1)
				require.Len(t, commands, map[bool]int{false: 1, true: 5}[kept != ""], "run, report, and replay of three devices")
				for _, found := range commands {
					line := html.UnescapeString(found[1])
					typed := sh(t, dir, line)
					assert.Zero(t, typed.Code, "%s\n%s%s", line, typed.Out, typed.Err)
				}
			})
		}
	}
}

// TestWarningsTell: what a warning of a configuration wants is typed, and then there
// is none.
func TestWarningsTell(t *testing.T) {
	t.Parallel()
	d := harness.NewDevice(t, programs, "mqtts://ota.example.com", harness.NewKey(t))
	d.Write(strange+"/password", []byte("secret"), 0o644)
	d.Write(strange+"/handler", []byte("#!/bin/sh\n"), 0o755)
	for _, name := range []string{"", "/handler"} {
		require.NoError(t, os.Chmod(d.Path(strange+name), 0o777))
	}
	d.Settings["broker"] = harness.Settings{
		"urls":          []string{"mqtts://ota.example.com"},
		"username":      "gw",
		"password_file": strange + "/password",
	}
	d.Components(harness.CommandComponent("motor", strange+"/handler"))
	d.Configure()
	validate := func() string {
		outcome := harness.Run(t, d.Dir, programs.Agent, "validate", "--config", "agent.yaml")
		require.Zero(t, outcome.Code, outcome.Err)
		return outcome.Err
	}
	wanted := regexp.MustCompile(`want (chmod .*)`).FindAllStringSubmatch(validate(), -1)
	require.Len(t, wanted, 3)
	for _, found := range wanted {
		outcome := sh(t, d.Dir, found[1])
		assert.Zero(t, outcome.Code, outcome.Err)
	}
	assert.NotContains(t, validate(), "want chmod")
}

// TestAgentTells: what the agent says can be done is typed where it was read, and
// reaches the same agent, also where it stands elsewhere than on a device.
func TestAgentTells(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]string{"configuration": "--config", "socket": "--socket"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := harness.StartPlatform(t, platform.Config{})
			key := harness.NewKey(t)
			d := &device{Device: harness.NewDevice(t, programs, served.BrokerURL(), key)}
			link(t, d.Dir)
			d.Write("app.bin", []byte("old"), 0o644)
			d.Components(harness.FileComponent("app", "1.0.0", nil))
			d.Settings["confirm"] = "ask"
			d.Settings["control_socket"] = "its own.sock"
			d.Start().AwaitOutput("connected to the broker")
			word := map[string]string{"--config": "agent.yaml", "--socket": "its own.sock"}[how]
			flags := " " + shell.Line(how, word)
			printed := func(line string) []string { // the commands in what a line prints
				outcome := sh(t, d.Dir, line)
				text := outcome.Out + outcome.Err
				var commands []string
				command := regexp.MustCompile(`bin/ota-agent [a-z]+` + regexp.QuoteMeta(flags) + `(?: --\w+ \S+)*`)
				for _, found := range command.FindAllString(text, -1) {
					commands = append(commands, strings.TrimRight(found, ",;:)"))
				}
				require.NotEmpty(t, commands, text)
				assert.NotRegexp(
					t,
					`(^|[^/])\bota-agent (confirm|refuse|resume|check|status|history)($|[^:a-z])`,
					text,
					"a command that would ask another agent",
				)
				return commands
			}
			typed := func(line string) {
				outcome := sh(t, d.Dir, line)
				assert.Zero(t, outcome.Code, "%s\n%s", line, outcome.Err)
			}

			typed(printed("bin/ota-agent pause" + flags)[0])
			typed("bin/ota-agent pause" + flags)
			typed(printed("bin/ota-agent explain" + flags)[0])

			target := `1.1 "it's", $(touch reached)`
			served.Offer(harness.Plan{ID: "p"}, harness.Pack(t, "app", target, 1, []byte("new"), nil, key))
			d.awaitState(t, flags, "asking")
			for _, verb := range []string{"explain", "status"} {
				assert.Contains(t, printed("bin/ota-agent "+verb+flags), "bin/ota-agent refuse"+flags)
			}
			assert.Contains(t, printed("bin/ota-agent status --device unknown"+flags), "bin/ota-agent status"+flags)
			typed("bin/ota-agent refuse" + flags)
			d.awaitState(t, flags, "declined")
			typed(printed("bin/ota-agent explain" + flags)[0])
			d.awaitState(t, flags, "asking")
			explained := sh(t, d.Dir, "bin/ota-agent explain"+flags).Out
			answer := regexp.MustCompile(`(?m)^ +(bin/ota-agent confirm .* --targets .*)$`).FindStringSubmatch(explained)
			require.NotNil(t, answer, explained)
			typed(answer[1]) // it names the versions, whatever they are called
			assert.NoFileExists(t, d.Path("reached"))
			served.AwaitStatus("p", d.Device, ota.DeviceUpgraded)
		})
	}
}

// awaitState waits until explain gives a word.
func (d *device) awaitState(t *testing.T, flags, want string) {
	t.Helper()
	harness.Await(t, "the state "+want, func() bool {
		var e struct{ State string }
		return json.Unmarshal([]byte(sh(t, d.Dir, "bin/ota-agent explain --json"+flags).Out), &e) == nil && e.State == want
	})
}
