package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/scenarios"
	"otafleet/simulator/explore"
)

// repairs are the command lines that an error has given.
func repairs(t *testing.T, text string) (commands []string) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "  ota-sim ") {
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	require.NotEmpty(t, commands, text)
	return commands
}

// typed runs a command line as a shell takes it apart, with this ota-sim.
func typed(t *testing.T, command string) outcome {
	t.Helper()
	words, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", `ota_sim() { printf '%s\n' "$@"; }; ota_sim `+
		strings.TrimPrefix(command, "ota-sim ")).Output()
	require.NoError(t, err, command)
	return sim(t, strings.Split(strings.TrimSuffix(string(words), "\n"), "\n")...)
}

// TestRepairsWork: what merge says of lost shards is typed as it stands, and then the
// run is whole: in either world, with any names, and though the scenario's file has
// changed.
func TestRepairsWork(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		world   []string
		gone    string // what becomes of the scenario's file
		killed  bool   // the lost shard has a record, without an end
		stopped bool   // or with one that came too early
		dirs    []string
	}{
		"virtual":     {world: []string{"--virtual"}, dirs: []string{"1", "3"}},
		"real":        {dirs: []string{"1", "3"}},
		"absent":      {world: []string{"--virtual"}, dirs: []string{"1", "gone away", "3"}},
		"killed":      {world: []string{"--virtual"}, killed: true, dirs: []string{"1", "2", "3"}},
		"interrupted": {world: []string{"--virtual"}, stopped: true, dirs: []string{"1", "2", "3"}},
		"two of them": {world: []string{"--virtual"}, dirs: []string{"2"}},
		"changed scenario": {world: []string{"--virtual"}, gone: small + "expect: {devices: {upgraded: 1}}\n",
			dirs: []string{"2", "3"}},
		"lost scenario": {world: []string{"--virtual"}, gone: "remove", dirs: []string{"2", "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), `it's a "run" of $HOME`)
			require.NoError(t, os.Mkdir(dir, 0o700))
			path := func(name string) string { return filepath.Join(dir, name) }
			text := path("my scenario.yaml")
			require.NoError(t, os.WriteFile(text, []byte(sick), 0o600))
			for _, i := range []string{"1", "2", "3"} {
				args := append([]string{"run", "--quiet", "--seed", "9", "--shard", i + "/3", "--out", path(i)}, tt.world...)
				require.Equal(t, cli.OK, sim(t, append(args, text)...).code)
			}
			info, err := os.ReadFile(path("2/run.json"))
			require.NoError(t, err)
			if tt.killed {
				begun, _, found := strings.Cut(string(info), `,
  "end":`)
				require.True(t, found)
				info = []byte(begun + "\n}\n")
			}
			if tt.stopped {
				require.Contains(t, string(info), `"interrupted": false`)
				info = bytes.Replace(info, []byte(`"interrupted": false`), []byte(`"interrupted": true`), 1)
			}
			require.NoError(t, os.WriteFile(path("2/run.json"), info, 0o600))
			switch tt.gone {
			case "":
			case "remove":
				require.NoError(t, os.Remove(text))
			default:
				require.NoError(t, os.WriteFile(text, []byte(tt.gone), 0o600))
			}
			args := []string{"merge", "--json", path("v.json")}
			for _, d := range tt.dirs {
				args = append(args, path(d))
			}
			lost := sim(t, args...)
			require.Equal(t, exitShardLost, lost.code, lost.err)
			commands := repairs(t, lost.err)
			for _, command := range commands {
				o := typed(t, command)
				require.Equal(t, cli.OK, o.code, "%s\n%s%s", command, o.out, o.err)
				if command == commands[len(commands)-1] {
					assert.Contains(t, o.out, "seed 9 ")
					assert.Contains(t, o.out, "3 devices")
					assert.Contains(t, o.out, "\nHELD\n")
				}
			}
			v, err := os.ReadFile(path("v.json"))
			require.NoError(t, err)
			assert.Contains(t, string(v), `"held": true`)
			if tt.killed || tt.stopped {
				o := sim(t, "merge", path("1"), path("2-again"), path("2"), path("3"))
				assert.Equal(t, cli.OK, o.code, "what broke off may be among them: %s", o.err)
			}
		})
	}
}

// TestRepairsOfAPlatform name it as the lost run did, with the prefix of the shard.
func TestRepairsOfAPlatform(t *testing.T) {
	t.Parallel()
	flags := []string{"--broker=mqtt://staging", "--prefix=ota/v1/2"}
	assert.Equal(t, "--broker=mqtt://staging", ofShard(flags[0], 2, 7))
	assert.Equal(t, "--prefix=ota/v1/7", ofShard(flags[1], 2, 7))
	assert.Equal(t, "--prefix=ota/v1/2", ofShard(flags[1], 1, 7))
}

// TestSiblings lie beside a place, in a bucket as in a directory.
func TestSiblings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"kept/1": "kept/other", "1": "other", "./1/": "other", "/1": "/other",
		"s3://runs/a/1": "s3://runs/a/other", "s3://runs/1": "s3://runs/other", "s3://runs": "s3://runs/other"} {
		assert.Equal(t, want, sibling(name, "other"), name)
	}
}

// TestTrialAgain: the command of a trial that broke is typed as it stands.
func TestTrialAgain(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "my $HOME's.yaml")
	text, err := scenarios.Read("explore")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, text, 0o600))
	cuts, err := explore.ParseCuts("gateways-000001:17:power-before,gateways-000001:30:drop-after")
	require.NoError(t, err)
	o := typed(t, (&exploreFlags{seed: 7}).again(name, cuts))
	assert.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, "← power-before")
	assert.Contains(t, o.out, "← drop-after")

	cuts[1].Output = 100_000
	o = typed(t, (&exploreFlags{seed: 7}).again(name, cuts))
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "there is no output 100000")
}
