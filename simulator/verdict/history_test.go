package verdict_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// history writes the events of a run down, a second apart.
type history struct {
	judge *verdict.Judge
	at    time.Duration
	seqs  map[string]int
}

// newHistory is of a run of ten gateways.
func newHistory(faults ...string) *history {
	s := fleets("gw")
	for _, name := range faults {
		s.Faults = append(s.Faults, scenario.Fault{Name: name})
	}
	return historyOf(s)
}

func historyOf(s *scenario.Scenario) *history {
	return &history{judge: verdict.NewJudge(s, verdict.WithLogs), seqs: map[string]int{}}
}

// fleets is a scenario of ten devices of each fleet.
func fleets(names ...string) *scenario.Scenario {
	s := &scenario.Scenario{Name: "history", Duration: time.Hour}
	for _, name := range names {
		s.Fleets = append(s.Fleets, scenario.Fleet{Name: name, Count: 10, Components: []scenario.Installed{{ComponentVersion: ota.ComponentVersion{ID: "app"}}}})
	}
	return s
}

func (h *history) add(e verdict.Event) *history {
	h.at += time.Second
	e.At = h.at
	h.judge.Add(e)
	return h
}

func (h *history) event(kind verdict.Kind, device string) *history {
	return h.add(verdict.Event{Kind: kind, Device: device})
}

// arrive switches a device on, without a connection.
func (h *history) arrive(device, fleet string) *history {
	return h.add(verdict.Event{Kind: verdict.Arrived, Device: device, Text: fleet})
}

// connect switches a device on, with a connection.
func (h *history) connect(device, fleet string) *history {
	return h.arrive(device, fleet).event(verdict.Connected, device)
}

// saysOf numbers and stores reports under a plan.
func (h *history) saysOf(plan, device, component string, statuses ...ota.Status) *history {
	for _, status := range statuses {
		r := h.report(device, component, status)
		r.Plan = plan
		h.record(verdict.Numbered, device, r).record(verdict.Stored, device, r)
	}
	return h
}

// report is the device's next report.
func (h *history) report(device, component string, status ota.Status) *ota.Report {
	h.seqs[device]++
	r := &ota.Report{Time: time.Unix(int64(h.at/time.Second), 0), Plan: "spring", Attempt: 1, Seq: h.seqs[device],
		Component: component, Status: status, Version: "1.0.0"}
	if status.Failed() {
		r.Failure = &ota.Failure{Code: ota.HealthCheckFailed, Detail: "no"}
	}
	return r
}

// record notes what one end makes of a report.
func (h *history) record(kind verdict.Kind, device string, r *ota.Report) *history {
	return h.add(verdict.ReportEvent(0, kind, device, r))
}

// say numbers a device's next report and lets the platform store it.
func (h *history) say(device string, status ota.Status) *history {
	r := h.report(device, "app", status)
	return h.record(verdict.Numbered, device, r).record(verdict.Stored, device, r)
}

func (h *history) status(device string, s ota.DeviceStatus) *history {
	return h.under("spring", device, s)
}

func (h *history) under(plan, device string, s ota.DeviceStatus) *history {
	return h.add(verdict.Event{Kind: verdict.StatusIs, Device: device, Plan: plan, N: int64(s)})
}

func (h *history) answer(device string, reason ota.Reason) *history {
	return h.add(verdict.AnswerEvent(device, &ota.Decision{Plan: "spring", Accept: reason == "", Reason: reason}))
}

// upgrade takes a device through an upgrade of its app.
func (h *history) upgrade(device string) *history {
	h.say(device, ota.PlanReceived).answer(device, "").say(device, ota.UpgradeConfirmed).status(device, ota.DeviceUpgrading)
	for _, s := range []ota.Status{ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading, ota.UpgradeSucceeded} {
		h.say(device, s)
	}
	return h.status(device, ota.DeviceUpgraded)
}

func (h *history) figures(fleets ...verdict.FleetSize) *verdict.Figures {
	return h.judge.Figures(fleets)
}

