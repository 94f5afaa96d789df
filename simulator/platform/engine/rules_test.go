package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

func TestPlanFields(t *testing.T) {
	number := func(n int) *int { return &n }
	for _, c := range []struct {
		what  string
		spoil func(*engine.PlanSpec)
		wrong string // empty if it is right
	}{
		{"all right", func(*engine.PlanSpec) {}, ""},
		{"no id", func(s *engine.PlanSpec) { s.ID = "" }, `id "": must be 1 to 64 characters`},
		{"an id with a slash", func(s *engine.PlanSpec) { s.ID = "a/b" }, "id \"a/b\""},
		{"no name", func(s *engine.PlanSpec) { s.Name = "" }, "name: 0 characters, must be 1 to 100"},
		{"the longest name", func(s *engine.PlanSpec) { s.Name = strings.Repeat("ü", 100) }, ""},
		{"a longer name", func(s *engine.PlanSpec) { s.Name = strings.Repeat("ü", 101) }, "name: 101 characters"},
		{"no product", func(s *engine.PlanSpec) { s.Product = "" }, `product "" is not a product key`},
		{"a bad list", func(s *engine.PlanSpec) { s.White = []string{"d1", "d/2"} }, `list: "d/2" is not a device key`},
		{"no zone", func(s *engine.PlanSpec) { s.Zone = nil }, "time zone: is missing"},
		{"the end before the start", func(s *engine.PlanSpec) { s.End = s.Start }, "period: the end must be after the start"},
		{"no mode", func(s *engine.PlanSpec) { s.Mode = "" }, `mode: "" is neither silent nor manual`},
		{"asking for a manual plan", func(s *engine.PlanSpec) { s.Mode, s.OnRequest = ota.Manual, true },
			"a manual plan cannot be asked for"},
		{"hours", func(s *engine.PlanSpec) { s.PushHours = engine.Hours{From: 23, To: 24} }, ""},
		{"hours over midnight", func(s *engine.PlanSpec) { s.PushHours = engine.Hours{From: 22, To: 2} }, ""},
		{"no hours between", func(s *engine.PlanSpec) { s.PushHours = engine.Hours{From: 5, To: 5} }, "push hours 5 to 5"},
		{"hours that do not exist", func(s *engine.PlanSpec) { s.PushHours = engine.Hours{From: 1, To: 25} },
			"push hours 1 to 25"},
		{"hours of a plan on request", func(s *engine.PlanSpec) { s.OnRequest, s.PushHours = true, engine.Hours{To: 2} },
			"push hours: are for plans that are pushed"},
		{"the shortest quiet", func(s *engine.PlanSpec) { s.Quiet = 10 * time.Minute }, ""},
		{"too short a quiet", func(s *engine.PlanSpec) { s.Quiet = 9 * time.Minute },
			"quiet: 9m0s, must be whole minutes from 10m0s to 24h0m0s"},
		{"the longest quiet", func(s *engine.PlanSpec) { s.Quiet = 24 * time.Hour }, ""},
		{"too long a quiet", func(s *engine.PlanSpec) { s.Quiet = 24*time.Hour + time.Minute }, "quiet: 24h1m0s"},
		{"a crooked quiet", func(s *engine.PlanSpec) { s.Quiet = 20*time.Minute + time.Second }, "quiet: 20m1s"},
		{"quiet of a manual plan", func(s *engine.PlanSpec) { s.Mode, s.Quiet = ota.Manual, time.Hour },
			"quiet: is for silent plans"},
		{"most retries", func(s *engine.PlanSpec) { s.Retries = 5 }, ""},
		{"too many retries", func(s *engine.PlanSpec) { s.Retries = 6 }, "retries: 6, must be 0 to 5"},
		{"fewer than none", func(s *engine.PlanSpec) { s.Retries = -1 }, "retries: -1"},
		{"a full battery", func(s *engine.PlanSpec) { s.MinBattery = number(100) }, ""},
		{"more than full", func(s *engine.PlanSpec) { s.MinBattery = number(101) }, "min battery"},
		{"the lowest signal", func(s *engine.PlanSpec) { s.MinRSSI = number(-113) }, ""},
		{"too low a signal", func(s *engine.PlanSpec) { s.MinRSSI = number(-114) }, "min RSSI: must be -113 to 0 dBm"},
		{"an unknown answer to failure", func(s *engine.PlanSpec) { s.OnFailure = "panic" },
			`on failure: "panic" is not stop, continue or revert`},
		{"no component", func(s *engine.PlanSpec) { s.Components = nil },
			"components: 0, of which 0 to upgrade; must be 1 to 20"},
		{"nothing to upgrade", func(s *engine.PlanSpec) { s.Components[0].Skip, s.Components[1].Skip = true, true },
			"components: 2, of which 0 to upgrade"},
		{"one to upgrade", func(s *engine.PlanSpec) { s.Components[0].Skip = true }, ""},
		{"a component twice", func(s *engine.PlanSpec) { s.Components[1] = s.Components[0] },
			`component 2: "A" is listed twice`},
		{"a bad component id", func(s *engine.PlanSpec) { s.Components[0].ID = ".." },
			`component 1: ".." is not a component id`},
		{"a bad type", func(s *engine.PlanSpec) { s.Components[0].Type = "cpu" },
			`component 1: type "cpu" is neither module nor mcu`},
		{"a bad package", func(s *engine.PlanSpec) { s.Components[0].Package = "half" },
			`component 1: package "half" is neither full nor delta`},
		{"no target", func(s *engine.PlanSpec) { s.Components[0].Target = "" }, `component 1: target "" is not a version`},
		{"a delta from nowhere", func(s *engine.PlanSpec) { s.Components[0].Package = ota.Delta },
			"component 1: a delta needs exactly one source version"},
		{"eight sources", func(s *engine.PlanSpec) { s.Components[0].Sources = strings.Split("abcdefgh", "") }, ""},
		{"nine sources", func(s *engine.PlanSpec) { s.Components[0].Sources = strings.Split("abcdefghi", "") },
			"component 1: 9 source versions, at most 8"},
		{"an empty source", func(s *engine.PlanSpec) { s.Components[0].Sources = []string{""} },
			`component 1: source "" is not a version`},
		{"from the target", func(s *engine.PlanSpec) { s.Components[0].Sources = []string{"2"} },
			`component 1: source and target are both "2"`},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newScript(t)
			spec := s.spec("p", nil)
			c.spoil(&spec)
			_, err := s.engine.Command(s.now, engine.CreatePlan{Plan: spec})
			if c.wrong == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, c.wrong)
			assert.Empty(t, s.engine.Plans())
		})
	}
}

