//go:build real

package real_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// outage is how long a killed server stays away.
const outage = 5 * time.Second

// verdict is what of a run's verdict the test looks at.
type verdict struct {
	Held    bool
	Seconds float64
	Devices int
	Classes struct{ All map[string]int }
	Reports struct{ Numbered, Stored, Lost, Duplicate int }
	Time    struct {
		Upgrade struct{ P50, P99, Max float64 }
	}
	Expectations []struct {
		Name, Measured string
		Held           bool
	}
	Resources struct {
		Downloaded int64 `json:"downloaded_bytes"`
		Sessions   int
	}
}

// A thousand devices lose first the broker, which forgets all their sessions,
// and later the object store. All of them end upgraded, and nothing they said is
// lost.
func TestFleetOutlivesItsServers(t *testing.T) {
	t.Parallel()
	store, broker := startStore(t, false), startMosquitto(t)
	scenario, err := filepath.Abs("testdata/outage.yaml")
	require.NoError(t, err)
	dir := t.TempDir()
	args := []string{"run", scenario, "--broker", broker.url(), "--fake-platform", "--json", "verdict.json"}
	run := harness.Start(t, dir, programs.Sim, append(args, store.flags(store.url)...)...)

	awaitUpgraded(t, run, 200)
	broker.kill()
	time.Sleep(outage)
	broker.start()
	awaitUpgraded(t, run, 400)
	store.kill()
	time.Sleep(outage)
	store.start()

	for run.Running() { // it ends by itself
		time.Sleep(100 * time.Millisecond)
	}
	t.Log(run.Output())
	text, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
	require.NoError(t, err)
	var v verdict
	require.NoError(t, json.Unmarshal(text, &v))
	assert.Zero(t, run.Wait())
	assert.True(t, v.Held)
	assert.Equal(t, v.Devices, v.Classes.All["upgraded"])
	assert.Zero(t, v.Reports.Lost)
	assert.Equal(t, v.Reports.Numbered, v.Reports.Stored)
	assert.Greater(t, v.Resources.Sessions, v.Devices, "the broker's end did hit them")
	t.Logf("%.0f s, upgrade p50 %.1f s, p99 %.1f s; %d reports, %d sent again; %d sessions",
		v.Seconds, v.Time.Upgrade.P50, v.Time.Upgrade.P99, v.Reports.Numbered, v.Reports.Duplicate, v.Resources.Sessions)
}

// awaitUpgraded waits until a run says that so many devices are upgraded.
func awaitUpgraded(t *testing.T, run *harness.Process, want int) {
	t.Helper()
	line := regexp.MustCompile(` upgraded (\d+) `)
	harness.Await(t, strconv.Itoa(want)+" devices are upgraded", func() bool {
		lines := line.FindAllStringSubmatch(run.Output(), -1)
		if len(lines) == 0 {
			return false
		}
		n, _ := strconv.Atoi(lines[len(lines)-1][1])
		return n >= want
	})
}
