package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// thousandDevices is a rollout that the platform does not live to see the end of.
const thousandDevices = `
scenario: restart
description: a thousand gateways, and a platform that is killed twice in the middle
seed: 11
duration: 20m
fleet:
  - name: gateways
    count: 1000
    product: gw-200
    components: [{id: rootfs, type: module, version: 1.0.0}]
    arrive: {over: 6s}
    install: {time: 1s..2s}
plans:
  - name: spring
    product: gw-200
    components: [{id: rootfs, package: full, target: 1.1.0, size: 64KiB}]
expect:
  devices: {upgraded: "100%", unaccounted: 0}
  reports: {lost: 0, out_of_order: 0}
`

// stepsOfOne is how many reports a device sends for one component that goes well.
const stepsOfOne = 7

// A platform that is killed in the middle of a rollout, and started again in the
// same directory, goes on where it was: every device is upgraded, every report is
// stored once, and the page shows it.
func TestPlatformKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("rootfs.img", strings.Repeat("a new system ", 5000))
	write("restart.yaml", thousandDevices)
	write("token", "a token that cannot be guessed\n")
	made := harness.Run(t, dir, programs.Sim, "keygen", "release")
	require.Equal(t, 0, made.Code, made.Err)
	made = harness.Run(t, dir, programs.Sim, "pack", "--key", "release.key", "--product", "gw-200", "--component",
		"rootfs", "--target", "1.1.0", "--release", "2", "--chunk", "8192", "--out", "rootfs.ota", "rootfs.img")
	require.Equal(t, 0, made.Code, made.Err)
	broker, store, pages := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	start := func() *harness.Process {
		p := harness.Start(t, dir, programs.Sim, "platform", "--state", "kept", "--listen", broker, "--store-listen", store,
			"--page", pages, "--token-file", "token", "--plan", "spring", "--upgrade", "rootfs.ota")
		p.AwaitOutput("ready for devices")
		return p
	}
	ask := func(path string, answer any) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+pages+path, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer a token that cannot be guessed")
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode, "%s", text)
		if answer != nil {
			require.NoError(t, json.Unmarshal(text, answer))
		}
		return string(text)
	}
	upgraded := func() int {
		var plan struct{ Devices struct{ Upgraded int } }
		ask("/api/v1/plans/spring", &plan)
		return plan.Devices.Upgraded
	}

	p := start()
	run := harness.Start(
		t,
		dir,
		programs.Sim,
		"run",
		"restart.yaml",
		"--broker",
		"mqtt://"+broker,
		"--trust",
		"release.pub",
		"--quiet",
		"--json",
		"verdict.json",
	)
	for _, enough := range []int{150, 500} {
		harness.Await(t, "devices that are upgraded", func() bool { return upgraded() >= enough })
		before := upgraded()
		p.Kill()
		time.Sleep(200 * time.Millisecond)
		p = start()
		assert.Contains(t, p.Output(), "plan spring for product gw-200 goes on: ")
		assert.Positive(t, upgraded(), "what was stored stays")
		harness.Await(t, "what was not yet promised to be stored", func() bool { return upgraded() >= before })
	}
	require.Equal(t, 0, run.Wait(), run.Output())

	var table struct {
		Total   int
		Devices []struct {
			Key, Status string
			LastSeq     int `json:"last_seq"`
		}
	}
	ask("/api/v1/plans/spring/devices?limit=1000", &table)
	require.Len(t, table.Devices, 1000)
	stored := 0
	for _, d := range table.Devices {
		assert.Equal(t, "upgraded", d.Status, d.Key)
		assert.GreaterOrEqual(t, d.LastSeq, stepsOfOne, d.Key) // more where the store was away for long
		stored += d.LastSeq
	}
	var verdict struct{ Reports struct{ Numbered int } }
	text, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &verdict))
	assert.Equal(t, verdict.Reports.Numbered, stored, "what the devices have numbered, the platform has, each once")
	var state struct{ Reports map[string]int }
	ask("/api/v1/platform", &state)
	assert.Zero(t, state.Reports["illegal"]+state.Reports["conflicting"]+state.Reports["unknown"]+state.Reports["dropped"],
		"%v", state.Reports)
	assert.Contains(t, ask("/plans/spring/monitoring", nil), `<b class="count">1,000</b>`)
	assert.Equal(t, 0, p.Stop())
}
