package agent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestDeltas plays deltas that fit what runs and such that do not.
func TestDeltas(t *testing.T) {
	runTraces(t, []trace{
		{"a delta that fits", "delta app:1>2 to accept", "pkg:app+delta; started; ok; ok; ok; ok; ok",
			"save app=ready_to_download fetch:app | save app=downloading | save app=download_succeeded stage:app | save app=upgrading activate:app | save health:app | save confirm:app | save app=upgrade_succeeded inventory? forget:app"},
		{"does not start from what runs", "delta app:1>2 to accept", "pkg:app+delta; fail:delta_failed; pkg:app; started; ok; ok; ok; ok; ok",
			"save app=ready_to_download fetch:app | save ask:app(delta_unusable) forget:app | fetch:app | save app=downloading | save app=download_succeeded stage:app | save app=upgrading activate:app | save health:app | save confirm:app | save app=upgrade_succeeded inventory? forget:app"},
		{"a full package from the beginning", "delta app:1>2 to accept", "pkg:app; started; ok",
			"save app=ready_to_download fetch:app | save app=downloading | save app=download_succeeded stage:app"},
		{"found after a cut in the download", "delta app:1>2 to accept", "pkg:app+delta; started; cut; boot; fail:delta_failed; connect; pkg:app; ok",
			"save app=ready_to_download fetch:app | save app=downloading | fetch:app | save forget:app | inventory:running#4 app=ready_to_download app=downloading ask:app(delta_unusable) | fetch:app | save app=download_succeeded stage:app"},
		{"a cut before the address of the delta is forgotten", "delta app:1>2 to accept", "pkg:app+delta; fail:delta_failed; cut; keep:app+delta; boot; connect; pkg:app",
			"save app=ready_to_download fetch:app | save ask:app(delta_unusable) forget:app | forget:app | inventory:running#3 app=ready_to_download ask:app(delta_unusable) | fetch:app"},
		{"a cut, the question is asked again", "delta app:1>2 timers to accept", "pkg:app+delta; fail:delta_failed; cut; boot; connect; wait:30s",
			"save app=ready_to_download fetch:app timer+1m | save ask:app(delta_unusable) forget:app timer+30s |  | inventory:running#3 app=ready_to_download timer+30s | ask:app(delta_unusable) app=ready_to_download timer+1m"},
		{"no connection, the question waits", "delta app:1>2 to accept", "pkg:app+delta; disconnect; fail:delta_failed; connect; pkg:app",
			"save app=ready_to_download fetch:app |  | save forget:app | inventory:running#3 app=ready_to_download ask:app(delta_unusable) | fetch:app"},
		{"there is no full package", "delta app:1>2 to accept", "pkg:app+delta; fail:delta_failed; pkg:app+delta; pkg:app+delta; pkg:app+delta",
			"save app=ready_to_download fetch:app | save ask:app(delta_unusable) forget:app | ask:app(delta_unusable) forget:app | ask:app(delta_unusable) forget:app | save app=download_failed(delta_failed) forget:app"},
		{"a delta that was on its way", "delta app:1>2 to accept", "pkg:app+delta; fail:delta_failed; pkg:app+delta; pkg:app; pkg:app+delta; started; ok",
			"save app=ready_to_download fetch:app | save ask:app(delta_unusable) forget:app | ask:app(delta_unusable) forget:app | fetch:app |  | save app=downloading | save app=download_succeeded stage:app"},
		{"another version runs by now", "delta app:1>2 to accept", "runs:app=1b; cut; boot; connect; pkg:app+delta; pkg:app",
			"save | inventory:running#2 accept | save ask:app(delta_unusable) forget:app | save app=ready_to_download fetch:app"},
		{"cannot be applied, the retry wants the full package", "delta app:1>2 to accept", "pkg:app+delta; started; ok; fail:delta_failed; ok; pkg:app+delta@2; pkg:app@2",
			"save app=ready_to_download fetch:app | save app=downloading | save app=download_succeeded stage:app | save revert:app | save app=upgrade_failed(delta_failed) inventory? forget:app | save ask:app(delta_unusable)@2 forget:app | save app=ready_to_download@2 fetch:app"},
		{"a failure of another kind is none of the delta", "delta app:1>2 to accept", "pkg:app+delta; fail:space_low",
			"save app=ready_to_download fetch:app | save app=download_failed(space_low) forget:app"},
		{"a full package is not asked for in the place of one", "app:1>2 to accept", "pkg:app; fail:delta_failed",
			"save app=ready_to_download fetch:app | save app=download_failed(delta_failed) forget:app"},
	})
}

