package agent_test

import (
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// A device whose reports are not stored takes no new plans, and does again when
// they are stored.
func TestMachineBoundsItsReports(t *testing.T) {
	d := newDriver(t, "app:1>2 ask to inventory?")
	for i := 1; d.groups == nil || !contains(d.groups, strconv.Itoa(i)+"/refuse:busy"); i++ {
		require.Less(t, i, 300)
		d.groups = nil
		id := strconv.Itoa(i + 1)
		d.play("wait:5s; " + id + "/plan; " + id + "/terminate")
	}
	plans := 0
	for id := range d.ledger {
		d.play(id + "/ack")
		plans++
	}
	assert.Greater(t, plans, 100)
	d.groups = nil
	d.play("p1/plan")
	assert.Equal(t, []string{"save app=plan_received ask-operator"}, d.groups)
}

// The device remembers so many plans that it neither runs one again nor uses a
// number twice.
func TestMachineRemembersPlans(t *testing.T) {
	d := newDriver(t, "app:1>2 ask to inventory?")
	for i := range agent.MaxPast + 1 {
		id := "q" + strconv.Itoa(i)
		d.play(id + "/plan; " + id + "/terminate")
	}
	d.play("cut; boot; connect")
	d.groups = nil
	d.play("q0/plan; q0/plan@2; q0/terminate")
	assert.Equal(t, []string{"", "save ask-operator", "save"}, d.groups, "the eighth before this one is still known")
}

// A plan that comes back after more others than the device remembers whole, as a
// retained message does, is neither taken for a new one nor numbered anew.
func TestMachineKnowsPlansOfLongAgo(t *testing.T) {
	others := func(d *driver) {
		for i := range agent.MaxPast + 1 {
			id := "q" + strconv.Itoa(i)
			d.play(id + "/plan; " + id + "/terminate")
			d.play(id + "/ack")
		}
		d.play("cut; boot; connect")
		d.groups = nil
	}
	ended := newDriver(t, "app:1>2 to app=upgrade_succeeded")
	others(ended)
	ended.play("plan; plan@2; ack:3")
	assert.Equal(t, []string{"refuse:invalid_plan", "refuse:invalid_plan@2", ""}, ended.groups)

	refused := newDriver(t, "app:1>2 battery:20 needs:30 to refuse:battery_low")
	others(refused)
	refused.play("plan; battery:50; plan; cut; boot; connect")
	assert.Equal(t, []string{"save refuse:battery_low", "inventory?", "save accept app=upgrade_confirmed", "",
		"inventory:running#2 app=upgrade_confirmed accept"},
		refused.groups[:5], "its numbers go on")

	unheard := newDriver(t, "app:1>2 ask to ask-operator")
	unheard.play("terminate")
	for i := range agent.MaxPast + 1 {
		unheard.play("q" + strconv.Itoa(i) + "/plan")
	}
	pending := unheard.machine.View().Pending
	unheard.play("ack")
	assert.Equal(t, pending-1, unheard.machine.View().Pending, "its reports are still acknowledged")
}

// What waits for its hour is not staged: starts meanwhile do not count.
func TestMachineCountsStartsWhileStaging(t *testing.T) {
	d := newDriver(t, "app:1>2 window:9-11 to app=downloading")
	d.play("wait:2h; ok; ack")
	for range 20 {
		d.play("cut; boot")
	}
	d.play("connect; wait:21h")
	d.groups = nil
	d.play("cut; boot; cut; boot; cut; boot; ok; connect")
	assert.Equal(t, []string{"save stage:app", "save stage:app", "save revert:app", "save forget:app",
		"inventory? app=upgrade_failed(interrupted)"}, d.groups)
}

func TestMachineView(t *testing.T) {
	for _, c := range []struct{ setup, script, answer, waiting string }{
		{"app:1>2", "", "", "waiting for a connection to the platform"},
		{"app:1>2 to inventory?", "", "", "idle: no plan yet"},
		{"app:1>2 ask to ask-operator", "", "asking",
			"plan p1 waits for your answer: ota-agent confirm, or ota-agent refuse"},
		{"app:1>2 ask to ask-operator", "cut; boot", "unanswered",
			"plan p1 is not answered: it waits until the platform sends it again"},
		{"app:1>2 battery:20 needs:30 to refuse:battery_low", "", "refused",
			"plan p1 is refused (battery_low: 20 % < 30 %); it is looked at again when that changes or the plan comes again"},
		{"app:1>2 battery:20 needs:30 to refuse:battery_low", "cut; boot", "refused",
			"plan p1 is refused: it waits until the platform sends it again"},
		{"app:1>2 to accept", "", "accepted", "component app waits for a package address, and asks again at 10:00:30Z"},
		{"app:1>2 to accept", "disconnect", "accepted",
			"component app waits for a package address; the device is not connected"},
		{"app:1>2 to app=downloading", "", "accepted", "component app is being downloaded"},
		{"app:1>2 to stage:app", "", "accepted", "component app is being staged"},
		{"app:1>2 to activate:app", "", "accepted", "component app is being activated"},
		{"app:1>2/system to restart:system", "", "accepted", "component app needs a restart, which is under way"},
		{"app:1>2 to health:app", "", "accepted", "component app runs on trial: its health is being checked"},
		{"app:1>2 to health:app", "disconnect; ok", "accepted",
			"component app is healthy and waits for contact to the platform"},
		{"app:1>2 to confirm:app", "", "accepted", "component app is being made permanent"},
		{"app:1>2 to confirm:app", "fail:write_failed", "accepted",
			"component app is being rolled back to its previous version"},
		{"app:1>2 to app=upgrade_succeeded", "", "accepted", "idle: plan p1 is at its end on this device"},
		{"app:1>2 to app=downloading", "fail:http_error", "accepted",
			"idle: plan p1 has failed on this device; it may be retried, or another one may come"},
		{"app:1>2 ask to ask-operator", "terminate", "closed", "idle: plan p1 is at its end on this device"},
	} {
		t.Run(c.setup+" "+c.script, func(t *testing.T) {
			d := newDriver(t, c.setup)
			d.play(c.script)
			v := d.machine.View()
			assert.Equal(t, c.waiting, v.Waiting)
			if c.answer != "" {
				assert.Equal(t, c.answer, v.Plan.Answer)
			}
		})
	}
}

// A plan is answered by what the device measures after it has come, wherever it comes
// from. An executor without readings keeps those of before.
func TestMachineMeasuresBeforeAPlan(t *testing.T) {
	low, high := number(t, "20"), number(t, "40")
	for name, test := range map[string]struct {
		before, measured *int
		in               func(*driver) agent.Input
		want             string
	}{
		"enough by now": {low, high, func(d *driver) agent.Input { return agent.Received{Message: d.plan("p1", 1)} },
			"accepted"},
		"too little by now": {high, low, func(d *driver) agent.Input { return agent.Received{Message: d.plan("p1", 1)} },
			"refused"},
		"a package file": {high, low, func(d *driver) agent.Input { return d.local("app") }, "refused"},
		"no readings": {high, nil, func(d *driver) agent.Input { return agent.Received{Message: d.plan("p1", 1)} },
			"accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t, "app:1>2 least:30 needs:30 battery:"+strconv.Itoa(*test.before)+" to inventory?")
			in := test.in(d)
			outputs := d.machine.Handle(d.now, in)
			require.Len(t, outputs, 1)
			assert.IsType(t, agent.Measure{}, outputs[0])
			assert.Nil(t, d.machine.View().Plan, "nothing is decided yet")
			if test.measured != nil {
				d.readings.Battery = test.measured
				d.input(agent.Measured{Readings: d.readings})
			} else {
				d.input(agent.CheckRequested{})
			}
			assert.Equal(t, test.want, d.machine.View().Plan.Answer)
		})
	}
}

