package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// enrolled are the files below a directory with what is in them.
func enrolled(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		if d.IsDir() {
			assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm()&0o700, path)
			return nil
		}
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), path)
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(content)
		return err
	}))
	return all
}

// TestEnrol makes the same for the same seed, refuses to overwrite, gives a device
// file that can be run, and takes away what it made.
func TestEnrol(t *testing.T) {
	t.Parallel()
	text := file(t, "s.yaml", small)
	dir := filepath.Join(t.TempDir(), "it's new")
	o := sim(t, "enrol", text, "--out", dir, "--tokens", "--key-prefix=run1-")
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	made := enrolled(t, dir)
	assert.Contains(t, made, "devices/run1-gw-000001.key")
	assert.Contains(t, made["fleet.csv"], "key,fleet,product,token,cert_file,key_file,version.")
	lines := strings.Split(strings.TrimSpace(o.out), "\n")
	assert.Contains(t, lines[len(lines)-1], "--devices=")

	o = sim(t, "enrol", text, "--out", dir)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "nothing is overwritten")
	assert.Equal(t, made, enrolled(t, dir))

	again := filepath.Join(t.TempDir(), "again")
	o = sim(t, "enrol", text, "--out", again, "--tokens", "--key-prefix=run1-")
	require.Equal(t, cli.OK, o.code, o.err)
	assert.Equal(t, made, enrolled(t, again))

	for _, world := range []string{"--virtual", "--virtual=false"} {
		o = sim(t, "run", "--quiet", world, "--devices", filepath.Join(dir, "fleet.csv"), text)
		assert.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	}

	require.NoError(t, os.WriteFile(filepath.Join(again, "mine"), nil, 0o600))
	for _, d := range []string{dir, again} {
		o = sim(t, "enrol", text, "--out", d, "--remove")
		require.Equal(t, cli.OK, o.code, o.err)
	}
	assert.NoDirExists(t, dir)
	assert.Equal(t, map[string]string{"mine": ""}, enrolled(t, again), "what is not its own stays")
}

func TestEnrolRefuses(t *testing.T) {
	t.Parallel()
	text, dir := file(t, "s.yaml", small), t.TempDir()
	for want, args := range map[string][]string{
		"where?":                     {"enrol", text},
		`"rsa" is not an algorithm`:  {"enrol", text, "--out", dir, "--algorithm", "rsa"},
		"nothing is enrolled in":     {"enrol", text, "--out", dir, "--remove"},
		"nothing is enrolled there:": {"enrol", text, "--out", filepath.Join(dir, "none"), "--remove"},
		"at most 100000":             {"enrol", "million", "--out", dir},
	} {
		o := sim(t, args...)
		assert.Equal(t, cli.Usage, o.code, want)
		assert.Contains(t, o.err, want)
	}
}