// TestTimeFloor plays a device whose clock shows an earlier time than it is.
func TestTimeFloor(t *testing.T) {
	runTraces(t, []trace{
		{"the clock is believed where nothing is known", "app:1>2 to accept", "pkg:app+weeks",
			"save app=ready_to_download fetch:app"},
		{"the program is newer", "built app:1>2 to accept", "pkg:app+weeks",
			"save app=upgrade_failed(manifest_expired) forget:app"},
		{"the platform says so", "app:1>2 to accept", "sent:720h; pkg:app+weeks",
			"save app=upgrade_failed(manifest_expired) forget:app"},
		{"a message of no plan says so", "app:1>2 to accept", "sent:720h; p9/pkg:app; sent:0h; pkg:app+weeks",
			" | save app=ready_to_download fetch:app"},
		{"the platform says what cannot be", "app:1>2 to accept", "sent:87600h; pkg:app+weeks",
			"save app=ready_to_download fetch:app"},
		{"a signed manifest says what cannot be", "app:1>2 to accept", "pkg:app+lie; fail:network_timeout; pkg:app+weeks@2",
			"save app=ready_to_download fetch:app | save app=download_failed(network_timeout) forget:app | save app=ready_to_download@2 fetch:app"},
		{"the platform said so before the start", "app:1>2 motor:1>2 to accept", "sent:720h; pkg:motor; cut; boot; connect; sent:0h; pkg:app+weeks",
			" |  | inventory:running#4 accept | save app=ready_to_download fetch:app"},
		{"a signed manifest says so, for ever", "app:1>2 to accept", "sent:720h; pkg:app+signedlater; sent:0h; cut; boot; connect; fail:network_timeout; pkg:app+weeks@2",
			"save app=ready_to_download fetch:app | fetch:app | inventory:running#3 app=ready_to_download | save app=download_failed(network_timeout) forget:app | save app=ready_to_download@2 app=download_failed@2(manifest_expired) forget:app"},
	})
}

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

// TestIrreversible plays plans for components that cannot go back.
func TestIrreversible(t *testing.T) {
	runTraces(t, []trace{
		{"first of two", "app:1>2 motor:1>2 revert irreversible:app", "connect; plan", "inventory? | save app=plan_received motor=plan_received refuse:incompatible"},
		{"last of two", "app:1>2 motor:1>2 revert irreversible:motor", "connect; plan", "inventory? | save app=plan_received motor=plan_received accept app=upgrade_confirmed motor=upgrade_confirmed"},
		{"both", "app:1>2 motor:1>2 revert irreversible:app irreversible:motor", "connect; plan", "inventory? | save app=plan_received motor=plan_received refuse:incompatible"},
		{"the other has nothing to do", "app:1>2 motor:2>2 revert irreversible:app", "connect; plan", "inventory? | save app=plan_received motor=plan_received accept app=upgrade_confirmed motor=no_update_required"},
		{"a plan that takes nothing back", "app:1>2 motor:1>2 stop irreversible:app", "connect; plan", "inventory? | save app=plan_received motor=plan_received accept app=upgrade_confirmed motor=upgrade_confirmed"},
		{"its own failure", "app:1>2 motor:1>2 revert irreversible:motor to health:motor", "fail:health_check_failed; ok", "save revert:motor | save motor=upgrade_failed(health_check_failed) inventory:running#14 forget:motor revert:app"},
	})
}
