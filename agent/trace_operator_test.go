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
func TestWindows(t *testing.T) { runTraces(t, "windows") }

func TestPause(t *testing.T) { runTraces(t, "pause") }

func TestLocalPlans(t *testing.T) { runTraces(t, "local_plans") }

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
		{"app:1", "pause:line is running", "", "", []agent.Blocker{{Reason: ota.ReasonBusy,
			Detail: "the operator has paused the agent: line is running"}}},
		{"app:1", "busy:on", "", "", []agent.Blocker{{Reason: ota.ReasonBusy,
			Detail: "the device asks not to be disturbed"}}},
		{"app:1 battery:20 least:30", "", "", "", []agent.Blocker{{Reason: ota.ReasonBattery, Detail: "20 % < 30 %"}}},
		{"app:1>2 to app=downloading", "", "", "", []agent.Blocker{{Reason: ota.ReasonBusy,
			Detail: "plan p1 is in progress"}}},
		{"motor:1", "", "", ota.InstallerFailed, []agent.Blocker{{Reason: ota.ReasonIncompatible,
			Detail: "component app: the device has none"}}},
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
