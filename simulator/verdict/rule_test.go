package verdict_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// ruled is a scenario with one rule, for gateways and cameras.
func ruled(t *testing.T, kind, rule string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("rules.yaml", []byte(`
scenario: rules
duration: 60s
fleet:
  - name: gw
    count: 10
    product: p
    components: [{id: app, type: module, version: "1"}, {id: motor, type: mcu, version: "1"}]
  - {name: cam, count: 10, product: p, components: [{id: app, type: module, version: "1"}]}
plans:
  - {name: spring, product: p, components: [{id: app, package: full, target: "2", size: 1000}]}
faults:
  - {name: brown-out, at: upgrading, do: power_cut, exactly: 50%}
expect:
  `+kind+`: [`+rule+`]`))
	require.NoError(t, err)
	return s
}

// TestRules: each sort of rule and each sort of pattern holds and breaks.
func TestRules(t *testing.T) {
	const d = "gw-000001"
	event := func(kind verdict.Kind, text string) func(*verdicttest.Script) {
		return func(h *verdicttest.Script) { h.Add(verdict.Event{Kind: kind, Device: d, Text: text}) }
	}
	stored := func(component string, status ota.Status) func(*verdicttest.Script) {
		return func(h *verdicttest.Script) { h.Record(verdict.Stored, d, h.Report(d, component, status)) }
	}
	numbered := func(h *verdicttest.Script) { h.Record(verdict.Numbered, d, h.Report(d, "app", ota.UpgradeFailed)) }
	answer := func(reason ota.Reason) func(*verdicttest.Script) {
		return func(h *verdicttest.Script) { h.Answer(d, reason) }
	}
	status := func(plan string, s ota.DeviceStatus) func(*verdicttest.Script) {
		return func(h *verdicttest.Script) { h.Under(plan, d, s) }
	}
	connected, cut := event(verdict.Connected, ""), event(verdict.PowerCut, "brown-out")
	wait := func(h *verdicttest.Script) { h.At += 5 * time.Second }
	type steps = []func(*verdicttest.Script)
	tests := []struct {
		kind, rule   string
		holds, fails steps
		breach       string // of the failing one; its steps begin at second 2
	}{
		{"never", "{event: connected}", steps{event(verdict.Disconnected, "")}, steps{connected}, "2.00s: connected"},
		{"never", "{event: disconnected}", steps{connected}, steps{event(verdict.Disconnected, "")}, "2.00s: disconnected"},
		{"never", "{event: arrived, after: {event: connected}}", steps{connected},
			steps{connected, event(verdict.Arrived, "gw")}, "3.00s: arrived after connected"},
		{"never", "{event: power_cut, fault: brown-out}", steps{event(verdict.PowerCut, "other")}, steps{cut},
			"2.00s: power_cut brown-out"},
		{"never", "{event: fault_fired, fault: brown-out}", steps{event(verdict.FaultFired, "other")},
			steps{event(verdict.FaultFired, "brown-out")}, "2.00s: fault_fired brown-out"},
		{"never", "{event: downloaded}", steps{connected}, steps{event(verdict.Downloaded, "")}, "2.00s: downloaded"},
		{"never", "{event: violation}", steps{connected}, steps{event(verdict.Violation, "smoke")}, "2.00s: violation"},
		{"never", "{event: numbered, code: health_check_failed}", steps{stored("app", ota.UpgradeFailed)}, steps{numbered},
			"2.00s: numbered health_check_failed"},
		{"never", "{event: numbered, code: boot_failed}", steps{numbered}, nil, ""},
		{"never", "{event: stored, status: upgrade_failed, component: app, plan: spring}",
			steps{stored("motor", ota.UpgradeFailed), stored("app", ota.Upgrading)},
			steps{stored("app", ota.UpgradeFailed)}, "2.00s: stored upgrade_failed of app in spring"},
		{"never", "{event: confirmed, plan: spring}", steps{answer(ota.ReasonBusy)}, steps{answer("")},
			"2.00s: confirmed in spring"},
		{"never", "{event: refused}", steps{answer("")}, steps{answer(ota.ReasonBusy)}, "2.00s: refused"},
		{"never", "{event: upgraded, plan: spring}", steps{status("spring", ota.DeviceUpgrading),
			status("summer", ota.DeviceUpgraded)},
			steps{status("spring", ota.DeviceUpgraded)}, "2.00s: upgraded in spring"},
		{"never", "{event: upgrade_failed}", steps{status("spring", ota.DeviceUpgraded)},
			steps{status("spring", ota.DeviceUpgradeFailed)}, "2.00s: upgrade_failed"},
		{"never", "{event: connected, fleet: cam}", steps{func(h *verdicttest.Script) { h.Arrive("cam-000001", "cam") },
			connected}, nil, ""},
		{"never", "{event: connected, after: {event: power_cut}}", steps{connected, cut}, steps{connected, cut, connected},
			"4.00s: connected after power_cut"},
		{"never", "{event: connected, after: {event: connected}}", steps{connected}, steps{connected, connected},
			"3.00s: connected after connected"},

		{"always", "{event: power_cut, then: {event: connected}}", steps{cut, connected}, steps{connected, cut},
			"3.00s: power_cut, and no connected followed"},
		{"always", "{event: power_cut, then: {event: connected}}", steps{cut, cut, connected}, steps{cut, connected, cut},
			"4.00s: power_cut, and no connected followed"},
		{"always", "{event: power_cut, then: {event: connected}, within: 3s}", steps{cut, connected, wait, cut, connected},
			steps{cut, wait, connected},
			"2.00s: power_cut, and connected only 6.00s later"},
		{"always", "{event: power_cut, then: {event: connected}, within: 3s}", nil, steps{cut, wait},
			"2.00s: power_cut, and no connected followed"},
		// the run has to end before
		{"always", "{event: power_cut, then: {event: connected}, within: 58500ms}", steps{cut}, nil, ""},
		{"always", "{event: connected, then: {event: connected}}", nil, steps{connected},
			"2.00s: connected, and no connected followed"},
		{"always", "{event: connected, after: {event: power_cut}, then: {event: upgraded}}",
			steps{connected, cut, connected, status("spring", ota.DeviceUpgraded)},
			steps{connected, cut, connected}, "4.00s: connected, and no upgraded followed"},
	}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.rule, func(t *testing.T) {
			judge := func(steps steps) verdict.Expectation {
				s := ruled(t, tt.kind, tt.rule)
				h := verdicttest.NewScript(s).Arrive(d, "gw")
				h.Judge.Drawn("brown-out", 1)
				for _, step := range steps {
					step(h)
				}
				all := verdict.New(s, 1, "real", h.Judge.Figures([]verdict.FleetSize{gws(10), {Name: "cam", Devices: 10}})).
					Expectations
				return all[len(all)-1]
			}
			if e := judge(tt.holds); tt.holds != nil {
				assert.True(t, e.Held, e.Measured)
				assert.Equal(t, "no device broke it", e.Measured)
				assert.Positive(t, e.Occasions)
			}
			if e := judge(tt.fails); tt.fails != nil {
				assert.False(t, e.Held)
				assert.Equal(t, "1 device broke it: gw-000001 at "+tt.breach, e.Measured)
			}
		})
	}
}

