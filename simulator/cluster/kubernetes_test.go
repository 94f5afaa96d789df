package cluster

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the golden files")

// virtualRun is a small one in virtual time.
func virtualRun() *Run {
	return &Run{Name: "nightly", Scenario: "nightly", Text: []byte("scenario: nightly\n"), Devices: 12, Shards: 2,
		Virtual: true, Flags: []string{"--virtual=true", "--seed=7"}, Out: "s3://bucket/nightly", Memory: 512 << 20,
		Millis: 1000, Lasts: 12 * time.Hour}
}

// realRun is one that has everything.
func realRun() *Run {
	return &Run{Name: "spring", Scenario: "spring", Text: []byte("scenario: spring\n# £ in a comment\n"),
		Devices: 100_000, Shards: 4, Together: true, Within: 5 * time.Minute, Verdict: []string{"--json=-"},
		Flags: []string{"--broker=mqtts://staging", "--ca-file=/files/ca.pem", "--username=$(HOME) 'x"},
		Out:   "s3://bucket/spring", Memory: 700<<20 + 1, Sessions: 25_000, Millis: 500, Lasts: time.Hour,
		Env: []Variable{{"AWS_ENDPOINT_URL", "http://minio:9000"}, {"ODD", "yes $HOME: #"}}}
}

func everything() *Kubernetes {
	return &Kubernetes{Image: "registry.example/ota-sim:v1", Secret: "bucket", ServiceAccount: "tester",
		Files: &Volume{ClaimVolume, "fleet"}, Monitor: true}
}

// TestManifests compares with golden files, which test/kubernetes holds against the
// types of the API.
func TestManifests(t *testing.T) {
	embedded := virtualRun()
	embedded.Virtual, embedded.Embedded, embedded.Flags = false, true, nil
	for name, made := range map[string]struct {
		k *Kubernetes
		r *Run
	}{
		"virtual":  {&Kubernetes{Image: "localhost/ota-sim:test"}, virtualRun()},
		"real":     {everything(), realRun()},
		"embedded": {&Kubernetes{Image: "localhost/ota-sim:test", Files: &Volume{SecretVolume, "keys"}}, embedded},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := made.k.Manifests(made.r)
			require.NoError(t, err)
			golden(t, name+".yaml", text)
			again, err := made.k.Manifests(made.r)
			require.NoError(t, err)
			assert.Equal(t, string(text), string(again))
		})
	}
}

// golden compares with a file in testdata.
func golden(t *testing.T, name string, text []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, text, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(text))
}

// documents reads a text of several, by kind and name.
func documents(t *testing.T, text []byte) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var d map[string]any
		err := decoder.Decode(&d)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all[d["kind"].(string)+" "+at(d, "metadata", "name").(string)] = d
	}
}

// at is what lies in a document at a path of keys and numbers.
func at(d any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			d = d.(map[string]any)[step]
		case int:
			d = d.([]any)[step]
		}
	}
	return d
}

// TestPodsAreRestricted by the restricted policy of the Pod Security Standards, and a
// root that is read only: https://kubernetes.io/docs/concepts/security/pod-security-standards.
func TestPodsAreRestricted(t *testing.T) {
	text, err := everything().Manifests(realRun())
	require.NoError(t, err)
	jobs := 0
	for name, d := range documents(t, text) {
		if !strings.HasPrefix(name, "Job ") {
			continue
		}
		jobs++
		pod := at(d, "spec", "template", "spec").(map[string]any)
		assert.Equal(t, "Never", pod["restartPolicy"])
		assert.Equal(t, false, pod["automountServiceAccountToken"])
		assert.Equal(t, true, at(pod, "securityContext", "runAsNonRoot"))
		assert.Equal(t, user, at(pod, "securityContext", "runAsUser"))
		assert.Equal(t, "RuntimeDefault", at(pod, "securityContext", "seccompProfile", "type"))
		require.Len(t, pod["containers"], 1)
		own := at(pod, "containers", 0, "securityContext").(map[string]any)
		assert.Equal(t, false, own["allowPrivilegeEscalation"])
		assert.Equal(t, true, own["readOnlyRootFilesystem"])
		assert.Equal(t, []any{"ALL"}, at(own, "capabilities", "drop"))
		for _, v := range pod["volumes"].([]any) {
			assert.NotContains(t, v, "hostPath")
		}
	}
	assert.Equal(t, 2, jobs)
}

// TestAnyTextArrives: the pod reads the scenario that was given, whatever is in it.
func TestAnyTextArrives(t *testing.T) {
	for _, text := range []string{"", "a", "a\n", "a: b\n\n\n", "  indented\nx\n", "\n\nx", "\ttab: x\n",
		"# £ ü 漢\n- 'x'\n", "a: |\n  b  \n   c\n", "no: yes\n", "a\r\nb\r\n", "---\na\n...\n", "x: \"\\u0000\"\n",
		"a\u2028b\n", "\ufeffa: b\n"} {
		arrives(t, text)
	}
}

func FuzzAnyTextArrives(f *testing.F) {
	f.Add("scenario: x\n  odd: |\n   y\n")
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.ValidString(text) {
			arrives(t, text)
		}
	})
}

// arrives writes a scenario and reads it.
func arrives(t *testing.T, text string) {
	t.Helper()
	r := virtualRun()
	r.Text = []byte(text)
	manifests, err := (&Kubernetes{Image: "x"}).Manifests(r)
	require.NoError(t, err)
	assert.Equal(t, text, at(documents(t, manifests)["ConfigMap "+scenarioOf(r)], "data", scenarioFile))
}

// TestWordsAreLiteral: Kubernetes replaces $(NAME) in arguments and in the environment.
func TestWordsAreLiteral(t *testing.T) {
	text, err := everything().Manifests(realRun())
	require.NoError(t, err)
	c := at(documents(t, text)["Job spring"], "spec", "template", "spec", "containers", 0)
	assert.Contains(t, at(c, "args"), "--username=$$(HOME) 'x")
	assert.Contains(t, at(c, "env"), map[string]any{"name": "ODD", "value": "yes $$HOME: #"})
}

func TestTextThatIsTooLong(t *testing.T) {
	r := virtualRun()
	r.Text = bytes.Repeat([]byte("#"), mostText)
	_, err := (&Kubernetes{Image: "x"}).Manifests(r)
	require.NoError(t, err)
	r.Text = append(r.Text, '#')
	_, err = (&Kubernetes{Image: "x"}).Manifests(r)
	assert.ErrorContains(t, err, "a ConfigMap of Kubernetes holds 1 MiB: put lists of devices into a device file")
}