func TestPlanSaysEverythingThatIsWrong(t *testing.T) {
	s := newScript(t)
	spec := s.spec("p", nil)
	spec.Name, spec.Retries, spec.Zone = "", 9, nil
	_, err := s.engine.Command(s.now, engine.CreatePlan{Plan: spec})
	for _, part := range []string{"name", "retries", "time zone"} {
		assert.ErrorContains(t, err, part)
	}
}

func TestPlanNeedsFreeNamesAndPackages(t *testing.T) {
	assert.Equal(t, `(cannot create plan "p": id "p" is taken`+"\n"+`name "plan p" is taken)`, run(t, "draft p | draft p"))
	assert.Equal(
		t, `(cannot create plan "p": component "A": there is no full package for gw from "" to "9")`,
		run(t, "draft p target=9"),
	)
}

func TestPackageRules(t *testing.T) {
	for _, c := range []struct {
		what  string
		spoil func(*ota.Manifest)
		wrong string
	}{
		{"a product", func(m *ota.Manifest) { m.Product = "" }, "product"},
		{"a component", func(m *ota.Manifest) { m.Component = "a b" }, "component"},
		{"a type", func(m *ota.Manifest) { m.Type = "" }, "type"},
		{"a kind", func(m *ota.Manifest) { m.Package = "" }, "kind"},
		{"a target", func(m *ota.Manifest) { m.Target = "" }, "target"},
		{"a source for a delta", func(m *ota.Manifest) { m.Package = ota.Delta }, "source"},
		{"no source for a full one", func(m *ota.Manifest) { m.Source = "1" }, "no source"},
		{"a file", func(m *ota.Manifest) { m.Files = nil }, "0 files"},
		{"at most five files", func(m *ota.Manifest) { m.Files = make([]ota.File, 6) }, "6 files"},
		{"only one for each target", func(m *ota.Manifest) { m.Component, m.Target = "A", "2" },
			`"A-2" is already the package of A for 2`},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newScript(t)
			m := manifest("Z", ota.Module, "", "9")
			c.spoil(&m)
			_, err := s.engine.Command(s.now, engine.AddPackage{Manifest: m, Reference: "new"})
			assert.ErrorContains(t, err, c.wrong)
			assert.ErrorContains(t, err, `cannot add package "new"`)
		})
	}
}