// TestOccasions: a rule that nothing gave occasion to does not hold, and says what
// was missing; one that held says how often it was asked.
func TestOccasions(t *testing.T) {
	const d = "gw-000001"
	arrived := func(h *verdicttest.Script) { h.Arrive(d, "gw") }
	failed := func(h *verdicttest.Script) { h.Say(d, ota.UpgradeFailed).Say(d, ota.UpgradeFailed) } // health_check_failed
	tests := []struct {
		kind, rule string
		steps      []func(*verdicttest.Script)
		occasions  int
		nothing    string
	}{
		{"always", "{event: power_cut, then: {event: connected}}", nil, 0, "there was no power_cut"},
		{"always", "{event: stored, after: {event: power_cut}, then: {event: connected}}",
			[]func(*verdicttest.Script){failed}, 0, "there was no stored after power_cut"},
		{"always", "{event: numbered, then: {event: stored}}", []func(*verdicttest.Script){failed}, 2, ""},
		{"never", "{event: connected, after: {event: stored, code: signature_invalid}}", []func(*verdicttest.Script){failed},
			0, "there was no stored signature_invalid"},
		{"never", "{event: connected, after: {event: stored, code: health_check_failed}}",
			[]func(*verdicttest.Script){failed}, 2, ""},
		{"never", "{event: connected, fleet: cam}", nil, 0, "no device of cam arrived"},
		{"never", "{event: connected}", nil, 1, ""},
		{"never", "{event: fault_fired, fault: brown-out}", nil, 0, "fault brown-out was drawn for no device"},
		{"never", "{event: upgrade_failed, plan: spring}", nil, 0, "plan spring reached no device"},
		{"never", "{event: upgrade_failed, plan: spring}", []func(*verdicttest.Script){failed}, 1, ""},
		{"never", "{event: stored, component: motor, status: upgrade_failed}", []func(*verdicttest.Script){failed}, 0,
			"no device reported of component motor"},
		{"never", "{event: stored, status: downloading}", nil, 0, "no device made a report"},
		{"never", "{event: stored, status: downloading}", []func(*verdicttest.Script){failed}, 1, ""},
		{"never", "{event: stored, code: signature_invalid}", nil, 0, "no device made a report"},
	}
	for _, tt := range tests {
		s := ruled(t, tt.kind, tt.rule)
		h := verdicttest.NewScript(s)
		for _, step := range append([]func(*verdicttest.Script){arrived}, tt.steps...) {
			step(h)
		}
		f := h.Judge.Figures(verdict.Sizes(s))
		all := verdict.Expect(s, f)
		e := all[len(all)-1]
		assert.Equal(t, tt.occasions, e.Occasions, e.Name)
		assert.Equal(t, tt.nothing == "", e.Held, e.Name)
		want := "no device broke it"
		if tt.nothing != "" {
			want = "nothing gave occasion to it: " + tt.nothing
		}
		assert.Equal(t, want, e.Measured)
	}
}