func TestMachineViewFigures(t *testing.T) {
	d := newDriver(t, "app:1>2 motor:1>2 continue to app=downloading")
	d.play("progress")
	v := d.machine.View()
	assert.Equal(t, []agent.ComponentView{{ID: "app", Type: ota.Module, Version: "1"},
		{ID: "motor", Type: ota.Module, Version: "1"}}, v.Components)
	assert.Equal(t, []agent.PartView{
		{ID: "app", Status: ota.Downloading, Target: "2", From: "1", At: epoch, Done: 1024, Total: 4096},
		{ID: "motor", Status: ota.UpgradeConfirmed, Target: "2", At: epoch},
	}, v.Plan.Components)
	assert.True(t, v.Connected)
	assert.Zero(t, v.Pending)
	d.play("fail:http_error")
	v = d.machine.View()
	assert.Equal(t, ota.HTTPError, v.Plan.Components[0].Failure.Code)
	assert.Equal(t, 1, v.Pending)
}

// A saved state is not changed by what the machine does afterwards.
func TestMachineLeavesSavedStates(t *testing.T) {
	w := scenario{policy: ota.Revert, components: []firmware.Restart{firmware.RestartNone, firmware.RestartSystem},
		fault: fault{component: "motor", step: "health"}}.world()
	type kept struct {
		state *agent.State
		form  string
	}
	var all []kept
	w.start()
	for range 1000 {
		if len(w.inbox) == 0 {
			break
		}
		in := w.inbox[0]
		w.inbox = w.inbox[1:]
		w.handle(in)
		form, err := agent.EncodeState(w.saved)
		require.NoError(t, err)
		all = append(all, kept{w.saved, string(form)})
	}
	require.NoError(t, w.err)
	for _, k := range all {
		form, err := agent.EncodeState(k.state)
		require.NoError(t, err)
		require.Equal(t, k.form, string(form))
	}
}

