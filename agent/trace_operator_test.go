package agent_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// daily is a window between two hours of every day.
func daily(t *testing.T, hours string) agent.Window {
	from, to, found := strings.Cut(hours, "-")
	require.True(t, found, hours)
	every := [7]bool{true, true, true, true, true, true, true}
	return agent.Window{Days: every, From: 60 * *number(t, from), To: 60 * *number(t, to), Zone: time.UTC}
}

// local is a package file that the operator installs. Its plan is called l1; one
// of another name stands before the component: "l2/app".
func (d *driver) local(value string) agent.Install {
	component, twist := value, ""
	if i := strings.IndexAny(value, "!+"); i >= 0 {
		component, twist = value[:i], value[i:]
	}
	id := "l1"
	for n := 2; d.installed[id]; n++ {
		id = "l" + strconv.Itoa(n)
	}
	if d.installed == nil {
		d.installed = map[string]bool{}
	}
	d.installed[id] = true
	plan := d.plan(id, 1)
	plan.Conditions, plan.OnFailure = ota.Conditions{}, ota.Stop
	plan.Components = []ota.PlanComponent{{ID: component, Type: ota.Module, Package: ota.Full, Target: "2", Size: 4096}}
	return agent.Install{Plan: plan, Package: d.pkg(id, component, twist, 1), Path: "/media/usb/app.ota"}
}

// The driver's clock starts at 10:00.
func TestWindows(t *testing.T) {
	runTraces(t, []trace{
		{"within the window", "app:1>2 window:9-11 to inventory?", "plan",
			"save app=plan_received accept app=upgrade_confirmed"},
		{"outside, then it opens", "app:1>2 window:12-13 timers to inventory?", "plan; ack; none; wait:2h; plan",
			"save app=plan_received refuse:outside_window timer+1m | save timer+2h |  | inventory? timer+30s | save accept app=upgrade_confirmed"},
		{"of no known zone", "app:1>2 shut to inventory?", "plan; ack; plan",
			"save app=plan_received refuse:outside_window | save | refuse:outside_window"},
		{"one of no known zone, one open", "app:1>2 shut window:9-11 to inventory?", "plan",
			"save app=plan_received accept app=upgrade_confirmed"},
		{"one of several is open", "app:1>2 window:1-2 window:10-11 to inventory?", "plan",
			"save app=plan_received accept app=upgrade_confirmed"},
		{"over midnight", "app:1>2 window:22-11 to inventory?", "plan",
			"save app=plan_received accept app=upgrade_confirmed"},
		{"a connection that comes back in the window", "app:1>2 window:12-13 to refuse:outside_window", "disconnect; wait:2h; connect; plan",
			" | inventory? | save accept app=upgrade_confirmed"},
		{"nothing to do needs no window", "app:2>2 window:12-13 to inventory?", "plan",
			"save app=plan_received accept app=no_update_required"},
		{"the battery is looked at before the window", "app:1>2 window:12-13 battery:20 needs:30 to inventory?", "plan; ack; battery:40; wait:2h; battery:20; battery:40",
			"save app=plan_received refuse:battery_low | save |  | inventory? |  | "},
		{"battery too low when the window opens", "app:1>2 window:12-13 battery:50 needs:30 to refuse:outside_window", "battery:20; wait:2h; battery:40; plan",
			" | inventory? | save accept app=upgrade_confirmed"},

		// Agreed to in the window, downloaded after it.
		{"the switch waits for the next window", "app:1>2 window:9-11 timers to app=downloading", "wait:2h; ok; ack; wait:21h",
			"save app=download_succeeded timer+1m | save timer+21h | save stage:app"},
		{"a cut while the switch waits", "app:1>2 window:9-11 to app=downloading", "wait:2h; ok; ack; cut; boot; connect; wait:21h; ok",
			"save app=download_succeeded | save |  | inventory:running#5 | save stage:app | save app=upgrading activate:app"},
		{"what has begun goes on", "app:1>2 window:9-11 to activate:app", "wait:2h; ok; ok; ok",
			"save health:app | save confirm:app | save app=upgrade_succeeded inventory? forget:app"},
		{"going back needs no window", "app:1>2 window:9-11 to health:app", "wait:2h; fail:health_check_failed; ok",
			"save revert:app | save app=upgrade_failed(health_check_failed) inventory? forget:app"},
		{"components after the first one follow", "app:1>2 motor:1>2 window:9-11 to app=upgrade_succeeded", "pkg:motor; ack; wait:2h; ok; ok",
			"save motor=ready_to_download fetch:motor | save | save motor=downloading motor=download_succeeded stage:motor | save motor=upgrading activate:motor"},
		{"a retry waits for the window again", "app:1>2 motor:1>2 window:9-11 to app=upgrade_succeeded", "pkg:motor; fail:http_error; ack; wait:2h; pkg:motor@2; ok; ack; wait:21h",
			"save motor=ready_to_download fetch:motor | save motor=download_failed(http_error) forget:motor | save | save motor=ready_to_download@2 fetch:motor | save motor=downloading@2 motor=download_succeeded@2 | save | save stage:motor"},
		{"a busy device is not switched", "app:1>2 to app=downloading", "busy:on; ok; busy:off",
			" | save app=download_succeeded | save stage:app"},

		// The operator is asked at any time.
		{"agreed by day, upgraded by night", "app:1>2 ask window:12-13 to inventory?", "plan; ack; yes; plan; wait:2h; plan",
			"save app=plan_received ask-operator | save | save refuse:outside_window | refuse:outside_window | inventory? | save accept app=upgrade_confirmed"},
		{"the answer is kept over a cut", "app:1>2 ask window:12-13 to ask-operator", "yes; cut; boot; connect; plan; wait:2h; plan",
			"save refuse:outside_window |  | inventory? | refuse:outside_window | inventory? | save accept app=upgrade_confirmed"},
		{"agreed to while the battery was low", "app:1>2 ask battery:50 needs:30 to ask-operator", "battery:20; yes; battery:40; plan",
			" | save refuse:battery_low | inventory? | save accept app=upgrade_confirmed"},
		{"another attempt is another question", "app:1>2 ask window:12-13 to ask-operator", "yes; plan@2",
			"save refuse:outside_window | save ask-operator"},
		{"declined, not asked by itself again", "app:1>2 ask window:12-13 to ask-operator", "no; wait:2h; plan",
			"save refuse:declined | ask-operator"},
	})
}

