//go:build real

package real_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// enrolledDevices is how many devices log in with certificates of their own.
// OTA_ENROLLED sets another number.
const enrolledDevices = 1000

// TestDevicesWithTheirOwnCertificates enrols a fleet and runs it against a broker that
// takes nothing but certificates, calls each device by the name in its own, and lets it
// touch its own topics only. A device whose certificate is of another authority does
// not get in, and the verdict says why; so it is with all of them, before the run.
func TestDevicesWithTheirOwnCertificates(t *testing.T) {
	t.Parallel()
	count := enrolledDevices
	if text := os.Getenv("OTA_ENROLLED"); text != "" {
		var err error
		count, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	dir := t.TempDir()
	text := "scenario: enrolled\nduration: 5m\nfleet:\n  - name: gw\n    count: " + strconv.Itoa(count) +
		"\n    product: gw-200\n    components: [{id: app, type: module, version: 1.0.0}]\n    install: {time: 1s..2s}\n" +
		"plans: [{name: spring, product: gw-200, components: [{id: app, package: full, target: 1.1.0, size: 64KiB}]}]\n" +
		"expect: {devices: {upgraded: 100%}}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "s.yaml"), []byte(text), 0o600))
	for _, name := range []string{"in", "strangers"} {
		enrol := harness.Start(t, dir, programs.Sim, "enrol", "s.yaml", "--out", name, "--seed", strconv.Itoa(len(name)))
		require.Zero(t, enrol.Wait(), enrol.Output())
	}
	certFile, keyFile := ca.issue(t, "broker")
	acl := filepath.Join(dir, "acl")
	own := "pattern readwrite ota/v1/+/%u/#\nuser ota-platform\ntopic readwrite #\n"
	require.NoError(t, os.WriteFile(acl, []byte(own), 0o600))
	broker := startMosquitto(t, "certfile "+certFile, "keyfile "+keyFile, "cafile "+filepath.Join(dir, "in", "ca.pem"),
		"require_certificate true", "use_identity_as_username true", "acl_file "+acl)
	args := []string{"run", "s.yaml", "--quiet", "--json", "verdict.json", "--broker",
		strings.Replace(broker.url(), "mqtt:", "mqtts:", 1), "--ca-file", ca.file, "--fake-platform",
		"--platform-cert-file", "in/platform.pem", "--platform-key-file", "in/platform.key"}

	run := harness.Start(t, dir, programs.Sim, append(args, "--devices", "in/fleet.csv")...)
	require.Zero(t, run.Wait(), run.Output())
	v := enrolledVerdict(t, dir)
	assert.True(t, v.Held)
	assert.Equal(t, map[string]int{"upgraded": count}, v.Classes.All)
	t.Logf("%d devices: %.1f s, %d KiB of memory a device", count, v.Seconds, v.Resources.Memory/1024/count)

	// The last device shows a certificate of strangers.
	lines := strings.Split(strings.TrimSpace(readFile(t, filepath.Join(dir, "in", "fleet.csv"))), "\n")
	last := len(lines) - 1
	lines[last] = strings.ReplaceAll(lines[last], "devices/", "../strangers/devices/")
	mixed := filepath.Join(dir, "in", "mixed.csv")
	require.NoError(t, os.WriteFile(mixed, []byte(lines[0]+"\n"+lines[1]+"\n"+lines[last]+"\n"), 0o600))
	short := strings.Replace(text, "duration: 5m", "duration: 15s", 1) // what is refused is tried until the end
	require.NoError(t, os.WriteFile(filepath.Join(dir, "s.yaml"), []byte(short), 0o600))
	run = harness.Start(t, dir, programs.Sim, append(args, "--devices", mixed)...)
	assert.Equal(t, 1, run.Wait(), run.Output())
	v = enrolledVerdict(t, dir)
	assert.Equal(t, map[string]int{"upgraded": 1, "unreachable": 1}, v.Classes.All)
	assert.NotEmpty(t, v.Reasons["unreachable"])
	t.Log(v.Reasons)

	run = harness.Start(t, dir, programs.Sim, append(args, "--devices", "strangers/fleet.csv")...)
	assert.Equal(t, 4, run.Wait(), run.Output())
	t.Log(run.Output())
}

// enrolledVerdict reads what was said of a run, without the classes that are empty.
func enrolledVerdict(t *testing.T, dir string) (v struct {
	verdict
	Reasons   map[string]map[string]int
	Resources struct {
		Memory int `json:"peak_memory_bytes"`
	}
}) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(readFile(t, filepath.Join(dir, "verdict.json"))), &v))
	for class, n := range v.Classes.All {
		if n == 0 {
			delete(v.Classes.All, class)
		}
	}
	return v
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
