package real_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/wire"
	"otafleet/simulator"
	"otafleet/simulator/platform"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
	"otafleet/test/harness"
)

// slowly is a scenario whose downloads take eight seconds: what happens in the
// middle of them leaves time before it and behind it.
const slowly = `
scenario: test
duration: 100s
fleet:
  - name: gw
    count: 5
    product: gw-200
    components: [{id: app, type: module, version: "1"}]
    link: {latency: 2ms, bandwidth: 16KiB/s}
    install: {time: 10ms..50ms, restart: process}
plans:
  - name: spring
    product: gw-200
    components: [{id: app, package: full, target: "2", size: 130000, chunk: 16KiB}]
`

// inTime runs a scenario, again if it came out wrong on a machine that stood still: then
// devices were not where they are meant to be when something happens.
func inTime(t *testing.T, text string, want verdict.Counts) *verdict.Verdict {
	t.Helper()
	return harness.Undisturbed(harness.TakePulse(t), func() *verdict.Verdict { return simulate(t, text) },
		func(v *verdict.Verdict) bool { return v.Held && maps.Equal(ended(v), want) })
}

func TestEvents(t *testing.T) {
	t.Parallel()
	upgraded := verdict.Counts{scenario.Upgraded: 5}
	failing := "    retries: 0\nfaults: [{name: sick, at: health, do: unhealthy, chance: 100%}]\n"
	late := "  - {name: late, count: 5, product: gw-200, arrive: {after: 14s}, components: [{id: app, type: module, " +
		"version: \"1\"}]}\nplans:"
	tests := []struct {
		name   string
		events string
		more   string // lines behind the plan
		fleets string // instead of "plans:"
		waits  bool   // the fleet comes when the plan is suspended
		ended  verdict.Counts
		lasts  time.Duration // at least
	}{
		{name: "the broker dies", events: "{at: 1s, do: kill_broker, for: 1500ms}", ended: upgraded},
		{name: "the store dies", events: "{at: 1s, do: kill_store, for: 1500ms}", ended: upgraded},
		{name: "the platform dies", events: "{at: 0s, do: kill_platform, for: 2s}", ended: upgraded, lasts: 4 * time.Second},
		{name: "all of them die", events: "{at: 1s, do: kill_platform, for: 1s}, {at: 1s, do: kill_store, for: 1500ms}, " +
			"{at: 1s, do: kill_broker, for: 1200ms}", ended: upgraded},
		{name: "the fleet is cut off", events: "{at: 1s, do: partition, fleet: gw, for: 2s}", ended: upgraded,
			lasts: 4 * time.Second},
		{name: "a device arrives that is cut off", events: "{at: 1s, do: partition, for: 16s}", fleets: late,
			ended: verdict.Counts{scenario.Upgraded: 10}, lasts: 17 * time.Second},
		{name: "addresses expire", events: "{at: 1s, do: expire_addresses}, {at: 1200ms, do: expire_addresses}",
			ended: upgraded},
		{name: "all connect again", events: "{at: 500ms, do: reconnect_storm}, {at: 1s, do: reconnect_storm, fleet: gw}",
			ended: upgraded},
		{name: "the plan is suspended", events: "{at: 5s, do: suspend_plan, plan: spring}", fleets: late,
			ended: verdict.Counts{scenario.Upgraded: 5, scenario.NotUpgraded: 5}},
		{name: "the plan is suspended and resumed", events: "{at: 0s, do: suspend_plan, plan: spring, for: 11s}",
			fleets: late, waits: true,
			ended: verdict.Counts{scenario.Upgraded: 5, scenario.NotUpgraded: 5}},
		{name: "the plan is resumed", events: "{at: 0s, do: suspend_plan, plan: spring}, {at: 11s, do: resume_plan, plan: " +
			"spring}", fleets: late, waits: true,
			ended: verdict.Counts{scenario.Upgraded: 5, scenario.NotUpgraded: 5}},
		{name: "the plan is terminated", events: "{at: 5s, do: terminate_plan, plan: spring}", ended: upgraded},
		{name: "the plan is retried", events: "{at: 25s, do: retry_plan, plan: spring}", more: failing, ended: upgraded,
			lasts: 25 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := slowly
			if tt.fleets != "" {
				text = strings.Replace(text, "plans:", tt.fleets, 1)
			}
			if tt.waits {
				text = strings.Replace(text, "count: 5", "count: 5\n    arrive: {after: 3s}", 1)
			}
			text += tt.more + "events: [" + tt.events +
				"]\nexpect: {reports: {lost: 0, out_of_order: 0, conflicting: 0, illegal: 0}}\n"
			v := inTime(t, text, tt.ended)
			held(t, v)
			assert.Equal(t, tt.ended, ended(v))
			assert.GreaterOrEqual(t, v.Figures.Duration, tt.lasts)
		})
	}
}

// TestLastEvent comes when nothing has happened for long, and when the run looks
// whether it is over: what it brings about belongs to the run.
func TestLastEvent(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			text := strings.NewReplacer("bandwidth: 16KiB/s", "bandwidth: 1MiB/s", "restart: process",
				"restart: none").Replace(slowly)
			v := simulate(t, text+fmt.Sprintf("events: [{at: %dms, do: reconnect_storm}]\nexpect: {reports: {lost: 0}}\n", 4000+
				250*n))
			held(t, v)
			assert.Equal(t, 10, v.Figures.Sessions, "each device has had two")
		})
	}
}

