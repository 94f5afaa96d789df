package verdict_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// newHistory is of a run of ten gateways.
func newHistory(faults ...string) *verdicttest.Script {
	s := fleets("gw")
	for _, name := range faults {
		s.Faults = append(s.Faults, scenario.Fault{Name: name})
	}
	return verdicttest.NewScript(s)
}

// fleets is a scenario of ten devices of each fleet.
func fleets(names ...string) *scenario.Scenario {
	s := &scenario.Scenario{Name: "history", Duration: time.Hour}
	for _, name := range names {
		s.Fleets = append(s.Fleets, scenario.Fleet{Name: name, Count: 10,
			Components: []scenario.Installed{{ComponentVersion: ota.ComponentVersion{ID: "app"}}}})
	}
	return s
}

// figuresOf are those of the run as written so far.
func figuresOf(h *verdicttest.Script, fleets ...verdict.FleetSize) *verdict.Figures {
	return h.Judge.Figures(fleets)
}

// gws is a fleet of so many gateways.
func gws(n int) verdict.FleetSize { return verdict.FleetSize{Name: "gw", Devices: n} }

func TestClasses(t *testing.T) {
	const d = "gw-000001"
	tests := []struct {
		name  string
		write func(h *verdicttest.Script)
		want  scenario.Class
	}{
		{"never arrived", func(*verdicttest.Script) {}, scenario.Unaccounted},
		{"never connected", func(h *verdicttest.Script) { h.Arrive(d, "gw") }, scenario.Unreachable},
		{"connected and nothing more", func(h *verdicttest.Script) { h.Connect(d, "gw") }, scenario.NotUpgraded},
		{"connected once", func(h *verdicttest.Script) { h.Connect(d, "gw").Event(verdict.Disconnected, d) },
			scenario.NotUpgraded},
		{"has the plan", func(h *verdicttest.Script) { h.Connect(d, "gw").Say(d, ota.PlanReceived) }, scenario.NotUpgraded},
		{"refused", func(h *verdicttest.Script) { h.Connect(d, "gw").Answer(d, ota.ReasonBattery) }, scenario.Refused},
		{"refused, then accepted", func(h *verdicttest.Script) {
			h.Connect(d, "gw").Answer(d, ota.ReasonBattery).Answer(d, "").Status(d, ota.DeviceUpgrading)
		}, scenario.Unfinished},
		{"accepted, and the platform does not know", func(h *verdicttest.Script) { h.Connect(d, "gw").Answer(d, "") },
			scenario.NotUpgraded},
		{"in the middle", func(h *verdicttest.Script) {
			h.Connect(d, "gw").Say(d, ota.PlanReceived).Status(d, ota.DeviceUpgrading)
		}, scenario.Unfinished},
		{"upgraded", func(h *verdicttest.Script) { h.Connect(d, "gw").Upgrade(d) }, scenario.Upgraded},
		{"upgraded and gone", func(h *verdicttest.Script) { h.Connect(d, "gw").Upgrade(d).Event(verdict.Disconnected, d) },
			scenario.Upgraded},
		{"rolled back", func(h *verdicttest.Script) { h.Connect(d, "gw").Upgrade(d).Status(d, ota.DeviceUpgradeFailed) },
			scenario.UpgradeFailed},
		{"failed", func(h *verdicttest.Script) { h.Connect(d, "gw").Status(d, ota.DeviceUpgradeFailed) },
			scenario.UpgradeFailed},
		{"failed, then tried again", func(h *verdicttest.Script) {
			h.Connect(d, "gw").Status(d, ota.DeviceUpgradeFailed).Status(d, ota.DeviceUpgrading)
		}, scenario.Unfinished},
		{"nothing to do", func(h *verdicttest.Script) { h.Connect(d, "gw").Status(d, ota.DeviceNoUpdateRequired) },
			scenario.NoUpdateRequired},
		{"one plan failed, the other went well", func(h *verdicttest.Script) {
			h.Connect(d, "gw").Status(d, ota.DeviceUpgradeFailed).Under("summer", d, ota.DeviceUpgraded)
		}, scenario.UpgradeFailed},
		{"one plan went well, the other had nothing to do", func(h *verdicttest.Script) {
			h.Connect(d, "gw").Status(d, ota.DeviceUpgraded).Under("summer", d, ota.DeviceNoUpdateRequired)
		}, scenario.Upgraded},
		{"one plan went well, the other goes on", func(h *verdicttest.Script) {
			h.Connect(d, "gw").Status(d, ota.DeviceUpgraded).Under("summer", d, ota.DeviceUpgrading)
		}, scenario.Unfinished},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistory()
			h.Connect("gw-000002", "gw").Upgrade("gw-000002") // must not change it
			tt.write(h)
			f := figuresOf(h, gws(2))
			want := verdict.Counts{scenario.Upgraded: 1, scenario.Unaccounted: 0}
			want[tt.want]++
			assert.Equal(t, want, f.Classes)
			assert.Equal(t, []verdict.FleetCount{{Name: "gw", Count: 2, Classes: want}}, f.Fleets)
		})
	}
}