// gws is a fleet of so many gateways.
func gws(n int) verdict.FleetSize { return verdict.FleetSize{Name: "gw", Devices: n} }

func TestClasses(t *testing.T) {
	const d = "gw-000001"
	tests := []struct {
		name  string
		write func(h *history)
		want  scenario.Class
	}{
		{"never arrived", func(*history) {}, scenario.Unaccounted},
		{"never connected", func(h *history) { h.arrive(d, "gw") }, scenario.Unreachable},
		{"connected and nothing more", func(h *history) { h.connect(d, "gw") }, scenario.NotUpgraded},
		{"connected once", func(h *history) { h.connect(d, "gw").event(verdict.Disconnected, d) }, scenario.NotUpgraded},
		{"has the plan", func(h *history) { h.connect(d, "gw").say(d, ota.PlanReceived) }, scenario.NotUpgraded},
		{"refused", func(h *history) { h.connect(d, "gw").answer(d, ota.ReasonBattery) }, scenario.Refused},
		{"refused, then agreed", func(h *history) {
			h.connect(d, "gw").answer(d, ota.ReasonBattery).answer(d, "").status(d, ota.DeviceUpgrading)
		}, scenario.Unfinished},
		{"agreed, and the platform does not know", func(h *history) { h.connect(d, "gw").answer(d, "") }, scenario.NotUpgraded},
		{"in the middle", func(h *history) { h.connect(d, "gw").say(d, ota.PlanReceived).status(d, ota.DeviceUpgrading) }, scenario.Unfinished},
		{"upgraded", func(h *history) { h.connect(d, "gw").upgrade(d) }, scenario.Upgraded},
		{"upgraded and gone", func(h *history) { h.connect(d, "gw").upgrade(d).event(verdict.Disconnected, d) }, scenario.Upgraded},
		{"taken back", func(h *history) { h.connect(d, "gw").upgrade(d).status(d, ota.DeviceUpgradeFailed) }, scenario.UpgradeFailed},
		{"failed", func(h *history) { h.connect(d, "gw").status(d, ota.DeviceUpgradeFailed) }, scenario.UpgradeFailed},
		{"failed, then tried again", func(h *history) {
			h.connect(d, "gw").status(d, ota.DeviceUpgradeFailed).status(d, ota.DeviceUpgrading)
		}, scenario.Unfinished},
		{"nothing to do", func(h *history) { h.connect(d, "gw").status(d, ota.DeviceNoUpdateRequired) }, scenario.NoUpdateRequired},
		{"one plan failed, the other went well", func(h *history) {
			h.connect(d, "gw").status(d, ota.DeviceUpgradeFailed).under("summer", d, ota.DeviceUpgraded)
		}, scenario.UpgradeFailed},
		{"one plan went well, the other had nothing to do", func(h *history) {
			h.connect(d, "gw").status(d, ota.DeviceUpgraded).under("summer", d, ota.DeviceNoUpdateRequired)
		}, scenario.Upgraded},
		{"one plan went well, the other goes on", func(h *history) {
			h.connect(d, "gw").status(d, ota.DeviceUpgraded).under("summer", d, ota.DeviceUpgrading)
		}, scenario.Unfinished},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistory()
			h.connect("gw-000002", "gw").upgrade("gw-000002") // must not change it
			tt.write(h)
			f := h.figures(gws(2))
			want := verdict.Counts{scenario.Upgraded: 1, scenario.Unaccounted: 0}
			want[tt.want]++
			assert.Equal(t, want, f.Classes)
			assert.Equal(t, []verdict.FleetCount{{Name: "gw", Count: 2, Classes: want}}, f.Fleets)
		})
	}
}