// TestOccasionsOfParts: what gave no occasion in a part may in another one; the sum
// has those of both.
func TestOccasionsOfParts(t *testing.T) {
	s := ruled(t, "always", "{event: power_cut, then: {event: connected}}")
	last := func(f *verdict.Figures) verdict.Expectation {
		all := verdict.Expect(s, f)
		return all[len(all)-1]
	}
	quiet := verdicttest.NewScript(s).Connect("gw-000001", "gw").Judge.Figures([]verdict.FleetSize{gws(10)})
	e := last(quiet)
	assert.True(t, e.Deferred, e.Measured)
	cut := verdicttest.NewScript(s).Connect("cam-000001", "cam").Event(verdict.PowerCut, "cam-000001").
		Event(verdict.Connected, "cam-000001").
		Judge.Figures([]verdict.FleetSize{{Name: "cam", Devices: 10}})
	quiet.Merge(cut)
	e = last(quiet)
	assert.True(t, e.Held && !e.Deferred, e.Measured)
	assert.Equal(t, 1, e.Occasions)
}

// TestRuleResults count devices, and name the first ones.
func TestRuleResults(t *testing.T) {
	s := ruled(t, "never", "{name: quiet, event: connected}")
	h := verdicttest.NewScript(s)
	for _, d := range []string{"gw-000009", "gw-000007", "cam-000001", "gw-000003", "gw-000005", "gw-000004",
		"gw-000002"} {
		h.Connect(d, "gw").Event(verdict.Connected, d)
	}
	f := h.Judge.Figures(verdict.Sizes(s))
	assert.Equal(t, 7, f.Rules[0].Broken)
	assert.Len(t, f.Rules[0].First(), 5)
	assert.Equal(t, "gw-000002 at 20.00s: connected", f.Rules[0].First()[0])
	assert.Equal(t, []string{"quiet"}, f.Failed()[0].Rules)
	assert.Equal(t, "gw-000002", f.Failed()[0].Device)
}

// TestKindNames are all there, and none is used twice.
func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range verdict.Kinds() {
		assert.Regexp(t, "^[a-z_]+$", kind.String())
		assert.False(t, seen[kind.String()], kind)
		seen[kind.String()] = true
	}
	assert.Len(t, seen, 19)
	assert.Equal(t, "unknown", verdict.Kind(200).String())
}