// TestPlansStartAndEnd starts and ends plans, and leaves them to users and fleets.
func TestPlansStartAndEnd(t *testing.T) {
	t.Parallel()
	upgraded := verdict.Counts{scenario.Upgraded: 5}
	other := "  - {name: other, count: 5, product: gw-200, components: [{id: app, type: module, version: \"1\"}]}\nplans:"
	tests := []struct {
		name  string
		plan  string // lines of it
		other bool   // there is another fleet
		ended verdict.Counts
	}{
		{name: "starts later", plan: "starts: 2s", ended: upgraded},
		{name: "ends before anybody agrees", plan: "mode: manual\n    ends: 2s",
			ended: verdict.Counts{scenario.UpgradeFailed: 5}},
		{name: "ends on the way", plan: "ends: 5s", ended: upgraded},
		{name: "starts while the platform is dead", plan: "starts: 1s\nevents: [{at: 500ms, do: kill_platform, for: 1s}]",
			ended: upgraded},
		{name: "is asked for", plan: "push: false", ended: upgraded},
		{name: "is pushed at another hour", plan: "window: 1-2", ended: verdict.Counts{scenario.NotUpgraded: 5}},
		{name: "is pushed now", plan: "window: 23-1", ended: upgraded},
		{name: "users agree", plan: "mode: manual\n    users: {confirm: 100%, after: 500ms..1s}", ended: upgraded},
		{name: "users agree at once", plan: "mode: manual\n    users: {confirm: 100%}", ended: upgraded},
		{name: "users accept what comes", plan: "mode: manual\n    starts: 2s\n    users: {confirm: 100%, after: 500ms..1s}",
			ended: upgraded},
		{name: "users do not agree", plan: "mode: manual\n    users: {confirm: 0%, cancel: 100%, after: 500ms}",
			ended: verdict.Counts{scenario.UpgradeFailed: 5}},
		{name: "users say nothing", plan: "mode: manual\n    users: {confirm: 0%, cancel: 0%, after: 500ms}",
			ended: verdict.Counts{scenario.NotUpgraded: 5}},
		{name: "is for one fleet", plan: "only: [gw]", other: true, ended: verdict.Counts{scenario.Upgraded: 5,
			scenario.NotUpgraded: 5}},
		{name: "is not for one fleet", plan: "except: [gw]", other: true, ended: verdict.Counts{scenario.Upgraded: 5,
			scenario.NotUpgraded: 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(slowly, "bandwidth: 16KiB/s", "bandwidth: 1MiB/s", 1)
			if tt.other {
				text = strings.Replace(text, "plans:", other, 1)
			}
			v := inTime(t, text+"    "+tt.plan+"\nexpect: {reports: {lost: 0}}\n", tt.ended)
			held(t, v)
			assert.Equal(t, tt.ended, ended(v))
		})
	}
}

// TestEventsOfExternalParts: what is not the simulator's it neither kills nor orders.
func TestEventsOfExternalParts(t *testing.T) {
	t.Parallel()
	external := real.World{BrokerURL: "mqtt://127.0.0.1", Trust: &wire.Trust{AllowUnsigned: true}}
	withFake := real.World{BrokerURL: "mqtt://127.0.0.1", FakePlatform: true}
	stored := real.World{Store: &platform.RemoteStore{}}
	tests := []struct {
		world real.World
		what  string
		want  string // empty if it may be
	}{
		{external, "events: [{at: 1s, do: kill_platform, for: 1s}]",
			"event kill_platform at 1s needs the simulator's own platform"},
		{external, "events: [{at: 1s, do: suspend_plan, plan: spring}]",
			"event suspend_plan at 1s needs the simulator's own platform"},
		{external, "events: [{at: 1s, do: partition, for: 1s}, {at: 2s, do: reconnect_storm}]", ""},
		{external, "faults: [{name: old, at: upgrade_confirmed, do: downgrade, chance: 100%}]",
			"fault old (downgrade) needs packages that the simulator signs"},
		{withFake, "events: [{at: 1s, do: kill_broker, for: 1s}]",
			"event kill_broker at 1s needs the simulator's own broker"},
		{withFake, "events: [{at: 1s, do: kill_platform, for: 1s}, {at: 1s, do: kill_store, for: 1s}]", ""},
		{stored, "events: [{at: 1s, do: expire_addresses}]",
			"event expire_addresses at 1s needs the simulator's own object store"},
		{stored, "events: [{at: 1s, do: kill_store, for: 1s}]",
			"event kill_store at 1s needs the simulator's own object store"},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			text := strings.Replace(slowly, `version: "1"`, `version: "1", release: 1`, 1)
			s := parse(t, text+tt.what+"\n")
			err := tt.world.Validate(&simulator.Options{Scenario: s, Devices: pick(t, s, selection.Shard{})})
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.want)
			}
		})
	}
}

// TestUsersAnswerWhenThePlanIsActive: one who answers at once is not before it, nor
// when both wait for a platform that is down.
func TestUsersAnswerWhenThePlanIsActive(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		base + "    mode: manual\n    users: {confirm: 100%}\n    starts: 500ms\n",
		base + "    mode: manual\n    users: {confirm: 100%}\n    starts: 500ms\nevents:\n" +
			"  - {at: 300ms, do: kill_platform, for: 1s}\n",
	} {
		v := simulate(t, text)
		assert.Equal(t, 20, v.Figures.Classes[scenario.Upgraded], "%v", v.Figures.Classes)
	}
}
