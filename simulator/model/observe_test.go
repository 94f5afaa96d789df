package model_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/verdict"
)

func TestEvent(t *testing.T) {
	gw := ota.Identity{Product: "p", Device: "gw"}
	report := &ota.Report{Plan: "spring", Seq: 3, Component: "app", Status: ota.Downloading}
	for arrival, kind := range map[engine.Arrival]verdict.Kind{
		engine.Stored: verdict.Stored, engine.Early: verdict.OutOfOrder, engine.Duplicate: verdict.Duplicate,
		engine.Conflicting: verdict.Conflicting, engine.Illegal: verdict.Illegal,
	} {
		e, is := model.EventOf(engine.Recorded{Device: gw, Report: report, Arrival: arrival})
		assert.True(t, is)
		assert.Equal(t, verdict.ReportEvent(0, kind, "gw", report), e)
	}
	for _, arrival := range []engine.Arrival{engine.Unknown, engine.Dropped} {
		_, is := model.EventOf(engine.Recorded{Device: gw, Report: report, Arrival: arrival})
		assert.False(t, is, arrival)
	}
	e, is := model.EventOf(engine.Changed{Device: gw, Plan: "spring", To: ota.DeviceUpgraded})
	assert.True(t, is)
	assert.Equal(t, verdict.Event{Kind: verdict.StatusIs, Device: "gw", Plan: "spring", N: int64(ota.DeviceUpgraded)}, e)
	e, is = model.EventOf(engine.Decided{Device: gw, Decision: &ota.Decision{Plan: "spring", Accept: true}})
	assert.True(t, is)
	assert.Equal(t, verdict.Answered, e.Kind)
	_, is = model.EventOf(engine.PlanChanged{Plan: "spring"})
	assert.False(t, is)
}

func TestViolations(t *testing.T) {
	state := func(part agent.Part) *agent.State {
		return &agent.State{Run: &agent.Run{Plan: &ota.Plan{Components: []ota.PlanComponent{{ID: "app", Target: "2"}}},
			Parts: []agent.Part{part}}}
	}
	runs := func(version string) func(string) (string, bool) {
		return func(component string) (string, bool) { return version, component == "app" }
	}
	tests := []struct {
		name string
		part agent.Part
		runs string
		want []string
	}{
		{"upgraded", agent.Part{Status: ota.UpgradeSucceeded, From: "1"}, "2", nil},
		{"not upgraded", agent.Part{Status: ota.UpgradeSucceeded, From: "1"}, "1",
			[]string{"component app was reported upgraded to 2 and runs 1"}},
		{"failed", agent.Part{Status: ota.UpgradeFailed, From: "1"}, "1", nil},
		{"did not roll back", agent.Part{Status: ota.UpgradeFailed, From: "1"}, "2",
			[]string{"component app was reported failed and runs 2 instead of 1"}},
		{"will be tried again", agent.Part{Status: ota.UpgradeFailed, From: "1", Again: true}, "2", nil},
		{"failed before anything ran", agent.Part{Status: ota.UpgradeFailed}, "2", nil},
		{"on its way", agent.Part{Status: ota.UpgradeSucceeded, Step: agent.StepRevert, From: "1"}, "1", nil},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, model.Violations(state(tt.part), runs(tt.runs)), tt.name)
	}
	assert.Nil(t, model.Violations(nil, runs("1")))
	assert.Nil(t, model.Violations(&agent.State{}, runs("1")))
	assert.Nil(t, model.Violations(state(agent.Part{Status: ota.UpgradeSucceeded}),
		func(string) (string, bool) { return "", false }))
}

// TestLie looks at a report when it is made, whatever the device does later.
func TestLie(t *testing.T) {
	saved := &agent.State{Run: &agent.Run{Plan: &ota.Plan{ID: "spring",
		Components: []ota.PlanComponent{{ID: "app", Target: "2"}}}, Parts: []agent.Part{{From: "1"}}}}
	report := func(plan, component string, status ota.Status) *ota.Report {
		return &ota.Report{Plan: plan, Component: component, Status: status}
	}
	tests := []struct {
		report *ota.Report
		runs   string
		want   string
	}{
		{report("spring", "app", ota.UpgradeSucceeded), "2", ""},
		{report("spring", "app", ota.UpgradeSucceeded), "1", "component app is reported upgraded to 2 and runs 1"},
		{report("spring", "app", ota.UpgradeFailed), "1", ""},
		{report("spring", "app", ota.UpgradeFailed), "2", "component app is reported failed and runs 2 instead of 1"},
		{report("spring", "app", ota.UpgradeFailed), "", ""},
		{report("spring", "app", ota.Upgrading), "1", ""},
		{report("spring", "other", ota.UpgradeSucceeded), "1", ""},
		{report("autumn", "app", ota.UpgradeSucceeded), "1", ""},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, model.Violation(saved, tt.report, tt.runs))
	}
	assert.Empty(t, model.Violation(&agent.State{}, report("spring", "app", ota.UpgradeSucceeded), "1"))
}

// TestOverreach is an acknowledgement of what was never made.
func TestOverreach(t *testing.T) {
	assert.Empty(t, model.Overreach(&ota.Ack{Plan: "spring", Seq: 7}, 7))
	assert.Empty(t, model.Overreach(&ota.Ack{Plan: "spring", Seq: 3}, 7))
	assert.Equal(t, "the platform acknowledges report 9007 of plan spring, and the device has made 7: the platform "+
		"counts wrongly, or knows the device from another run",
		model.Overreach(&ota.Ack{Plan: "spring", Seq: 9007}, 7))
}

// TestUnacknowledged counts what a device still has, by its plans.
func TestUnacknowledged(t *testing.T) {
	assert.Empty(t, model.Unacknowledged(nil))
	assert.Empty(t, model.Unacknowledged(&agent.State{}))
	saved := &agent.State{Reports: []ota.Report{{Plan: "spring", Seq: 6}, {Plan: "autumn", Seq: 1},
		{Plan: "spring", Seq: 7}}}
	assert.Equal(t, []verdict.Event{{Kind: verdict.Unacknowledged, Plan: "spring", N: 2},
		{Kind: verdict.Unacknowledged, Plan: "autumn", N: 1}},
		model.Unacknowledged(saved))
}
