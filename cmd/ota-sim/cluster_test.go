package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"otafleet/internal/cli"
)

// manifest is what is read here of the objects that are printed.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Completions int
		Template    struct {
			Spec struct {
				Containers []struct {
					Args      []string
					Env       []struct{ Name, Value string }
					Resources struct{ Limits map[string]string }
				}
			}
		}
	}
}

// manifests reads what the verb prints.
func manifests(t *testing.T, o outcome) (all []manifest) {
	t.Helper()
	require.Equal(t, cli.OK, o.code, o.err)
	for decoder := yaml.NewDecoder(strings.NewReader(o.out)); ; {
		var m manifest
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, m)
	}
}

// args are those of the only container of a Job, as Kubernetes gives them to it.
func (m *manifest) args() (args []string) {
	for _, arg := range m.Spec.Template.Spec.Containers[0].Args {
		args = append(args, strings.ReplaceAll(arg, "$$", "$"))
	}
	return args
}

// TestManifestsRun does what Kubernetes would do with the manifests.
func TestManifestsRun(t *testing.T) {
	inStore(t)
	text := file(t, "sick.yaml", sick)
	all := manifests(t, sim(t, "cluster", "kubernetes", text, "--virtual", "--shards", "3", "--image", "x", "--seed", "7",
		"--out", "s3://runs/sick/"))
	require.Len(t, all, 3)
	scenario, shards, merge := all[0], all[1], all[2]
	assert.Equal(t, sick, scenario.Data["scenario.yaml"])
	require.Equal(t, 3, shards.Spec.Completions)
	here := file(t, "scenario.yaml", scenario.Data["scenario.yaml"])
	for _, v := range shards.Spec.Template.Spec.Containers[0].Env {
		t.Setenv(v.Name, v.Value)
	}
	args := shards.args()
	args[slices.Index(args, "/scenario/scenario.yaml")] = here
	for _, index := range []string{"0", "1", "2"} {
		t.Setenv("JOB_COMPLETION_INDEX", index)
		o := sim(t, args...)
		require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	}
	merged := sim(t, merge.args()...)
	require.Equal(t, cli.OK, merged.code, "%s%s", merged.out, merged.err)
	whole := sim(t, "run", "--virtual", "--quiet", "--seed", "7", "--out", filepath.Join(t.TempDir(), "whole"), text)
	digest := regexp.MustCompile(`history +[0-9a-f]{64}`)
	require.NotEmpty(t, digest.FindString(whole.out))
	assert.Equal(t, digest.FindString(whole.out), digest.FindString(merged.out))
}

// TestScriptOfAScenario: the nodes have it where it is here, and its files.
func TestScriptOfAScenario(t *testing.T) {
	o := sim(t, "cluster", "slurm", "happy", "--virtual", "--shards", "2", "--out", "kept", "--program", "/opt/ota-sim",
		"--junit", "x.xml", "--cpus", "1.5")
	require.Equal(t, cli.OK, o.code, o.err)
	for _, want := range []string{
		"\n/opt/ota-sim run happy --shard=auto --verdict=merge --quiet --out=kept --virtual=true || status=$?\n",
		"\nexec /opt/ota-sim merge kept --wait=2 --wait-at-most=1m --junit=x.xml\n", "\n#SBATCH --cpus-per-task=2\n",
		"\n#SBATCH --mem=513M\n"} {
		assert.Contains(t, o.out, want)
	}
}

// TestShardsKeepToTheMemory: without a number there are as many as fit.
func TestShardsKeepToTheMemory(t *testing.T) {
	for _, tt := range []struct {
		flags  string
		shards int
		memory string
	}{
		{"thousand", 1, "272Mi"},
		{"thousand --memory 160MiB", 7, "157Mi"},
		{"ten-thousand --broker mqtt://x --allow-unsigned", 1, "367Mi"},
		{"million --virtual", 4, "574Mi"},
		{"million --virtual --shards 8", 8, "543Mi"},
	} {
		all := manifests(t, sim(t, append([]string{"cluster", "kubernetes", "--image", "x", "--out", "s3://b/x"},
			strings.Fields(tt.flags)...)...))
		for _, m := range all {
			if m.Kind == "Job" && !strings.HasSuffix(m.Metadata.Name, "-merge") {
				assert.Equal(t, tt.shards, m.Spec.Completions, tt.flags)
				assert.Equal(t, tt.memory, m.Spec.Template.Spec.Containers[0].Resources.Limits["memory"], tt.flags)
			}
		}
	}
}