// TestUnknownDevices are devices at the same broker that are not of the run.
func TestUnknownDevices(t *testing.T) {
	h := newHistory().Connect("gw-000001", "gw").Upgrade("gw-000001").Upgrade("unknown").
		Event(verdict.Violation, "unknown")
	h.Record(verdict.Duplicate, "unknown", h.Report("unknown", "app", ota.PlanReceived))
	status, arrived := h.Judge.Status("unknown")
	assert.False(t, arrived)
	assert.Equal(t, ota.DeviceNotUpgraded, status)
	status, arrived = h.Judge.Status("gw-000001")
	assert.True(t, arrived)
	assert.Equal(t, ota.DeviceUpgraded, status)
	f := figuresOf(h, gws(1))
	assert.Equal(t, verdict.Counts{scenario.Upgraded: 1, scenario.Unaccounted: 0}, f.Classes)
	assert.Equal(t, verdict.Reports{Numbered: 7, Stored: 7}, f.Reports)
	assert.Zero(t, f.Violations)
}

// TestFleets are counted as the scenario has them, also one of which no device
// arrived.
func TestFleets(t *testing.T) {
	h := verdicttest.NewScript(fleets("gw", "cam", "late")).Connect("cam-000001", "cam").Connect("gw-000001", "gw").
		Upgrade("gw-000001")
	f := figuresOf(h, gws(3), verdict.FleetSize{Name: "cam", Devices: 1}, verdict.FleetSize{Name: "late", Devices: 2})
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
		write func(h *verdicttest.Script)
		want  verdict.Reports
	}{
		{"all stored", func(h *verdicttest.Script) { h.Say(d, ota.PlanReceived).Say(d, ota.UpgradeConfirmed) },
			verdict.Reports{Numbered: 2, Stored: 2}},
		{"the last one lost", func(h *verdicttest.Script) {
			h.Say(d, ota.PlanReceived).Record(verdict.Numbered, d, h.Report(d, "app", ota.UpgradeConfirmed))
		}, verdict.Reports{Numbered: 2, Stored: 1, Lost: 1}},
		{"stored before it is numbered here", func(h *verdicttest.Script) { // another goroutine may be quicker
			r := h.Report(d, "app", ota.PlanReceived)
			h.Record(verdict.Stored, d, r).Record(verdict.Numbered, d, r)
		}, verdict.Reports{Numbered: 1, Stored: 1}},
		{"out of order", func(h *verdicttest.Script) {
			one, two := h.Report(d, "app", ota.PlanReceived), h.Report(d, "app", ota.UpgradeConfirmed)
			h.Record(verdict.Numbered, d, one).Record(verdict.Numbered, d, two)
			h.Record(verdict.OutOfOrder, d, two).Record(verdict.Stored, d, one).Record(verdict.Stored, d, two)
		}, verdict.Reports{Numbered: 2, Stored: 2, OutOfOrder: 1}},
		{"sent again", func(h *verdicttest.Script) {
			r := h.Report(d, "app", ota.PlanReceived)
			h.Record(verdict.Numbered, d, r).Record(verdict.Stored, d, r).Record(verdict.Duplicate, d, r)
		}, verdict.Reports{Numbered: 1, Stored: 1, Duplicate: 1}},
		{"sent again with another content", func(h *verdicttest.Script) {
			r := h.Report(d, "app", ota.PlanReceived)
			h.Record(verdict.Numbered, d, r).Record(verdict.Stored, d, r).Record(verdict.Conflicting, d, r)
		}, verdict.Reports{Numbered: 1, Stored: 1, Conflicting: 1}},
		{"stored with another content", func(h *verdicttest.Script) {
			r := h.Report(d, "app", ota.PlanReceived)
			h.Record(verdict.Numbered, d, r)
			r.Version = "1.0.1"
			h.Record(verdict.Stored, d, r)
		}, verdict.Reports{Numbered: 1, Stored: 1, Conflicting: 1}},
		{"stored in another order", func(h *verdicttest.Script) {
			one, two := h.Report(d, "app", ota.PlanReceived), h.Report(d, "app", ota.UpgradeConfirmed)
			h.Record(verdict.Numbered, d, one).Record(verdict.Numbered, d, two).Record(verdict.Stored, d, two).
				Record(verdict.Stored, d, one)
		}, verdict.Reports{Numbered: 2, Stored: 2, Conflicting: 1}},
		{"illegal, which is not lost", func(h *verdicttest.Script) {
			r := h.Report(d, "app", ota.Upgrading)
			h.Record(verdict.Numbered, d, r).Record(verdict.Illegal, d, r)
		}, verdict.Reports{Numbered: 1, Illegal: 1}},
		{"two plans", func(h *verdicttest.Script) {
			h.Say(d, ota.PlanReceived)
			r := h.Report(d, "app", ota.PlanReceived)
			r.Plan, r.Seq = "summer", 1
			h.Record(verdict.Numbered, d, r)
		}, verdict.Reports{Numbered: 2, Stored: 1, Lost: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistory().Connect(d, "gw")
			tt.write(h)
			assert.Equal(t, tt.want, figuresOf(h, gws(1)).Reports)
		})
	}
}

