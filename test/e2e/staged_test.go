package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// staging is a hawkBit that others serve, for a run of another process.
type staging struct {
	t   *testing.T
	dir string
	url string
}

func newStaging(t *testing.T) *staging {
	t.Helper()
	s := &staging{t: t, dir: t.TempDir()}
	for name, text := range map[string]string{"operators.txt": "admin:secret\n", "password.txt": "secret\n",
		"wrong.txt": "guess\n", "fleet.yaml": stagedFleet} {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
	}
	address := harness.FreeAddress(t)
	s.url = "http://" + address
	harness.Start(t, s.dir, programs.Sim, "platform", "--dialect", "hawkbit", "--hawkbit-listen", address,
		"--hawkbit-sleep", "1s", "--hawkbit-operators-file", "operators.txt", "--page", "", "--store-listen", "127.0.0.1:0").
		AwaitOutput("ready for devices")
	return s
}

// stagedFleet fails in many ways, and is tried again.
const stagedFleet = `
scenario: staged
seed: 7
duration: 2m
fleet:
  - name: gw
    count: 30
    product: gw-200
    components: [{id: rootfs, type: module, version: 1.0.0}, {id: motor, type: mcu, version: 3_0}]
    link: {latency: 2ms, bandwidth: 4MiB/s}
    arrive: {over: 1s}
    install: {time: 10ms..50ms, restart: process}
  - {name: old, count: 2, product: gw-100, components: [{id: rootfs, type: module, version: 1.0.0}]}
plans:
  - name: spring
    product: gw-200
    retries: 2
    components:
      - {id: rootfs, package: full, target: 1.1.0, size: 130000, chunk: 16KiB}
      - {id: motor, package: full, target: 3_1, size: 20000, encoding: zstd, chunk: 4KiB}
faults:
  - {name: lossy, at: downloading, do: drop, exactly: 30%, after: 10%..90%}
  - {name: noisy, at: downloading, do: corrupt, exactly: 30%}
  - {name: brown-out, at: upgrading, do: power_cut, exactly: 20%, after: 0%..100%, for: 100ms}
  - {name: sick, at: health, do: unhealthy, exactly: 20%}
  - {name: forger, at: upgrade_confirmed, do: bad_signature, exactly: 10%}
expect:
  devices: {gw: {upgraded: 30}, old: {not_upgraded: 2}, unaccounted: 0}
  components: {rootfs: {upgrade_succeeded: 30}, motor: {upgrade_succeeded: 30}}
  reports: {lost: 0, conflicting: 0, illegal: 0}
  faults: {fired: all}
`

// args are those of a run against it.
func (s *staging) args(more ...string) []string {
	return append([]string{"run", "fleet.yaml", "--quiet", "--platform", "hawkbit", "--url", s.url, "--username", "admin",
		"--password-file", "password.txt"}, more...)
}

// get reads a document of the server's.
func (s *staging) get(where string, document any) {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.url+"/rest/v1/"+where, http.NoBody)
	require.NoError(s.t, err)
	request.SetBasicAuth("admin", "secret")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, json.Unmarshal(text, document), "%s", text)
}

// total is how many of something the server has.
func (s *staging) total(kind string) int {
	s.t.Helper()
	var page struct{ Total int }
	s.get(kind, &page)
	return page.Total
}

// installs reports whether a device has begun to install. An action's history says so
// for good, its status only until the next feedback.
func (s *staging) installs() bool {
	s.t.Helper()
	var targets struct {
		Content []struct{ ControllerID string }
	}
	s.get("targets", &targets)
	for _, target := range targets.Content {
		here := "targets/" + target.ControllerID + "/actions"
		var actions struct{ Content []struct{ ID int } }
		s.get(here, &actions)
		for _, action := range actions.Content {
			var history struct{ Content []struct{ Messages []string } }
			s.get(fmt.Sprintf("%s/%d/status", here, action.ID), &history)
			for _, entry := range history.Content {
				if strings.Contains(strings.Join(entry.Messages, "\n"), ": installing; ") {
					return true
				}
			}
		}
	}
	return false
}

// isEmpty asserts that the server has nothing of any run.
func (s *staging) isEmpty() {
	s.t.Helper()
	for _, kind := range []string{"targets", "actions", "distributionsets", "softwaremodules", "targettags"} {
		assert.Zero(s.t, s.total(kind), kind)
	}
}

// One command prepares a hawkBit, upgrades a fleet with faults, judges both ends and
// takes everything away; a second run meets nothing of the first.
func TestStagedFleet(t *testing.T) {
	t.Parallel()
	s := newStaging(t)
	for range 2 {
		o := harness.Run(t, s.dir, programs.Sim, s.args()...)
		require.Equal(t, 0, o.Code, "%s\n%s", o.Out, o.Err)
		s.isEmpty()
	}
}

// What a run has made stays with --keep, and goes by the run's name.
func TestStagedFleetIsKept(t *testing.T) {
	t.Parallel()
	s := newStaging(t)
	o := harness.Run(t, s.dir, programs.Sim, s.args("--keep")...)
	require.Equal(t, 0, o.Code, "%s\n%s", o.Out, o.Err)
	assert.Equal(t, 32, s.total("targets"))
	assert.Equal(t, 30, s.total("targets?q=updateStatus==in_sync"))
	assert.NotZero(t, s.total("actions?q=status==error"), "what failed was tried again")
	_, name, found := strings.Cut(o.Out, "--remove-run ")
	require.True(t, found, o.Out)
	name, _, _ = strings.Cut(name, "\n")
	o = harness.Run(t, s.dir, programs.Sim, s.args("--remove-run", name)...)
	require.Equal(t, 0, o.Code, "%s\n%s", o.Out, o.Err)
	s.isEmpty()
}

// A run that is interrupted leaves nothing either.
func TestStagedFleetIsInterrupted(t *testing.T) {
	t.Parallel()
	s := newStaging(t)
	slow := strings.Replace(stagedFleet, "time: 10ms..50ms", "time: 1m..2m", 1)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "fleet.yaml"), []byte(slow), 0o600))
	run := harness.Start(t, s.dir, programs.Sim, s.args()...)
	harness.Await(t, "a device that installs", s.installs)
	require.NoError(t, syscall.Kill(run.PID(), syscall.SIGINT))
	assert.Equal(t, 130, run.Wait())
	assert.NotContains(t, run.Output(), "what hawkBit believes")
	s.isEmpty()
}

func TestStagedFleetIsRefused(t *testing.T) {
	t.Parallel()
	s := newStaging(t)
	for _, tt := range []struct {
		change []string
		code   int
		want   string
	}{
		{[]string{"--password-file", "wrong.txt"}, 4, "does not let this operator in (401)"},
		{[]string{"--url", "http://" + harness.FreeAddress(t)}, 4, "cannot reach hawkBit"},
		{[]string{"--url", "ftp://x"}, 2, "must be https://host or http://host"},
		{[]string{"--platform", "native"}, 2, "--url goes with --platform hawkbit"},
		{[]string{"--remove-run", "theirs"}, 2, "runs are called ota-sim-"},
	} {
		o := harness.Run(t, s.dir, programs.Sim, s.args(tt.change...)...)
		assert.Equal(t, tt.code, o.Code, "%v", tt.change)
		assert.Contains(t, o.Err, tt.want)
	}
	s.isEmpty()
}