// TestStrangers are devices at the same broker that are not of the run.
func TestStrangers(t *testing.T) {
	h := newHistory().connect("gw-000001", "gw").upgrade("gw-000001").upgrade("stranger").event(verdict.Violation, "stranger")
	h.record(verdict.Duplicate, "stranger", h.report("stranger", "app", ota.PlanReceived))
	status, arrived := h.judge.Status("stranger")
	assert.False(t, arrived)
	assert.Equal(t, ota.DeviceNotUpgraded, status)
	status, arrived = h.judge.Status("gw-000001")
	assert.True(t, arrived)
	assert.Equal(t, ota.DeviceUpgraded, status)
	f := h.figures(gws(1))
	assert.Equal(t, verdict.Counts{scenario.Upgraded: 1, scenario.Unaccounted: 0}, f.Classes)
	assert.Equal(t, verdict.Reports{Numbered: 7, Stored: 7}, f.Reports)
	assert.Zero(t, f.Violations)
}

// TestFleets are counted as the scenario has them, also one of which no device
// arrived.
func TestFleets(t *testing.T) {
	h := historyOf(fleets("gw", "cam", "late")).connect("cam-000001", "cam").connect("gw-000001", "gw").upgrade("gw-000001")
	f := h.figures(gws(3), verdict.FleetSize{Name: "cam", Devices: 1}, verdict.FleetSize{Name: "late", Devices: 2})
	assert.Equal(t, 6, f.Devices)
	assert.Equal(t, verdict.Counts{scenario.Upgraded: 1, scenario.NotUpgraded: 1, scenario.Unaccounted: 4}, f.Classes)
	assert.Equal(t, []verdict.FleetCount{
		{Name: "gw", Count: 3, Classes: verdict.Counts{scenario.Upgraded: 1, scenario.Unaccounted: 2}},
		{Name: "cam", Count: 1, Classes: verdict.Counts{scenario.NotUpgraded: 1, scenario.Unaccounted: 0}},
		{Name: "late", Count: 2, Classes: verdict.Counts{scenario.Unaccounted: 2}},
	}, f.Fleets)
}

func TestReports(t *testing.T) {
	const d = "gw-000001"
	tests := []struct {
		name  string
		write func(h *history)
		want  verdict.Reports
	}{
		{"all stored", func(h *history) { h.say(d, ota.PlanReceived).say(d, ota.UpgradeConfirmed) }, verdict.Reports{Numbered: 2, Stored: 2}},
		{"the last one lost", func(h *history) {
			h.say(d, ota.PlanReceived).record(verdict.Numbered, d, h.report(d, "app", ota.UpgradeConfirmed))
		}, verdict.Reports{Numbered: 2, Stored: 1, Lost: 1}},
		{"stored before it is numbered here", func(h *history) { // another goroutine may be quicker
			r := h.report(d, "app", ota.PlanReceived)
			h.record(verdict.Stored, d, r).record(verdict.Numbered, d, r)
		}, verdict.Reports{Numbered: 1, Stored: 1}},
		{"out of order", func(h *history) {
			one, two := h.report(d, "app", ota.PlanReceived), h.report(d, "app", ota.UpgradeConfirmed)
			h.record(verdict.Numbered, d, one).record(verdict.Numbered, d, two)
			h.record(verdict.OutOfOrder, d, two).record(verdict.Stored, d, one).record(verdict.Stored, d, two)
		}, verdict.Reports{Numbered: 2, Stored: 2, OutOfOrder: 1}},
		{"sent again", func(h *history) {
			r := h.report(d, "app", ota.PlanReceived)
			h.record(verdict.Numbered, d, r).record(verdict.Stored, d, r).record(verdict.Duplicate, d, r)
		}, verdict.Reports{Numbered: 1, Stored: 1, Duplicate: 1}},
		{"sent again with another content", func(h *history) {
			r := h.report(d, "app", ota.PlanReceived)
			h.record(verdict.Numbered, d, r).record(verdict.Stored, d, r).record(verdict.Conflicting, d, r)
		}, verdict.Reports{Numbered: 1, Stored: 1, Conflicting: 1}},
		{"stored with another content", func(h *history) {
			r := h.report(d, "app", ota.PlanReceived)
			h.record(verdict.Numbered, d, r)
			r.Version = "1.0.1"
			h.record(verdict.Stored, d, r)
		}, verdict.Reports{Numbered: 1, Stored: 1, Conflicting: 1}},
		{"stored in another order", func(h *history) {
			one, two := h.report(d, "app", ota.PlanReceived), h.report(d, "app", ota.UpgradeConfirmed)
			h.record(verdict.Numbered, d, one).record(verdict.Numbered, d, two).record(verdict.Stored, d, two).record(verdict.Stored, d, one)
		}, verdict.Reports{Numbered: 2, Stored: 2, Conflicting: 1}},
		{"illegal, which is not lost", func(h *history) {
			r := h.report(d, "app", ota.Upgrading)
			h.record(verdict.Numbered, d, r).record(verdict.Illegal, d, r)
		}, verdict.Reports{Numbered: 1, Illegal: 1}},
		{"two plans", func(h *history) {
			h.say(d, ota.PlanReceived)
			r := h.report(d, "app", ota.PlanReceived)
			r.Plan, r.Seq = "summer", 1
			h.record(verdict.Numbered, d, r)
		}, verdict.Reports{Numbered: 2, Stored: 1, Lost: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistory().connect(d, "gw")
			tt.write(h)
			assert.Equal(t, tt.want, h.figures(gws(1)).Reports)
		})
	}
}