// BenchmarkUpgrade is a whole upgrade of two components, one of which restarts the
// device: what a device costs a simulator that plays everything around it.
func BenchmarkUpgrade(b *testing.B) {
	b.ReportAllocs()
	inputs := 0
	for range b.N {
		d := benchDevice{config: &benchConfig, plan: benchPlan}
		d.run()
		inputs = d.inputs
	}
	b.ReportMetric(float64(inputs), "inputs/op")
	b.ReportMetric(float64(unsafe.Sizeof(agent.Machine{})), "B/machine")
	b.ReportMetric(float64(unsafe.Sizeof(agent.State{})), "B/state")
}

var benchConfig = agent.Config{Agent: "ota-agent/test", Open: openText, Components: []agent.ComponentConfig{
	{ID: "app", Type: ota.Module}, {ID: "rootfs", Type: ota.Module},
}}

var benchPlan = &ota.Plan{Time: epoch, ID: "p1", Attempt: 1, Mode: ota.Silent, Ends: epoch.Add(time.Hour),
	OnFailure: ota.Stop,
	Components: []ota.PlanComponent{
		{ID: "app", Type: ota.Module, Package: ota.Full, Target: "2"},
		{ID: "rootfs", Type: ota.Module, Package: ota.Full, Target: "2"},
	}}

// benchDevice is the shortest way of a device through a plan.
type benchDevice struct {
	config  *agent.Config
	plan    *ota.Plan
	machine *agent.Machine
	saved   *agent.State
	pkg     *ota.Package
	next    agent.Input
	seq     int
	inputs  int
}

func (l *benchDevice) run() {
	l.boot("1")
	l.give(agent.Received{Message: l.plan})
	for _, c := range l.plan.Components {
		l.pkg = &ota.Package{Time: epoch, Plan: "p1", Attempt: 1, Component: c.ID,
			Envelope: ota.Envelope{Payload: []byte(c.ID + ">2")},
			Files:    []ota.FileAddress{{Name: "image", URLs: []string{"https://oss.example.com/image"}}}}
		l.give(agent.Received{Message: l.pkg})
		for l.next != nil {
			in := l.next
			l.next = nil
			l.give(in)
		}
		l.give(agent.Received{Message: &ota.Ack{Plan: "p1", Seq: l.seq}})
	}
}

func (l *benchDevice) boot(id string) {
	l.machine = agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, l.config, l.saved)
	version := "1"
	if id == "2" {
		version = "2"
	}
	l.give(agent.Booted{BootID: id, Components: []agent.Found{{ID: "app", Version: version},
		{ID: "rootfs", Version: version, Package: l.pkg}}})
	l.give(agent.Connected{})
}

func (l *benchDevice) give(in agent.Input) {
	l.inputs++
	for _, out := range l.machine.Handle(epoch, in) {
		switch out := out.(type) {
		case agent.Save:
			l.saved = out.State
		case agent.Send:
			if report, is := out.Message.(*ota.Report); is {
				l.seq = report.Seq
			}
		case agent.Measure:
			l.give(agent.Measured{})
		case agent.Fetch:
			l.give(agent.FetchStarted{Op: out.Op})
			l.next = agent.Fetched{Op: out.Op}
		case agent.Stage:
			l.next = agent.Staged{Op: out.Op}
		case agent.Activate:
			restart := firmware.RestartNone
			if out.Job.Component == "rootfs" {
				restart = firmware.RestartSystem
			}
			l.next = agent.Activated{Op: out.Op, Restart: restart}
		case agent.Restart:
			l.boot("2")
			return
		case agent.CheckHealth:
			l.next = agent.HealthChecked{Op: out.Op, Version: "2"}
		case agent.Confirm:
			l.next = agent.Confirmed{Op: out.Op}
		}
	}
}
