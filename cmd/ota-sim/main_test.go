package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/scenarios"
	"otafleet/simulator/preflight"
	"otafleet/simulator/scenario"
)

// asProgram, in the environment, lets the test's binary be ota-sim.
const asProgram = "OTA_SIM_RUN_AS_PROGRAM"

// TestMain lets more tests run at once than there are processors: a run mostly
// waits.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// outcome is what a program left behind.
type outcome struct {
	code     int
	out, err string
}

// sim runs ota-sim in this process.
func sim(t *testing.T, args ...string) outcome {
	t.Helper()
	return simUntil(t.Context(), args...)
}

// simUntil runs ota-sim in this process, with an interrupt when ctx ends.
func simUntil(ctx context.Context, args ...string) outcome {
	var out, err bytes.Buffer
	code := program().Run(ctx, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &err}, args)
	return outcome{code, out.String(), err.String()}
}

// process makes a process of ota-sim, through a shell if before is not empty.
func process(t *testing.T, before string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	if before != "" {
		script := before + ` && exec "$0" "$@"`
		cmd = exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", script, self}, args...)...)
	}
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// file writes a file of a test.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// patience bounds what a test waits for. Nothing waits that long while all is well.
const patience = 2 * time.Minute

// small is a scenario that is over soon, long before its end.
const small = `
scenario: small
description: A handful of devices.
duration: 10m
fleet:
  - name: gw
    count: 3
    product: gw-200
    components: [{id: app, type: module, version: 1.0.0}]
    install: {time: 10ms, restart: process}
plans: [{name: spring, product: gw-200, components: [{id: app, package: full, target: 1.1.0, size: 10000}]}]
`

func TestHelpTeaches(t *testing.T) {
	o := sim(t, "help")
	assert.Equal(t, cli.OK, o.code)
	for _, v := range program().Verbs {
		assert.Contains(t, o.out, "  "+v.Name+" ", v.Name)
		explained := sim(t, "help", v.Name)
		assert.Equal(t, cli.OK, explained.code)
		assert.Equal(t, explained, sim(t, v.Name, "--help"))
		assert.Contains(t, explained.out, "Usage: ota-sim "+v.Name)
		for line := range strings.SplitSeq(explained.out, "\n") {
			if example, is := strings.CutPrefix(line, "  ota-sim "); is {
				verb, _, _ := strings.Cut(example, " ")
				assert.Equal(t, v.Name, verb, "an example of another verb: %s", line)
			}
		}
	}
	for _, code := range []string{"0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "130 "} {
		assert.Contains(t, o.out, "\n  "+code, "exit code")
	}
}

// TestUsage collects what a user may get wrong before anything happens.
func TestUsage(t *testing.T) {
	bad := file(t, "bad.yaml", "scenario: b a d\nduration: 1\n")
	secret := file(t, "secret", "quiet\n")
	good := file(t, "small.yaml", small)
	tests := []struct {
		args []string
		code int
		err  string
	}{
		{nil, cli.Usage, "Usage: ota-sim VERB"},
		{[]string{"rnu"}, cli.Usage, `there is no verb "rnu"; did you mean "run"?`},
		{[]string{"run"}, cli.Usage, "want one argument, the scenario, and got 0"},
		{[]string{"run", "a", "b"}, cli.Usage, "and got 2"},
		{[]string{"run", "--sead", "1", good}, cli.Usage, "unknown flag: --sead"},
		{[]string{"run", "--seed", "many", good}, cli.Usage, `invalid argument "many" for "--seed"`},
		{[]string{"run", "thousnd"}, cli.Usage,
			`there is no scenario thousnd: neither a file nor a bundled one; did you mean "thousand"?`},
		{[]string{"run", "--shard", "5/4", good}, cli.Usage, "shard 5/4: there are only the shards 1/4 to 4/4"},
		{[]string{"run", "--shard", "half", good}, cli.Usage, `"half" is not a shard; want i/N`},
		{[]string{"run", "--shard", "4/4", good}, cli.Usage, "shard 4/4 of 3 devices is empty"},
		{[]string{"run", "--only", "gw-000004", good}, cli.Usage,
			"there is no device gw-000004; fleet gw has gw-000001 to gw-000003"},
		{[]string{"run", "--only", "gv-000001", good}, cli.Usage, `no fleet is called "gv"; did you mean "gw"?`},
		{[]string{"run", "--only", "gw-000001", "--shard", "2/3", good}, cli.Usage,
			"device gw-000001 is not in shard 2/3 but in 1/3"},
		{[]string{"run", "--shard", "1/2", "--broker", "mqtt://127.0.0.1:1", "--fake-platform", good}, cli.Usage,
			"give each shard a prefix of its own"},
		{[]string{"run", "--out", filepath.Dir(good), good}, cli.Usage, "the directory is not empty"},
		{[]string{"run", "--out", filepath.Join(good, "out"), good}, cli.Failed, "cannot record the run"},
		{[]string{"run", "--jsn", "x", good}, cli.Usage, `unknown flag: --jsn; did you mean "--json"?`},
		{[]string{"run", "--html", filepath.Join(good, "v.html"), good}, cli.Usage, "cannot write the verdict"},
		{[]string{"plan"}, cli.Usage, "want one argument, the scenario, and got 0"},
		{[]string{"plan", bad}, cli.Usage, "bad.yaml:2:11: duration"},
		{[]string{"plan", "--shard", "3/2", good}, cli.Usage, "there are only the shards 1/2 to 2/2"},
		{[]string{"plan", "--broker", "mqtt://127.0.0.1:1", good}, cli.Usage, "a real platform signs with its own keys"},
		{[]string{"report"}, cli.Usage, "want one argument, the directory of a history, and got 0"},
		{[]string{"report", "none"}, cli.Usage, "there is no record of a run in none"},
		{[]string{"report", good}, cli.Usage, "there is no record of a run in " + good + ": it is a file"},
		{[]string{"merge"}, cli.Usage, "want the directories of all shards, and got none"},
		{[]string{"merge", "none", "nor"}, cli.Usage, "there is no record of a run in nor"},
		{[]string{"replay", "--only", "gw-000001"}, cli.Usage, "want one argument, the directory of a history, and got 0"},
		{[]string{"replay", "none"}, cli.Usage, "which device? Give its key with --only"},
		{[]string{"replay", "none", "--only", "gw-000001"}, cli.Usage, "there is no record of a run in none"},
		{[]string{"run", bad}, cli.Usage, "bad.yaml:2:11: duration"},
		{[]string{"run", "--password-file", "none", good}, cli.Usage, "cannot read the secret"},
		{[]string{"run", "--trust", "none", good}, cli.Usage, "cannot read the key"},
		{[]string{"run", "--trust", secret, good}, cli.Usage, "secret:"},
		{[]string{"run", "--stand-in", good}, cli.Usage, "give a broker URL"},
		{[]string{"run", "--broker", "mqtt://127.0.0.1:1", good}, cli.Usage, "a real platform signs with its own keys"},
		{[]string{"run", "--broker", "http://127.0.0.1:1", "--allow-unsigned", good}, cli.Usage,
			"the scheme must be mqtt or mqtts"},
		{[]string{"run", "--prefix", "a/#", good}, cli.Usage, "prefix"},
		{[]string{"run", "--store", "http://127.0.0.1:1", good}, cli.Usage,
			"--store needs --store-access-key and --store-secret-file"},
		{[]string{"run", "--json", filepath.Join(good, "v.json"), good}, cli.Usage, "cannot write the verdict"},
		{[]string{"run", "--junit", filepath.Dir(good), good}, cli.Usage, "cannot write the verdict"},
		{[]string{"run", "--broker", "mqtt://127.0.0.1:1", "--allow-unsigned", good}, exitUnreachable,
			"cannot reach the broker"},
		{[]string{"run", "--broker", "mqtt://127.0.0.1:1", "--stand-in", good}, exitUnreachable, "cannot reach the broker"},
		{[]string{"validate"}, cli.Usage, "want one scenario or more"},
		{[]string{"list", "hapy"}, cli.Usage,
			`there is no scenario hapy: neither a file nor a bundled one; did you mean "happy"?`},
		{[]string{"list", "a", "b"}, cli.Usage, "and got 2"},
		{[]string{"version", "now"}, cli.Usage, "takes no arguments"},
		{[]string{"keygen"}, cli.Usage, "the name of the key"},
		{[]string{"platform", "now"}, cli.Usage, "takes no arguments"},
		{[]string{"platform", "--credentials", "none"}, cli.Usage, "cannot read the credentials"},
		{[]string{"platform", "--credentials", secret}, cli.Usage, "secret:1: want username:password"},
		{[]string{"platform", "--addresses", "ftp"}, cli.Usage, "want presigned or s3"},
		{[]string{"platform", "--addresses", "s3"}, cli.Usage, "needs --store"},
		{[]string{"platform", "--broker", "nonsense", "--page", "", "--store-listen", "127.0.0.1:0"}, cli.Failed,
			"want mqtt://host:port"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			o := sim(t, tt.args...)
			assert.Equal(t, tt.code, o.code)
			assert.Contains(t, o.err, tt.err)
			assert.Empty(t, o.out)
			assert.NotContains(t, o.err, "quiet")
		})
	}
}