// TestContentOfReports: whatever a report says makes another one of it.
func TestContentOfReports(t *testing.T) {
	sent := ota.Report{Time: time.UnixMilli(1), Plan: "p", Attempt: 1, Seq: 1, Component: "app", Status: ota.UpgradeFailed, Version: "1",
		Failure: &ota.Failure{Code: ota.BootFailed, Detail: "black"}}
	same := verdict.ReportEvent(0, verdict.Numbered, "d", &sent).N
	for name, change := range map[string]func(r *ota.Report){
		"time":      func(r *ota.Report) { r.Time = time.UnixMilli(2) },
		"attempt":   func(r *ota.Report) { r.Attempt = 2 },
		"number":    func(r *ota.Report) { r.Seq = 2 },
		"component": func(r *ota.Report) { r.Component = "ap" },
		"border":    func(r *ota.Report) { r.Component, r.Version = "ap", "p1" },
		"status":    func(r *ota.Report) { r.Status = ota.DownloadFailed },
		"version":   func(r *ota.Report) { r.Version = "2" },
		"no code":   func(r *ota.Report) { r.Failure = nil },
		"code":      func(r *ota.Report) { r.Failure = &ota.Failure{Code: ota.Internal, Detail: "black"} },
		"detail":    func(r *ota.Report) { r.Failure = &ota.Failure{Code: ota.BootFailed, Detail: "blue"} },
	} {
		changed := sent
		change(&changed)
		assert.NotEqual(t, same, verdict.ReportEvent(0, verdict.Stored, "d", &changed).N, name)
	}
	again := sent
	again.Time = sent.Time.UTC().Add(time.Microsecond) // the wire has milliseconds
	assert.Equal(t, same, verdict.ReportEvent(0, verdict.Stored, "d", &again).N)
	e := verdict.ReportEvent(time.Second, verdict.Stored, "d", &sent)
	assert.Equal(t, verdict.Event{At: time.Second, Kind: verdict.Stored, Device: "d", Plan: "p", Component: "app",
		Status: ota.UpgradeFailed, Seq: 1, N: same, Text: "boot_failed"}, e)
}

func TestComponents(t *testing.T) {
	h := newHistory().connect("gw-000001", "gw").connect("gw-000002", "gw").upgrade("gw-000001").say("gw-000002", ota.PlanReceived)
	r := h.report("gw-000002", "motor", ota.PlanReceived)
	h.record(verdict.Numbered, "gw-000002", r).record(verdict.Stored, "gw-000002", r)
	assert.Equal(t, map[string]map[string]int{
		"app": {"upgrade_succeeded": 1, "plan_received": 1}, "motor": {"plan_received": 1},
	}, h.figures(gws(2)).Components)
}

