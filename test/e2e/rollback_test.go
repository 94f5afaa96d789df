package e2e_test

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// offers makes a setting in which each package comes in a plan of its own.
type offers struct{ *setting }

// refuses offers a signed package, which the device must not take.
func (o *offers) refuses(plan, target string, release int64, code ota.Code, change func(*ota.Manifest)) {
	o.t.Helper()
	plan = strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(plan)
	o.upgrade(harness.Plan{ID: plan}, ota.DeviceUpgradeFailed,
		harness.Pack(o.t, "app", target, release, []byte("content of "+target), change, o.key))
	assert.Equal(o.t, refused(code), o.platform.Trail(plan, "app"), plan)
}

func downwards(until time.Duration) func(*ota.Manifest) {
	return func(m *ota.Manifest) { m.AllowDowngrade, m.Expires = true, time.Now().Add(until) }
}

// A device that was made with release 5, and has run release 9, can be brought to
// nothing that whoever made its packages did not mean for it.
func TestRollback(t *testing.T) {
	t.Parallel()
	o := offers{newSetting(t)}
	app := harness.FileComponent("app", "1.0.0", nil)
	app["release"] = 5
	o.device.Components(app)
	agent := o.device.Start()
	o.refuses("before the factory's", "0.4.0", 4, ota.DowngradeRefused, nil)
	o.refuses("before the factory's, allowed", "0.4.1", 4, ota.DowngradeRefused, downwards(time.Hour))
	o.upgrades("nine", "9.0.0", 9)

	o.refuses("older", "8.0.0", 8, ota.DowngradeRefused, nil)
	o.refuses("equal with other content", "9.0.1", 9, ota.DowngradeRefused, nil)
	o.refuses("allowed for ever", "7.0.0", 7, ota.DowngradeRefused, func(m *ota.Manifest) { m.AllowDowngrade = true })
	o.refuses("allowed once", "7.0.1", 7, ota.ManifestExpired, downwards(-time.Hour))
	o.refuses("allowed below the factory's", "0.4.2", 4, ota.DowngradeRefused, downwards(time.Hour))
	o.refuses("an absurd step", "9.9.9", 1<<53-1, ota.DowngradeRefused, nil)
	o.refuses("the highest of all", "9.9.8", math.MaxInt64, ota.DowngradeRefused, nil)
	o.refuses("the highest of all, allowed", "9.9.7", math.MaxInt64, ota.DowngradeRefused, downwards(time.Hour))
	o.upgrades("ten", "10.0.0", 10)

	// What the configuration says holds for a device that has lost its state.
	require.Equal(t, 0, agent.Stop())
	require.NoError(t, os.RemoveAll(o.device.Path("state")))
	app["release"], app["version"] = 10, "10.0.0" // as the image of this release has it
	o.device.Start()
	o.refuses("after the state is lost", "9.0.2", 9, ota.DowngradeRefused, nil)
	o.upgrades("eleven", "11.0.0", 11)
}
