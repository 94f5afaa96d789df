//go:build release

// Package release makes a release twice, from two clones, and looks at what is
// published. One flow through it: `make test-release` runs it; PROCESSORS names for
// which processors.
package release

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const version = "v0.1.0"

// run runs a command in a directory and returns what it prints.
func run(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	command := exec.Command(args[0], args[1:]...)
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", strings.Join(args, " "), out)
	return string(out)
}

func TestReleaseIsReproducible(t *testing.T) {
	work := t.TempDir()
	top := strings.TrimSpace(run(t, ".", nil, "git", "rev-parse", "--show-toplevel"))
	sim := filepath.Join(work, "ota-sim")
	run(t, top, nil, "scripts/build.sh", "ota-sim", sim)
	key := filepath.Join(work, "release")
	run(t, work, nil, sim, "keygen", key)

	made := make([]string, 2)
	for i, clone := range []string{"one", "another-place"} {
		dir := filepath.Join(work, clone)
		run(t, work, nil, "git", "clone", "-q", top, dir)
		made[i] = filepath.Join(dir, "dist", version)
		run(t, dir, []string{"VERSION=" + version}, "make", "release", "KEY="+key+".key")
		assert.Contains(t, run(t, dir, nil, sim, "verify", "--key", key+".pub", filepath.Join(made[i], "RELEASE.sig")),
			"as signed")
		run(t, made[i], nil, "sha256sum", "--check", "--strict", "SHA256SUMS")
	}
	run(t, work, nil, "diff", "--recursive", made[0], made[1])

	files, err := os.ReadDir(made[0])
	require.NoError(t, err)
	for _, file := range files {
		if name := file.Name(); filepath.Ext(name) == ".json" {
			billOf(t, filepath.Join(made[0], strings.TrimSuffix(name, ".cdx.json")))
		}
	}
	run(t, made[0], nil, "sh", "-c", "echo more >>"+files[2].Name())
	out, err := exec.Command(sim, "verify", "--key", key+".pub", filepath.Join(made[0], "RELEASE.sig")).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), files[2].Name()+" is not the file that was signed")
}

// billOf compares a program's bill of materials with what Go has recorded in it.
func billOf(t *testing.T, program string) {
	text, err := os.ReadFile(program + ".cdx.json")
	require.NoError(t, err)
	var bill struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct{ Name, Version string }
	}
	require.NoError(t, json.Unmarshal(text, &bill))
	assert.Equal(t, "CycloneDX", bill.BOMFormat)
	named := map[string]string{}
	for _, component := range bill.Components {
		named[component.Name] = component.Version
	}
	assert.Contains(t, named, "std")
	modules := 0
	for line := range strings.Lines(run(t, ".", nil, "go", "version", "-m", program)) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[0] == "dep" {
			modules++
			assert.Equal(t, fields[2], named[fields[1]], "%s: %s", filepath.Base(program), fields[1])
		}
	}
	assert.Greater(t, modules, 10)
	notices, err := os.ReadFile(program + ".notices")
	require.NoError(t, err)
	for name := range named {
		if name != "std" {
			assert.Contains(t, string(notices), name)
		}
	}
}