// TestUpgradeTime counts from the plan at the device to the end at the
// platform.
func TestUpgradeTime(t *testing.T) {
	h := newHistory()
	at := func(d string, second int, kind verdict.Kind, status ota.Status, n ota.DeviceStatus) {
		h.judge.Add(verdict.Event{At: time.Duration(second) * time.Second, Kind: kind, Device: d, Plan: "spring", Status: status, N: int64(n), Text: "gw"})
	}
	for i, d := range []string{"gw-000001", "gw-000002", "gw-000003", "gw-000004"} {
		at(d, i, verdict.Arrived, 0, 0)
		at(d, 10, verdict.Numbered, ota.PlanReceived, 0)
		if i < 3 { // which does not get through
			at(d, 20+10*i, verdict.StatusIs, 0, ota.DeviceUpgraded)
		}
	}
	at("gw-000004", 500, verdict.StatusIs, 0, ota.DeviceUpgradeFailed)
	f := h.figures(gws(4))
	assert.Equal(t, 500*time.Second, f.Duration)
	upgrade := f.Times.Of(scenario.UpgradeSpan)
	assert.Equal(t, 3, upgrade.Count())
	assert.InDelta(t, 20, upgrade.At(scenario.P50).Seconds(), 0.1)
	for _, q := range []scenario.Quantile{scenario.P90, scenario.P95, scenario.P99, scenario.P999, scenario.Max} {
		assert.Equal(t, 30*time.Second, upgrade.At(q), q)
	}
	assert.Zero(t, newHistory().figures(gws(1)).Times)
}

func TestOtherFigures(t *testing.T) {
	h := newHistory("a", "b").connect("gw-000001", "gw").event(verdict.Disconnected, "gw-000001").event(verdict.Connected, "gw-000001").event(verdict.PowerCut, "gw-000001")
	h.add(verdict.Event{Kind: verdict.Downloaded, Device: "gw-000001", N: 100}).add(verdict.Event{Kind: verdict.Downloaded, Device: "gw-000001", N: 50})
	h.add(verdict.Event{Kind: verdict.FaultFired, Device: "gw-000001", Text: "b"}).add(verdict.Event{Kind: verdict.FaultFired, Device: "gw-000001", Text: "unknown"})
	h.judge.Drawn("a", 1)
	h.judge.Drawn("b", 2)
	h.judge.Drawn("unknown", 2)
	for range 30 {
		h.add(verdict.Event{Kind: verdict.Violation, Device: "gw-000001", Text: "smoke"})
	}
	f := h.figures(gws(1))
	assert.Equal(t, []int64{2, 1, 150, 30}, []int64{int64(f.Sessions), int64(f.PowerCuts), f.Bytes, int64(f.Violations)})
	assert.Equal(t, []verdict.FaultCount{
		{Name: "a", Drawn: 1, Outcomes: verdict.Counts{}}, {Name: "b", Drawn: 2, Fired: 1, Outcomes: verdict.Counts{scenario.NotUpgraded: 1}}}, f.Faults)
	assert.Len(t, f.FirstViolations(), 20)
	assert.Equal(t, "gw-000001: smoke", f.FirstViolations()[0])
}

// TestSpansOfTwoPlans: each plan's times are its own, wherever the run's time
// begins, and a plan that went well counts though another one failed.
func TestSpansOfTwoPlans(t *testing.T) {
	const d = "gw-000001"
	for _, began := range []time.Duration{-time.Second, 10 * time.Second} { // the first event is at 0
		h := newHistory()
		h.at = began
		h.arrive(d, "gw")
		h.at -= time.Second
		h.saysOf("first", d, "app", ota.PlanReceived, ota.Upgrading, ota.UpgradeSucceeded).under("first", d, ota.DeviceUpgraded)
		h.at += time.Minute
		h.saysOf("second", d, "app", ota.PlanReceived, ota.Upgrading, ota.UpgradeSucceeded).under("second", d, ota.DeviceUpgraded)
		h.at += time.Minute
		h.saysOf("third", d, "app", ota.PlanReceived, ota.Upgrading, ota.UpgradeFailed).under("third", d, ota.DeviceUpgradeFailed)
		f := h.figures(gws(1))
		assert.Equal(t, 1, f.Classes[scenario.UpgradeFailed])
		upgrade := f.Times.Of(scenario.UpgradeSpan)
		assert.Equal(t, 2, upgrade.Count())
		assert.Equal(t, 6*time.Second, upgrade.At(scenario.Max))
		assert.Equal(t, 3, f.Times.Of(scenario.InstallSpan).Count())
		assert.Equal(t, 2*time.Second, f.Times.Of(scenario.InstallSpan).At(scenario.Max))
	}
}