func TestPlanMessage(t *testing.T) {
	s := newScript(t)
	battery := 30
	spec := s.spec("p", []string{"delta"})
	spec.MinBattery, spec.Components[1].Skip = &battery, true
	s.command(engine.CreatePlan{Plan: spec})
	s.command(engine.Activate{Plan: "p"})
	first := s.planFor("d1")
	assert.Equal(t, &ota.Plan{
		Time: s.now, ID: "p", Name: "plan p", Attempt: 1, Mode: ota.Silent, Ends: spec.End, OnFailure: ota.Stop,
		Conditions: ota.Conditions{MinBattery: &battery, Space: 1 << 20},
		Components: []ota.PlanComponent{
			{ID: "A", Type: ota.Module, Package: ota.Delta, Sources: []string{"1"}, Target: "2", Size: 1 << 20},
		},
	}, first)
	assert.Same(t, first, s.planFor("d2"), "devices share the message")
	s.pass(s.now.Add(time.Second))
	assert.NotSame(t, first, s.planFor("d3"), "but not its time")
}

func (s *script) planFor(key string) *ota.Plan {
	out := s.engine.Handle(s.now, engine.Message{Device: identity(key), Message: s.device(key).inventory(true, nil)})
	require.Len(s.t, out, 2)
	require.IsType(s.t, engine.Appeared{}, out[0])
	return out[1].(engine.Send).Message.(*ota.Plan)
}

func TestIssueNamesThePackage(t *testing.T) {
	s := newScript(t)
	s.all("plan p delta; d1 ask; d1 A:recv; d1 B:recv")
	out := s.engine.Handle(s.now,
		engine.Message{Device: identity("d1"), Message: &ota.Decision{Plan: "p", Attempt: 1, Accept: true}})
	assert.Contains(t, out, engine.Issue{
		Device: identity("d1"), Plan: "p", Attempt: 1, Component: "A", Package: "A1-2", Reason: engine.IssueNext,
	})
}

// Of a delta that is of no use, the full package is sent, from then on.
func TestFullPackageInThePlaceOfADelta(t *testing.T) {
	tests := []struct{ rule, script, then, want string }{
		{"the delta at first", "", "d1 fetch A", "A1-2"},
		{"asked for", "", "d1 full A", "A-2"},
		{"and again", "d1 full A", "d1 fetch A", "A-2"},
		{"the device was away", "d1 full A; d1 off", "d1 on runs=p", "A-2"},
		{"a retry after a delta that failed", "", "d1 A!delta_failed", "A-2"},
		{"a retry after another failure", "", "d1 A!write_failed", "A1-2"},
		{"a component without a delta", "d1 A+", "d1 full B", "B-2"},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			s := newScript(t)
			s.all("plan p delta retries=1; d1 ask; d1 take; " + test.script)
			s.issued = ""
			s.all(test.then)
			assert.Equal(t, test.want, s.issued)
		})
	}
}