func TestValidate(t *testing.T) {
	bad := file(t, "bad.yaml", "scenario: b a d\nduration: 1\nflet: []\nfaults: [{name: a}, {name: a}]\n")
	o := sim(t, "validate", "happy", bad, "none")
	assert.Equal(t, cli.Usage, o.code)
	assert.Equal(t, "happy: valid: 50 devices, 1 plan, 0 faults\n", o.out)
	for _, mistake := range []string{":1:11: scenario:", ":2:11: duration:",
		":3:1: flet: unknown key; did you mean \"fleet\"?", "fleet: is missing",
		":4:10: faults[0].at: is missing", "faults[1].name: \"a\" is there already", "there is no scenario none"} {
		assert.Contains(t, o.err, mistake)
	}
	o = sim(t, "validate", "happy", "thousand")
	assert.Equal(t, cli.OK, o.code)
	assert.Empty(t, o.err)
}

// TestValidatePlatform: what a platform cannot say is a warning, and a mistake for one
// that is named.
func TestValidatePlatform(t *testing.T) {
	busy := file(t, "busy.yaml", small+"faults: [{name: busy, at: poll, do: http_status, chance: 100%}]\n")
	o := sim(t, "validate", busy)
	assert.Equal(t, cli.OK, o.code)
	assert.Contains(t, o.err, "warning: "+busy+": faults.busy (http_status at poll)")
	assert.Contains(t, o.err, "run this scenario with --platform hawkbit")
	assert.Equal(t, cli.Usage, sim(t, "validate", "--platform", "native", busy).code)
	assert.Equal(t, cli.OK, sim(t, "validate", "--platform", "hawkbit", busy, "hawkbit-busy").code)
	o = sim(t, "validate", "--platform", "hawkbit", "manual-mode")
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "plans.spring.mode")
	assert.Equal(t, cli.Usage, sim(t, "run", "--virtual", "--quiet", busy).code, "refused before the run")
	assert.Equal(t, cli.OK, sim(t, "run", "--virtual", "--quiet", "--platform=hawkbit", busy).code)
	assert.Equal(t, cli.OK, sim(t, "explore", "--quiet", "--pairs=0", "--platform=hawkbit", small1(t)).code)
}

// small1 is the path of a scenario of one device.
func small1(t *testing.T) string {
	return file(t, "one.yaml", strings.Replace(small, "count: 3", "count: 1", 1))
}

func TestList(t *testing.T) {
	o := sim(t, "list")
	assert.Equal(t, cli.OK, o.code)
	assert.Len(t, strings.Split(strings.TrimSpace(o.out), "\n"), len(scenarios.Names()))
	assert.Regexp(t, `(?m)^happy +50 devices  real, virtual  Nothing goes wrong`, o.out)
	few := preflight.Machine{Files: 650}
	for devices, want := range map[int]string{25: "real, virtual", 26: "virtual"} {
		got, err := worlds(&scenario.Scenario{Fleets: []scenario.Fleet{{Name: "gw", Count: devices}}}, few)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	printed := sim(t, "list", "happy")
	assert.Equal(t, cli.OK, printed.code)
	own := file(t, "own.yaml", printed.out)
	assert.Equal(t, cli.OK, sim(t, "validate", own).code, "what is printed can be run")
}

func TestVersion(t *testing.T) {
	assert.Regexp(t, `^ota-sim dev \(go`, sim(t, "--version").out)
}