func TestPause(t *testing.T) {
	runTraces(t, []trace{
		{"no plan is agreed to", "app:1>2 to inventory?", "pause; pause; plan; ack; cut; boot; connect; plan; resume; plan",
			"save |  | save app=plan_received refuse:busy | save |  | inventory? | refuse:busy | save inventory? | save accept app=upgrade_confirmed"},
		{"resumed without a pause", "app:1>2 to inventory?", "resume", ""},
		{"a plan with nothing to do", "app:2>2 to inventory?", "pause; plan",
			"save | save app=plan_received accept app=no_update_required"},
		{"a download stops and goes on", "app:1>2 to app=downloading", "pause; late; cut; boot; connect; resume; started; ok",
			"save cancel |  |  |  |  |  |  |  |  |  |  | inventory:running#4 | save fetch:app |  | save app=download_succeeded stage:app"},
		{"an address that comes in a pause is kept", "app:1>2 to accept", "pause; pkg:app; resume",
			"save |  | save app=ready_to_download fetch:app"},
		{"the staging stops", "app:1>2 to stage:app", "pause; resume; ok",
			"save cancel | save stage:app | save app=upgrading activate:app"},
		{"a switch goes on", "app:1>2 to activate:app", "pause; ok; ok; ok",
			"save | save health:app | save confirm:app | save app=upgrade_succeeded inventory? forget:app"},
		{"the way back goes on", "app:1>2 to confirm:app", "pause; fail:write_failed; ok",
			"save | save revert:app | save app=upgrade_failed(write_failed) inventory? forget:app"},
		{"the next component waits", "app:1>2 motor:1>2 to activate:app", "pause; ok; ok; ok; pkg:motor; resume",
			"save | save health:app | save confirm:app | save app=upgrade_succeeded inventory:running#9 forget:app |  | save motor=ready_to_download fetch:motor"},
		{"the operator agrees in a pause", "app:1>2 ask to ask-operator", "pause; yes; resume; plan",
			"save | save refuse:busy | save inventory? | save accept app=upgrade_confirmed"},
		{"nothing is installed", "app:1>2 to inventory?", "pause; install:app", "save | "},
	})
}

