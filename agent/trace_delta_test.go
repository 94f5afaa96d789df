package agent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestDeltas plays deltas that fit what runs and such that do not.
func TestDeltas(t *testing.T) { runTraces(t, "deltas") }

// TestTimeFloor plays a device whose clock shows an earlier time than it is.
func TestTimeFloor(t *testing.T) { runTraces(t, "time_floor") }

// The clock's time counts unless the program, or a manifest that was taken, is
// newer.
func TestKnownTime(t *testing.T) {
	const day = 24 * time.Hour
	for setup, want := range map[string]time.Time{
		"app:1>2 to accept":                epoch,
		"built app:1>2 to accept":          epoch.Add(30 * day),
		"app:1>2 to app=upgrade_succeeded": epoch,
	} {
		assert.Equal(t, want, newDriver(t, setup).machine.KnownTime(epoch), setup)
	}
	d := newDriver(t, "app:1>2 to accept")
	d.play("sent:720h; pkg:app+signedlater; sent:0h; cut; boot")
	assert.Equal(t, epoch.Add(28*day), d.machine.KnownTime(epoch))
	assert.Equal(t, epoch.Add(40*day), d.machine.KnownTime(epoch.Add(40*day)))
}

// TestIrreversible plays plans for components that cannot roll back.
func TestIrreversible(t *testing.T) { runTraces(t, "irreversible") }