// TestSpansBrokenOff: what a plan began, another one does not end.
func TestSpansBrokenOff(t *testing.T) {
	const d = "gw-000001"
	h := newHistory().connect(d, "gw").saysOf("first", d, "app", ota.PlanReceived, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading)
	h.saysOf("second", d, "app", ota.PlanReceived, ota.DownloadSucceeded, ota.UpgradeSucceeded)
	f := h.figures(gws(1))
	assert.Equal(t, 1, f.Times.Of(scenario.DownloadSpan).Count())
	assert.Zero(t, f.Times.Of(scenario.InstallSpan).Count())
}

// TestUndelivered: what the device still had when the run ended is not lost, unless
// there was time and a session, and nothing came.
func TestUndelivered(t *testing.T) {
	const d = "gw-000001"
	numbered := func(h *history, n int) {
		for range n {
			h.record(verdict.Numbered, d, h.report(d, "app", ota.Downloading))
		}
	}
	kept := func(h *history, n int64) {
		h.add(verdict.Event{Kind: verdict.Unacknowledged, Device: d, Plan: "spring", N: n})
	}
	tests := []struct {
		name              string
		then              func(h *history)
		lost, undelivered int
	}{
		{"on its way", func(h *history) { numbered(h, 2); kept(h, 2) }, 0, 2},
		{"not any more on the device", func(h *history) { numbered(h, 2) }, 2, 0},
		{"some of them", func(h *history) { numbered(h, 3); kept(h, 1) }, 2, 1},
		{"stored, but the device does not know", func(h *history) { h.say(d, ota.Downloading); kept(h, 1) }, 0, 0},
		{"thrown away", func(h *history) { numbered(h, 2); h.at += time.Minute; kept(h, 2) }, 2, 0},
		{"while others came", func(h *history) {
			numbered(h, 1)
			h.at += time.Minute
			h.record(verdict.Stored, d, h.report(d, "app", ota.Downloading))
			numbered(h, 1)
			kept(h, 2)
		}, 0, 1},
		{"without a session", func(h *history) { numbered(h, 2); h.event(verdict.Disconnected, d).at += time.Minute; kept(h, 2) }, 0, 2},
		{"without power", func(h *history) { numbered(h, 2); h.event(verdict.PowerCut, d).at += time.Minute; kept(h, 2) }, 0, 2},
		{"just connected again", func(h *history) {
			numbered(h, 2)
			h.event(verdict.Disconnected, d).at += time.Minute
			h.event(verdict.Connected, d)
			kept(h, 2)
		}, 0, 2},
		{"the platform is down", func(h *history) { h.at = 29 * time.Minute; numbered(h, 2); h.at = 31 * time.Minute; kept(h, 2) }, 0, 2},
	}
	for _, tt := range tests {
		s := fleets("gw")
		s.Events = []scenario.Event{{At: 30 * time.Minute, Do: scenario.KillPlatform, For: 5 * time.Minute}}
		h := historyOf(s).connect(d, "gw")
		tt.then(h)
		r := h.figures(gws(1)).Reports
		assert.Equal(t, tt.lost, r.Lost, tt.name)
		assert.Equal(t, tt.undelivered, r.Undelivered, tt.name)
	}
}
