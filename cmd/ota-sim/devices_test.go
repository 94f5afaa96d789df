package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// existing is a scenario of devices that exist, of which some are struck.
const existing = `scenario: existing
duration: 1m
fleet:
  devices: lists/fleet.csv
  product: gw-200
  install: {time: 10ms..20ms, restart: process}
plans:
  - name: spring
    product: gw-200
    components: [{id: app, package: full, target: 2.0.0, size: 2KiB, sources: [1.0.0, 1.1.0]}]
faults:
  - {name: cut, do: drop, at: downloading, chance: 50%, for: 50ms}
`

const existingLines = "\ufeffkey,fleet,version.app,tags,username,password\r\n" +
	"n-berlin,north,1.0.0,pilot,,geheim\r\nS_7,south,1.1.0,,u7,\r\nS_8,south,2.0.0,pilot,,\r\nn-bonn,north,1.0.0,,,\r\n"

// exist writes the scenario and its device file.
func exist(t *testing.T, lines, expect string) (dir, scenario string) {
	t.Helper()
	dir = t.TempDir()
	scenario = filepath.Join(dir, "existing.yaml")
	require.NoError(t, os.WriteFile(scenario, []byte(existing+expect), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lists"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lists", "fleet.csv"), []byte(lines), 0o600))
	return dir, scenario
}

// TestExistingDevices run in both worlds, whole and in shards, and their history is
// judged again without the files that they came from.
func TestExistingDevices(t *testing.T) {
	t.Parallel()
	for _, world := range []string{"--virtual", "--virtual=false"} {
		dir, scenario := exist(t, existingLines,
			"expect: {devices: {upgraded: 3, no_update_required: 1, north: {upgraded: 2}, south: {upgraded: 1}}}\n")
		path := func(name string) string { return filepath.Join(dir, name) }
		for _, args := range [][]string{
			{"validate", scenario}, {"plan", world, scenario}, {"run", world, "--quiet", "--out", path("whole"), scenario},
			{"run", world, "--quiet", "--shard=1/2", "--out", path("one"), scenario},
			{"run", world, "--quiet", "--shard=2/2", "--out", path("two"), scenario},
			{"run", world, "--quiet", "--only=S_7", scenario},
			{"run", world, "--quiet", "--only=tag=pilot", scenario},
			{"replay", path("whole"), "--only=n-bonn"},
		} {
			o := sim(t, args...)
			require.Equal(t, cli.OK, o.code, "%v: %s%s", args, o.out, o.err)
		}
		require.NoError(t, os.RemoveAll(path("lists")))
		for _, args := range [][]string{{"report", path("whole")}, {"merge", path("one"), path("two")}} {
			o := sim(t, args...)
			assert.Equal(t, cli.OK, o.code, "%v: %s%s", args, o.out, o.err)
		}
		assertNoSecret(t, dir, "geheim")
	}
}

// assertNoSecret holds that no file below a directory holds a secret.
func assertNoSecret(t *testing.T, dir, secret string) {
	t.Helper()
	require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		assert.NotContains(t, string(content), secret, path)
		return err
	}))
}

// TestDevicesByFlag takes the places of numbered devices, and the prefix goes before
// the keys of these.
func TestDevicesByFlag(t *testing.T) {
	t.Parallel()
	text := file(t, "numbered.yaml", strings.Replace(existing, "  devices: lists/fleet.csv\n  product: gw-200\n",
		"  - name: north\n    count: 9\n    product: gw-200\n"+
			"    components: [{id: app, type: module, version: 1.0.0}]\n  ", 1))
	lines := file(t, "fleet.csv", "key\nalpha\nbeta\n")
	o := sim(t, "run", "--virtual", "--devices", lines, "--out", filepath.Join(t.TempDir(), "kept"), text)
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	assert.Contains(t, o.out, "2 devices")
	o = sim(t, "run", "--virtual", "--key-prefix", "again-", "--only", "again-north-000003", text)
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	o = sim(t, "run", "--virtual", "--devices", lines, "--key-prefix", "x", text)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "take no key prefix")
	o = sim(t, "run", "--virtual", "--devices", lines, "--only", "alfa", text)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, `did you mean "alpha"?`)
}

// TestWrongDeviceFiles are refused before the run, with their places.
func TestWrongDeviceFiles(t *testing.T) {
	t.Parallel()
	dir, scenario := exist(t, "key,fleet,version.app\na,north,\nb c,north,1\n", "")
	lists := filepath.Join(dir, "lists", "fleet.csv")
	for _, args := range [][]string{{"run", scenario}, {"validate", scenario}, {"plan", scenario},
		{"run", "--virtual", "--devices", lists, scenario}} {
		o := sim(t, args...)
		assert.Equal(t, cli.Usage, o.code)
		assert.Contains(t, o.err, lists+`:3:1: key: "b c" is not valid`, args)
	}
	outside := file(t, "outside.csv", existingLines)
	for name, want := range map[string]string{"../outside.csv": "directory or below", outside: "directory or below",
		"none.csv": "there is no file"} {
		text := strings.Replace(existing, "lists/fleet.csv", name, 1)
		require.NoError(t, os.WriteFile(scenario, []byte(text), 0o600))
		o := sim(t, "validate", scenario)
		assert.Equal(t, cli.Usage, o.code)
		assert.Contains(t, o.err, want, name)
	}
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link.csv")))
	require.NoError(t, os.WriteFile(scenario, []byte(strings.Replace(existing, "lists/fleet.csv", "link.csv", 1)), 0o600))
	o := sim(t, "validate", scenario)
	assert.Contains(t, o.err, "directory or below")
}

// TestLoginFilesAreNamed with the line of the device, before the run.
func TestLoginFilesAreNamed(t *testing.T) {
	t.Parallel()
	dir, scenario := exist(t, "key,fleet,version.app,password_file,token_file,cert_file,key_file\n"+
		"a,north,1.0.0,p,,,\nb,north,1.0.0,,../t,,\nc,north,1.0.0,,,c.pem,k.pem\nd,north,1.0.0,e,,,\n", "")
	for name, content := range map[string]string{"e": "\n", "c.pem": "no", "k.pem": "no"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "lists", name), []byte(content), 0o600))
	}
	o := sim(t, "run", scenario)
	assert.Equal(t, cli.Usage, o.code)
	lists := filepath.Join(dir, "lists", "fleet.csv")
	for _, want := range []string{":2: password_file: ", ":3: token_file: ", ":4: cert_file: c.pem and k.pem are no pair",
		":5: password_file: e is empty"} {
		assert.Contains(t, o.err, lists+want)
	}
	o = sim(t, "run", "--virtual", scenario)
	assert.NotEqual(t, cli.Usage, o.code, "no login is needed without a platform: %s", o.err)
}