// TestContentOfReports: whatever a report says makes another one of it.
func TestContentOfReports(t *testing.T) {
	sent := ota.Report{Time: time.UnixMilli(1), Plan: "p", Attempt: 1, Seq: 1, Component: "app",
		Status: ota.UpgradeFailed, Version: "1",
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
	h := newHistory().Connect("gw-000001", "gw").Connect("gw-000002", "gw").Upgrade("gw-000001").
		Say("gw-000002", ota.PlanReceived)
	r := h.Report("gw-000002", "motor", ota.PlanReceived)
	h.Record(verdict.Numbered, "gw-000002", r).Record(verdict.Stored, "gw-000002", r)
	assert.Equal(t, map[string]map[string]int{
		"app": {"upgrade_succeeded": 1, "plan_received": 1}, "motor": {"plan_received": 1},
	}, figuresOf(h, gws(2)).Components)
}

// TestUpgradeTime counts from the plan at the device to the end at the
// platform.
func TestUpgradeTime(t *testing.T) {
	h := newHistory()
	at := func(d string, second int, kind verdict.Kind, status ota.Status, n ota.DeviceStatus) {
		h.Judge.Add(verdict.Event{At: time.Duration(second) * time.Second, Kind: kind, Device: d, Plan: "spring",
			Status: status, N: int64(n), Text: "gw"})
	}
	for i, d := range []string{"gw-000001", "gw-000002", "gw-000003", "gw-000004"} {
		at(d, i, verdict.Arrived, 0, 0)
		at(d, 10, verdict.Numbered, ota.PlanReceived, 0)
		if i < 3 { // which does not get through
			at(d, 20+10*i, verdict.StatusIs, 0, ota.DeviceUpgraded)
		}
	}
	at("gw-000004", 500, verdict.StatusIs, 0, ota.DeviceUpgradeFailed)
	f := figuresOf(h, gws(4))
	assert.Equal(t, 500*time.Second, f.Duration)
	upgrade := f.Times.Of(scenario.UpgradeSpan)
	assert.Equal(t, 3, upgrade.Count())
	assert.InDelta(t, 20, upgrade.At(scenario.P50).Seconds(), 0.1)
	for _, q := range []scenario.Quantile{scenario.P90, scenario.P95, scenario.P99, scenario.P999, scenario.Max} {
		assert.Equal(t, 30*time.Second, upgrade.At(q), q)
	}
	assert.Zero(t, figuresOf(newHistory(), gws(1)).Times)
}

func TestOtherFigures(t *testing.T) {
	h := newHistory("a", "b").Connect("gw-000001", "gw").Event(verdict.Disconnected, "gw-000001").
		Event(verdict.Connected, "gw-000001").Event(verdict.PowerCut, "gw-000001")
	h.Add(verdict.Event{Kind: verdict.Downloaded, Device: "gw-000001", N: 100}).
		Add(verdict.Event{Kind: verdict.Downloaded, Device: "gw-000001", N: 50})
	h.Add(verdict.Event{Kind: verdict.FaultFired, Device: "gw-000001", Text: "b"}).
		Add(verdict.Event{Kind: verdict.FaultFired, Device: "gw-000001", Text: "unknown"})
	h.Judge.Drawn("a", 1)
	h.Judge.Drawn("b", 2)
	h.Judge.Drawn("unknown", 2)
	for range 30 {
		h.Add(verdict.Event{Kind: verdict.Violation, Device: "gw-000001", Text: "smoke"})
	}
	f := figuresOf(h, gws(1))
	assert.Equal(t, []int64{2, 1, 150, 30}, []int64{int64(f.Sessions), int64(f.PowerCuts), f.Bytes, int64(f.Violations)})
	assert.Equal(t, []verdict.FaultCount{
		{Name: "a", Drawn: 1, Outcomes: verdict.Counts{}}, {Name: "b", Drawn: 2, Fired: 1,
			Outcomes: verdict.Counts{scenario.NotUpgraded: 1}}}, f.Faults)
	assert.Len(t, f.FirstViolations(), 20)
	assert.Equal(t, "gw-000001: smoke", f.FirstViolations()[0])
}

// TestSpansOfTwoPlans: each plan's times are its own, wherever the run's time
// begins, and a plan that went well counts though another one failed.
func TestSpansOfTwoPlans(t *testing.T) {
	const d = "gw-000001"
	for _, began := range []time.Duration{-time.Second, 10 * time.Second} { // the first event is at 0
		h := newHistory()
		h.At = began
		h.Arrive(d, "gw")
		h.At -= time.Second
		h.SaysOf("first", d, "app", ota.PlanReceived, ota.Upgrading, ota.UpgradeSucceeded).
			Under("first", d, ota.DeviceUpgraded)
		h.At += time.Minute
		h.SaysOf("second", d, "app", ota.PlanReceived, ota.Upgrading, ota.UpgradeSucceeded).
			Under("second", d, ota.DeviceUpgraded)
		h.At += time.Minute
		h.SaysOf("third", d, "app", ota.PlanReceived, ota.Upgrading, ota.UpgradeFailed).
			Under("third", d, ota.DeviceUpgradeFailed)
		f := figuresOf(h, gws(1))
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
	h := newHistory().Connect(d, "gw").SaysOf("first", d, "app", ota.PlanReceived, ota.Downloading, ota.DownloadSucceeded,
		ota.Upgrading)
	h.SaysOf("second", d, "app", ota.PlanReceived, ota.DownloadSucceeded, ota.UpgradeSucceeded)
	f := figuresOf(h, gws(1))
	assert.Equal(t, 1, f.Times.Of(scenario.DownloadSpan).Count())
	assert.Zero(t, f.Times.Of(scenario.InstallSpan).Count())
}

// TestUndelivered: what the device still had when the run ended is not lost, unless
// there was time and a session, and nothing came.
func TestUndelivered(t *testing.T) {
	const d = "gw-000001"
	numbered := func(h *verdicttest.Script, n int) {
		for range n {
			h.Record(verdict.Numbered, d, h.Report(d, "app", ota.Downloading))
		}
	}
	kept := func(h *verdicttest.Script, n int64) {
		h.Add(verdict.Event{Kind: verdict.Unacknowledged, Device: d, Plan: "spring", N: n})
	}
	tests := []struct {
		name              string
		then              func(h *verdicttest.Script)
		lost, undelivered int
	}{
		{"on its way", func(h *verdicttest.Script) { numbered(h, 2); kept(h, 2) }, 0, 2},
		{"not any more on the device", func(h *verdicttest.Script) { numbered(h, 2) }, 2, 0},
		{"some of them", func(h *verdicttest.Script) { numbered(h, 3); kept(h, 1) }, 2, 1},
		{"stored, but the device does not know", func(h *verdicttest.Script) { h.Say(d, ota.Downloading); kept(h, 1) }, 0, 0},
		{"thrown away", func(h *verdicttest.Script) { numbered(h, 2); h.At += time.Minute; kept(h, 2) }, 2, 0},
		{"to be taken at the end of the plan", func(h *verdicttest.Script) {
			numbered(h, 2)
			h.At += time.Minute
			h.Add(verdict.Event{Kind: verdict.Unacknowledged, Device: d, Plan: "spring", N: 2, Text: verdict.UntilEnd})
		}, 0, 2},
		{"while other reports came", func(h *verdicttest.Script) {
			numbered(h, 1)
			h.At += time.Minute
			h.Record(verdict.Stored, d, h.Report(d, "app", ota.Downloading))
			numbered(h, 1)
			kept(h, 2)
		}, 0, 1},
		{"without a session", func(h *verdicttest.Script) {
			numbered(h, 2)
			h.Event(verdict.Disconnected, d).At += time.Minute
			kept(h, 2)
		}, 0, 2},
		{"without power", func(h *verdicttest.Script) {
			numbered(h, 2)
			h.Event(verdict.PowerCut, d).At += time.Minute
			kept(h, 2)
		}, 0, 2},
		{"just connected again", func(h *verdicttest.Script) {
			numbered(h, 2)
			h.Event(verdict.Disconnected, d).At += time.Minute
			h.Event(verdict.Connected, d)
			kept(h, 2)
		}, 0, 2},
		{"the platform is down", func(h *verdicttest.Script) {
			h.At = 29 * time.Minute
			numbered(h, 2)
			h.At = 31 * time.Minute
			kept(h, 2)
		}, 0, 2},
	}
	for _, tt := range tests {
		s := fleets("gw")
		s.Events = []scenario.Event{{At: 30 * time.Minute, Do: scenario.KillPlatform, For: 5 * time.Minute}}
		h := verdicttest.NewScript(s).Connect(d, "gw")
		tt.then(h)
		r := figuresOf(h, gws(1)).Reports
		assert.Equal(t, tt.lost, r.Lost, tt.name)
		assert.Equal(t, tt.undelivered, r.Undelivered, tt.name)
	}
}