// TestFilesOfAPod: files are where the volume is, and the device file of the scenario
// is one of them.
func TestFilesOfAPod(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "staging")
	require.Equal(t, cli.OK, sim(t, "keygen", key).code)
	flags := []string{"cluster", "kubernetes", "thousand", "--image", "x", "--out", "s3://b/x", "--broker",
		"mqtt://staging", "--trust", key + ".pub", "--shards", "2"}
	o := sim(t, flags...)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "pods have no files of this machine: put "+key+".pub into a Secret, a ConfigMap or a volume")
	all := manifests(t, sim(t, append(flags, "--files", "configmap/staging")...))
	assert.Contains(t, all[len(all)-2].args(), "--trust=/files/staging.pub")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "other"), 0o700))
	other := filepath.Join(dir, "other", "staging")
	require.Equal(t, cli.OK, sim(t, "keygen", other).code)
	o = sim(t, append(flags, "--files", "configmap/staging", "--trust", other+".pub")...)
	assert.Contains(t, o.err, "would be one file in a pod: give them different names")
}

// TestKeysOfAHawkBit: shards that prepare a hawkBit are one fleet there.
func TestKeysOfAHawkBit(t *testing.T) {
	password := file(t, "password", "secret")
	o := sim(t, "cluster", "slurm", "happy", "--platform", "hawkbit", "--url", "http://staging:8080", "--username",
		"admin", "--password-file", password, "--out", "kept", "--name", "nightly", "--shards", "2")
	require.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, " --key-prefix=nightly- ")
	assert.NotContains(t, o.out, "secret")
}

// TestRefusedForACluster: what would fail there fails here.
func TestRefusedForACluster(t *testing.T) {
	for flags, want := range map[string]string{
		"": "want two arguments, kubernetes or slurm and the scenario, and got []",

		"nomad happy":                                                  `and got ["nomad" "happy"]`,
		"kubernetes happ":                                              "there is no scenario happ",
		"kubernetes happy":                                             "--out: want a place that all shards reach",
		"kubernetes happy OUT":                                         "--image: want the image of ota-sim",
		"kubernetes happy OUT --out /tmp/x":                            "--out: want a place that all shards reach",
		"kubernetes happy OUT --shards 1000000":                        "want 1 to ",
		"kubernetes happy OUT --shard 1/4":                             "--shard is for one process: leave it out",
		"kubernetes happy OUT --html x.html":                           "give them to 'ota-sim merge'",
		"kubernetes happy OUT --name Spring":                           `"Spring" is no name for a cluster`,
		"kubernetes happy OUT --cpus 0":                                "--cpus 0: want 0.001 to 1000",
		"kubernetes happy OUT --memory x":                              "--memory",
		"kubernetes happy OUT --memory 70MiB":                          "give it more",
		"kubernetes happy OUT --env 1=2":                               "want NAME=VALUE",
		"kubernetes happy OUT --virtual --broker x":                    "--broker is for the real world",
		"kubernetes happy OUT --env AWS_SECRET_ACCESS_KEY=x":           "put it into a Secret",
		"kubernetes happy OUT --image x --files x":                     "want secret/NAME, configmap/NAME or claim/NAME",
		"kubernetes happy OUT --image x --files secret/a_b":            "is no name of an object",
		"kubernetes happy OUT --image x --secret UP":                   "is no name of an object",
		"kubernetes happy OUT --image x --virtual --pod-monitor":       "a run in virtual time has no metrics",
		"kubernetes thousand OUT --image x --memory 150MiB --shards 2": "with --shards ",
		"slurm happy":                                "--out: want a place that all shards reach, a directory of theirs or",
		"slurm happy OUT --image x --secret y":       "--secret is not for slurm: leave it out",
		"slurm - OUT":                                "the scenario is not valid", // it is empty
		"kubernetes happy OUT --image x --program y": "--program is not for kubernetes: leave it out",
		"slurm happy OUT --against x":                "--against is for one process: leave it out",
	} {
		o := sim(t, append([]string{"cluster"}, strings.Fields(strings.Replace(flags, "OUT", "--out s3://b/x", 1))...)...)
		assert.NotEqual(t, cli.OK, o.code, flags)
		assert.Contains(t, o.err, want, flags)
		assert.Empty(t, o.out, flags)
	}
}

// TestFileFlags: each flag of run that names a file which it reads is brought to pods.
func TestFileFlags(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&runFlags{}).define(flags)
	// which say where something is written, or are for one process
	others := []string{"html", "json", "junit", "out", "token-file", "file-types", "url"}
	flags.VisitAll(func(flag *pflag.Flag) {
		if regexp.MustCompile(`(?i)\bfile|public key`).MatchString(flag.Usage) && !slices.Contains(others, flag.Name) {
			assert.Contains(t, fileFlags(), flag.Name, flag.Usage)
		}
	})
	for _, name := range fileFlags() {
		assert.NotNil(t, flags.Lookup(name), name)
	}
}

// TestClusterIsRepeatable: the same words print the same bytes.
func TestClusterIsRepeatable(t *testing.T) {
	words := []string{"cluster", "kubernetes", "happy", "--image", "x", "--out", "s3://b/x", "--env", "B=1",
		"--env", "A=2"}
	assert.True(t, bytes.Equal([]byte(sim(t, words...).out), []byte(sim(t, words...).out)))
}