func TestLocalPlans(t *testing.T) {
	const taken = "save note:l1/app=plan_received note:l1/app=upgrade_confirmed note:l1/app=ready_to_download fetch:app"
	const offline = " | save note:l1/app=downloading note:l1/app=download_succeeded stage:app | save note:l1/app=upgrading activate:app"
	runTraces(t, []trace{
		{"without any connection", "app:1", "install:app; ok; ok; ok; ok; ok; connect",
			taken + offline + " | save health:app | save confirm:app | save note:l1/app=upgrade_succeeded forget:app | inventory?"},
		{"with a connection", "app:1>2 to inventory?", "install:app; ok; ok; ok; ok; ok",
			taken + offline + " | save health:app | save confirm:app | save note:l1/app=upgrade_succeeded inventory? forget:app"},
		{"with a restart", "app:1>2/system", "install:app; ok; ok; ok:system; cut; boot; ok; ok",
			taken + offline + " | save restart:system | save health:app | save confirm:app | save note:l1/app=upgrade_succeeded forget:app"},
		{"outside of every window, without a question", "app:1>2 ask window:12-13", "install:app; ok; ok",
			taken + offline},
		{"battery too low for the device", "app:1 battery:20 least:30", "install:app; battery:40", "save note:l1/app=plan_received | "},
		{"runs already", "app:2", "install:app",
			"save note:l1/app=plan_received note:l1/app=no_update_required"},
		{"signature that does not verify", "app:1", "install:app!signature_invalid",
			"save note:l1/app=plan_received note:l1/app=upgrade_confirmed note:l1/app=upgrade_failed(signature_invalid) forget:app"},
		{"component that the device has not", "app:1", "install:motor; connect; check",
			"save note:l1/motor=plan_received | inventory? | inventory?"},
		{"the package cannot be read", "app:1 to inventory?", "install:app; fail:storage_unavailable",
			taken + " | save note:l1/app=download_failed(storage_unavailable) forget:app"},
		{"not healthy", "app:1", "install:app; ok; ok; ok; fail:health_check_failed; ok",
			taken + offline + " | save health:app | save revert:app | save note:l1/app=upgrade_failed(health_check_failed) forget:app"},
		{"cut before the package was kept", "app:1 timers", "install:app; lose:app; cut; boot",
			taken + " | save note:l1/app=download_failed(storage_unavailable) forget:app"},
		{"cut while it is copied", "app:1", "install:app; started; cut; boot; ok; ok",
			taken + " | save note:l1/app=downloading | fetch:app | save note:l1/app=download_succeeded stage:app | save note:l1/app=upgrading activate:app"},
		{"a plan of the platform meanwhile", "app:1>2 to inventory?", "install:app; plan; ok; ok; ok; ok; ok; plan",
			taken + " | refuse:busy" + offline + " | save health:app | save confirm:app | save note:l1/app=upgrade_succeeded inventory? forget:app | save app=plan_received accept app=no_update_required"},
		{"while a plan is in progress", "app:1>2 to app=downloading", "install:app", ""},
		{"while a plan waits for an answer", "app:1>2 ask to ask-operator", "install:app; yes; ok; ok; ok; ok; ok; plan",
			taken + " | " + offline + " | save health:app | save confirm:app | save note:l1/app=upgrade_succeeded inventory? forget:app | save accept app=no_update_required"},
		{"again after a failure", "app:1", "install:app; fail:storage_unavailable; install:app",
			taken + " | save note:l1/app=download_failed(storage_unavailable) forget:app | " + strings.ReplaceAll(taken, "l1/", "l2/")},
		{"a platform that knows its name", "app:1 to inventory?", "install:app; l1/plan; l1/pkg:app@2; l1/terminate; l1/ack:1; check",
			taken + " | l1/refuse:invalid_plan |  |  |  | inventory"},
	})
}

// Local plans do not push those of the platform out of the device's memory.
func TestLocalPlansAreForgottenFirst(t *testing.T) {
	d := newDriver(t, "app:1>2 ask to ask-operator")
	d.play("terminate")
	for range 2 * agent.MaxPast {
		d.play("install:app; fail:storage_unavailable")
	}
	past := d.machine.View().Past
	require.Len(t, past, agent.MaxPast)
	assert.Equal(t, "p1", past[0].ID)
}

func TestRehearse(t *testing.T) {
	for _, c := range []struct {
		setup, script, twist string
		refused              ota.Code
		blocked              []agent.Blocker
	}{
		{"app:1", "", "", "", nil},
		{"app:1", "", "!key_untrusted", ota.KeyUntrusted, nil},
		{"app:1", "", "+product", ota.ManifestMismatch, nil},
		{"app:1", "", "+expired", ota.ManifestExpired, nil},
		{"app:1", "pause:line is running", "", "", []agent.Blocker{{Reason: ota.ReasonBusy, Detail: "the operator has paused the agent: line is running"}}},
		{"app:1", "busy:on", "", "", []agent.Blocker{{Reason: ota.ReasonBusy, Detail: "the device asks not to be disturbed"}}},
		{"app:1 battery:20 least:30", "", "", "", []agent.Blocker{{Reason: ota.ReasonBattery, Detail: "20 % < 30 %"}}},
		{"app:1>2 to app=downloading", "", "", "", []agent.Blocker{{Reason: ota.ReasonBusy, Detail: "plan p1 is in progress"}}},
		{"motor:1", "", "", ota.InstallerFailed, []agent.Blocker{{Reason: ota.ReasonIncompatible, Detail: "component app: the device has none"}}},
	} {
		t.Run(c.setup+c.script+c.twist, func(t *testing.T) {
			d := newDriver(t, c.setup)
			d.play(c.script)
			before, err := agent.EncodeState(d.saved)
			require.NoError(t, err)
			view := d.machine.View()

			in := d.local("app" + c.twist)
			result := d.machine.Rehearse(in, d.machine.Open(in), d.readings)
			assert.Equal(t, c.blocked, result.Blocked)
			if c.refused == "" {
				assert.Nil(t, result.Refused)
			} else {
				require.NotNil(t, result.Refused)
				assert.Equal(t, c.refused, result.Refused.Code)
			}
			assert.Equal(t, strings.HasPrefix(c.twist, "!"), result.Manifest == nil)

			assert.Equal(t, view, d.machine.View(), "nothing has changed")
			after, err := agent.EncodeState(d.saved)
			require.NoError(t, err)
			assert.Equal(t, before, after)
		})
	}
}
