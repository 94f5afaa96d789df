package real

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// lone is a device of a run against a platform that cannot be looked into.
func lone(t *testing.T) *device {
	t.Helper()
	s, err := scenario.Parse("lone.yaml", []byte(`
scenario: lone
duration: 1m
fleet: [{name: gw, count: 1, product: gw-200, components: [{id: app, type: module, version: 1.0.0}]}]
`))
	require.NoError(t, err)
	w := &world{scenario: s, recorder: newRecorder(s, 1, nil)}
	member := model.Member{Fleet: &s.Fleets[0], N: 1}
	machines := model.NewSettings(s, model.Native, nil)
	d := &device{Device: model.NewDevice(member, s.Seed, machines, fault.NewSet(s, s.Seed, nil)),
		world: w, flashes: []*flash{{}}}
	d.flashes[0].slots.Running = "1.0.0"
	d.record(verdict.Event{Kind: verdict.Arrived, Text: "gw"})
	d.record(verdict.Event{Kind: verdict.Connected})
	return d
}

// reporting is a device's state with a current plan and reports in its queue.
func reporting(plan string, reports ...ota.Report) *agent.State {
	return &agent.State{Reports: reports, Run: &agent.Run{
		Plan:  &ota.Plan{ID: plan, Components: []ota.PlanComponent{{ID: "app", Target: "1.1.0"}}},
		Parts: []agent.Part{{From: "1.0.0"}},
	}}
}

func report(plan string, seq int, status ota.Status) ota.Report {
	return ota.Report{Plan: plan, Seq: seq, Component: "app", Status: status}
}

func save(t *testing.T, d *device, s *agent.State) {
	t.Helper()
	require.NoError(t, store{d, new(agent.Machine), nil, func(*ota.Report) {}}.Save(s))
}

// TestLateAcks: what became of a plan is known though the device has another one in
// hand when the platform says so.
func TestLateAcks(t *testing.T) {
	for _, tt := range []struct {
		first, second ota.Status
		want          scenario.Class
	}{
		{ota.UpgradeFailed, ota.UpgradeSucceeded, scenario.UpgradeFailed},
		{ota.UpgradeSucceeded, ota.UpgradeSucceeded, scenario.Upgraded},
		{ota.UpgradeSucceeded, ota.Upgrading, scenario.Unfinished},
	} {
		d := lone(t)
		first := []ota.Report{report("plan-1", 1, ota.PlanReceived), report("plan-1", 2, ota.Upgrading),
			report("plan-1", 3, tt.first)}
		second := []ota.Report{report("plan-2", 1, ota.PlanReceived), report("plan-2", 2, tt.second)}
		save(t, d, reporting("plan-1", first[:1]...))
		d.hear(&ota.Ack{Plan: "plan-1", Seq: 1})
		save(t, d, reporting("plan-1", first...))
		d.flashes[0].slots.Running = "1.1.0" // after the reports: what they say is for the judge of truth
		save(t, d, reporting("plan-2", append(first, second...)...))
		d.hear(&ota.Ack{Plan: "plan-1", Seq: 3})
		d.hear(&ota.Ack{Plan: "plan-2", Seq: 2})
		f := d.world.recorder.figures([]verdict.FleetSize{{Name: "gw", Devices: 1}})
		assert.Equal(t, 1, f.Classes[tt.want], "%v", f.Classes)
		assert.Equal(t, 5, f.Reports.Stored)
	}
}

// TestAckOfWhatWasNeverMade is the platform's fault, and breaks every run.
func TestAckOfWhatWasNeverMade(t *testing.T) {
	d := lone(t)
	save(t, d, reporting("plan-1", report("plan-1", 1, ota.PlanReceived)))
	d.hear(&ota.Ack{Plan: "plan-1", Seq: 1})
	d.hear(&ota.Ack{Plan: "plan-1", Seq: 9007})
	d.hear(&ota.Ack{Plan: "plan-3", Seq: 1})
	f := d.world.recorder.figures([]verdict.FleetSize{{Name: "gw", Devices: 1}})
	assert.Equal(t, 2, f.Violations)
	assert.Contains(t, f.FirstViolations()[0],
		"the platform acknowledges report 9007 of plan plan-1, and the device has made 1")
	assert.False(t, verdict.Held(verdict.Expect(d.world.scenario, f)))
}

// TestNothingIsReportedAfterTheJudgement: a device goes on until its power is taken, which
// for the last of ten thousand is seconds after it was judged. What it would report in that
// time is neither lost nor delivered: its time stands still.
func TestNothingIsReportedAfterTheJudgement(t *testing.T) {
	d := lone(t)
	d.reached = true
	save(t, d, reporting("plan-1", report("plan-1", 1, ota.PlanReceived)))
	d.checkTruth()
	ctx, end := context.WithCancel(t.Context())
	saved := make(chan error)
	go func() {
		later := reporting("plan-1", report("plan-1", 1, ota.PlanReceived), report("plan-1", 2, ota.Upgrading))
		saved <- store{d, new(agent.Machine), ctx, func(*ota.Report) { t.Error("a fault hears of it") }}.Save(later)
	}()
	select {
	case err := <-saved:
		t.Fatal("the device goes on:", err)
	case <-time.After(20 * time.Millisecond):
	}
	end()
	require.Error(t, <-saved)
	f := d.world.recorder.figures([]verdict.FleetSize{{Name: "gw", Devices: 1}})
	assert.Equal(t, 1, f.Reports.Numbered)
	assert.Equal(t, 1, f.Reports.Undelivered)
	assert.Zero(t, f.Reports.Lost)
}
