package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// TestPartsOfARun leave to all parts together what they cannot decide: counts add
// up, shares stand for the whole.
func TestPartsOfARun(t *testing.T) {
	const held, failed, deferred = "held", "failed", "deferred"
	type figures = verdict.Figures
	for _, tt := range []struct {
		expect string
		change func(f *figures)
		want   string
	}{
		{`{devices: {upgraded: ">= 99%"}}`, func(*figures) {}, held},
		{`{devices: {upgraded: ">= 99%"}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 9 }, failed},
		{`{devices: {upgraded: 990}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 500 }, deferred},
		{`{devices: {upgraded: 990}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 990 }, deferred},
		{`{devices: {upgraded: 990}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 991 }, failed},
		{`{devices: {upgraded: ">= 600"}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 599 }, deferred},
		{`{devices: {upgraded: ">= 600"}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 600 }, held},
		{`{devices: {upgraded: "> 600"}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 600 }, deferred},
		{`{devices: {refused: "< 3"}}`, func(f *figures) { f.Classes[scenario.Refused] = 2 }, deferred},
		{`{devices: {refused: "< 3"}}`, func(f *figures) { f.Classes[scenario.Refused] = 3 }, failed},
		{`{devices: {refused: "<= 3"}}`, func(f *figures) { f.Classes[scenario.Refused] = 3 }, deferred},
		{`{devices: {refused: 0}}`, func(f *figures) { f.Classes[scenario.Refused] = 0 }, deferred},
		{`{components: {motor: {upgrade_failed: 0}}}`, func(f *figures) { f.Components["motor"]["upgrade_failed"] = 1 },
			failed},
		{`{reports: {lost: 0}}`, func(*figures) {}, deferred},
		{`{reports: {lost: 0}}`, func(f *figures) { f.Reports.Lost = 1 }, failed},
		{`{time: {upgrade: {max: "< 80s"}}}`, func(*figures) {}, held},
		{`{time: {upgrade: {max: "< 80s"}}}`, func(f *figures) { f.Times.Upgrade = verdict.Distribution{} }, deferred},
		{`{faults: {fired: all}}`, func(*figures) {}, held},
		{`{faults: {fired: all}}`, func(f *figures) { f.Faults[0].Fired = 0 }, deferred},
		{`{faults: {brown-out: ">= 50"}}`, func(f *figures) { f.Faults[1].Fired = 49 }, deferred},
	} {
		s, f := spec(t, tt.expect), good()
		f.Devices = s.Devices() / 2
		for class := range f.Classes {
			f.Classes[class] /= 2
		}
		tt.change(f)
		v := verdict.New(s, 1, "real", f)
		e := v.Expectations[len(v.Expectations)-1]
		got := map[[2]bool]string{{true, false}: held, {false, false}: failed,
			{true, true}: deferred}[[2]bool{e.Held, e.Deferred}]
		assert.Equal(t, tt.want, got, "%s: %s", tt.expect, e.Measured)
		assert.Equal(t, tt.want != failed, v.Held)
		if got == deferred {
			assert.Contains(t, e.Measured, " in this part; to be judged over all")
		}
	}
}

// TestNothingInAPart: a shard without a device of a fleet, and one in which nothing
// was reported or drawn, leave it to the others.
func TestNothingInAPart(t *testing.T) {
	for _, expect := range []string{
		`{devices: {cameras: {upgraded: "> 50%"}}}`, `{devices: {cameras: {upgrade_failed: "< 1%"}}}`,
		`{devices: {cameras: {upgraded: ">= 99%"}}}`,
		`{reports: {lost: "< 1%"}}`, `{faults: {brown-out: "< 9"}}`, `{time: {upgrade: {p99: "< 9s"}}}`,
		`{never: [{event: connected, fleet: cameras}]}`,
	} {
		s := spec(t, expect)
		h := verdicttest.NewScript(s).Arrive("gateways-000001", "gateways")
		v := verdict.New(s, 1, "real", h.Judge.Figures([]verdict.FleetSize{{Name: "gateways", Devices: 1}}))
		e := v.Expectations[len(v.Expectations)-1]
		assert.True(t, e.Held && e.Deferred, "%s: %s", e.Name, e.Measured)
		assert.Contains(t, e.Measured, " in this part; to be judged over all")
	}
}

// TestChosenDevices are judged: they are not merged with others, so what they cannot
// decide is said, and what they can counts.
func TestChosenDevices(t *testing.T) {
	const held, failed, unjudged = "held", "failed", "not judged"
	const ends = "the chosen devices end as the scenario has it"
	for _, tt := range []struct {
		expect   string
		end      scenario.Class // of the one device
		name     string
		want     string
		measured string
	}{
		{`{devices: {upgraded: 3}}`, scenario.UpgradeFailed, "devices.upgraded == 3", failed, "0"},
		{`{devices: {upgraded: 3}}`, scenario.Upgraded, "devices.upgraded == 3", unjudged,
			"1 on the chosen devices; not judged: only all devices can tell"},
		{`{devices: {upgraded: ">= 99%"}}`, scenario.UpgradeFailed, "devices.upgraded >= 99%", failed, "0.00% (0 of 1)"},
		{`{devices: {upgraded: ">= 50%"}}`, scenario.UpgradeFailed, "devices.upgraded >= 50%", unjudged,
			"0.00% (0 of 1) on the chosen devices; not judged: only all devices can tell"},
		{`{devices: {upgraded: ">= 25%"}}`, scenario.Upgraded, "devices.upgraded >= 25%", held, "100.00% (1 of 1)"},
		{`{devices: {upgrade_failed: "< 25%"}}`, scenario.UpgradeFailed, "devices.upgrade_failed < 25%", failed,
			"100.00% (1 of 1)"},
		{`{devices: {upgraded: ">= 50%"}}`, scenario.UpgradeFailed, ends, failed,
			"1 upgrade_failed, which the scenario expects of none"},
		{`{devices: {upgraded: ">= 50%", upgrade_failed: "<= 0"}}`, scenario.UpgradeFailed, ends, failed,
			"1 upgrade_failed, which the scenario expects of none"},
		{`{devices: {upgraded: 2, upgrade_failed: 1}}`, scenario.UpgradeFailed, ends, held, "1 upgrade_failed"},
		{`{devices: {cameras: {upgrade_failed: 1}}}`, scenario.UpgradeFailed, ends, failed,
			"1 upgrade_failed, which the scenario expects of none"},
		{`{devices: {gateways: {upgrade_failed: ">= 20%"}}}`, scenario.UpgradeFailed, ends, held, "1 upgrade_failed"},
		{`{}`, scenario.Unreachable, ends, failed, "1 unreachable, which the scenario expects of none"},
		{`{}`, scenario.NoUpdateRequired, ends, held, "1 no_update_required"},
		{`{time: {upgrade: {max: "< 1s"}}}`, scenario.Upgraded, "time.upgrade.max < 1s", failed, "16.00s"},
		{`{time: {upgrade: {max: "< 1m"}}}`, scenario.Upgraded, "time.upgrade.max < 1m", unjudged,
			"16.00s on the chosen devices; not judged: only all devices can tell"},
		{`{time: {upgrade: {p50: "< 1s"}}}`, scenario.Upgraded, "time.upgrade.p50 < 1s", unjudged,
			"16.00s on the chosen devices; not judged: only all devices can tell"},
		{`{reports: {lost: "< 1%"}}`, scenario.Upgraded, "reports.lost < 1%", unjudged,
			"0.00% (0 of 7) on the chosen devices; not judged: only all devices can tell"},
	} {
		s := specOf(t, 3, 1, tt.expect)
		if tt.expect == `{devices: {upgraded: 3}}` {
			s = specOf(t, 2, 1, tt.expect)
		}
		const d = "gateways-000001"
		h := verdicttest.NewScript(s).Arrive(d, "gateways")
		switch tt.end {
		case scenario.Upgraded:
			h.Event(verdict.Connected, d).Upgrade(d)
		case scenario.UpgradeFailed:
			h.Event(verdict.Connected, d).Status(d, ota.DeviceUpgradeFailed)
		case scenario.NoUpdateRequired:
			h.Event(verdict.Connected, d).Status(d, ota.DeviceNoUpdateRequired)
		}
		f := h.Judge.Figures([]verdict.FleetSize{{Name: "gateways", Devices: 1}})
		f.Chosen = true
		v := verdict.New(s, 1, "real", f)
		for _, e := range v.Expectations {
			if e.Name == tt.name {
				got := map[[2]bool]string{{true, false}: held, {false, false}: failed,
					{true, true}: unjudged}[[2]bool{e.Held, e.Deferred}]
				assert.Equal(t, tt.want, got, "%s: %s", e.Name, e.Measured)
				assert.Equal(t, tt.measured, e.Measured)
			}
		}
		if tt.want != held {
			assert.Equal(t, tt.want != failed && tt.end == scenario.Upgraded, v.Held, tt.expect)
		}
	}
}
