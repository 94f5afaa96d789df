package verdicttest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// device is one of the run, on its way.
type device struct {
	scenario *scenario.Scenario
	fleet    *scenario.Fleet
	plan     *scenario.Plan
	device   string
	random   *rand.Rand
	faults   []*scenario.Fault // that were drawn for it
	at       time.Duration
	seq      int
	events   []verdict.Event
}

func begin(s *scenario.Scenario, seed uint64, fleet, n int) *device {
	f := &s.Fleets[fleet]
	random := rand.New(rand.NewPCG(seed, uint64(fleet)<<32|uint64(n)))
	l := &device{scenario: s, fleet: f, device: f.Device(n), random: random}
	for i := range s.Faults {
		fault := &s.Faults[i]
		if fault.Covers(f) && l.chance(max(fault.Chance, fault.Exactly).Share()) {
			l.faults = append(l.faults, fault)
		}
	}
	for i := range s.Plans {
		if s.Plans[i].Product == f.Product {
			l.plan = &s.Plans[i]
		}
	}
	l.at = s.Arrival(f, n)
	return l
}

// History is what happens to one device: the n-th, from 1, of a fleet, from 0. Of
// all devices, one in 500 never connects, one in 200 refuses, and one in 300 is
// at work until the end; faults do the rest.
func History(s *scenario.Scenario, seed uint64, fleet, n int) []verdict.Event {
	l := begin(s, seed, fleet, n)
	l.say(verdict.Event{Kind: verdict.Arrived, Text: l.fleet.Name})
	if l.chance(1.0 / 500) {
		return l.events
	}
	l.wait(30*time.Millisecond, 200*time.Millisecond)
	l.say(verdict.Event{Kind: verdict.Connected})
	if l.plan != nil {
		l.upgrade()
	}
	return l.events
}

func (l *device) chance(share float64) bool { return l.random.Float64() < share }

// wait lets time pass, most often little of it.
func (l *device) wait(least, usual time.Duration) {
	l.at += least + time.Duration(l.random.ExpFloat64()*float64(usual-least))
}

func (l *device) say(e verdict.Event) {
	e.At, e.Device = l.at, l.device
	l.events = append(l.events, e)
}

// report makes a report durable and lets the platform store it.
func (l *device) report(component string, status ota.Status, failure *ota.Failure) {
	l.strike(scenario.At(status), component)
	l.seq++
	r := &ota.Report{Time: time.UnixMilli(l.at.Milliseconds()), Plan: l.plan.Name, Attempt: 1, Seq: l.seq,
		Component: component, Status: status, Version: "1.0.0", Failure: failure}
	l.say(verdict.ReportEvent(l.at, verdict.Numbered, l.device, r))
	l.wait(2*time.Millisecond, 60*time.Millisecond)
	l.say(verdict.ReportEvent(l.at, verdict.Stored, l.device, r))
	if l.chance(0.03) {
		l.wait(time.Millisecond, time.Second)
		l.say(verdict.ReportEvent(l.at, verdict.Duplicate, l.device, r))
	}
}

// strike lets the faults of a place happen. What they break is mended at once.
func (l *device) strike(place scenario.Place, component string) {
	for _, f := range l.faults {
		if f.At != place || f.Component != "" && f.Component != component {
			continue
		}
		l.wait(10*time.Millisecond, 300*time.Millisecond)
		l.say(verdict.Event{Kind: verdict.FaultFired, Text: f.Name})
		switch f.Kind {
		case scenario.PowerCut:
			l.say(verdict.Event{Kind: verdict.PowerCut, Text: f.Name})
		case scenario.Drop:
			l.say(verdict.Event{Kind: verdict.Disconnected})
		default:
			continue
		}
		l.wait(time.Second+f.For.Lo, 4*time.Second+f.For.Hi)
		l.say(verdict.Event{Kind: verdict.Connected})
	}
}

func (l *device) status(s ota.DeviceStatus) {
	l.say(verdict.Event{Kind: verdict.StatusIs, Plan: l.plan.Name, N: int64(s)})
}

func (l *device) answer(accept bool, reason ota.Reason) {
	e := verdict.AnswerEvent(l.device, &ota.Decision{Plan: l.plan.Name, Accept: accept, Reason: reason})
	l.say(e)
}

// upgrade takes the device through its plan.
func (l *device) upgrade() {
	l.wait(20*time.Millisecond, 100*time.Millisecond)
	for _, c := range l.plan.Components {
		l.report(c.ID, ota.PlanReceived, nil)
	}
	l.wait(10*time.Millisecond, 150*time.Millisecond)
	if l.chance(1.0 / 200) {
		l.answer(false, ota.ReasonBattery)
		return
	}
	l.answer(true, "")
	for _, c := range l.plan.Components {
		l.report(c.ID, ota.UpgradeConfirmed, nil)
	}
	l.status(ota.DeviceUpgrading)
	hangs := l.chance(1.0 / 300)
	for i := range l.plan.Components {
		if failure := l.component(&l.plan.Components[i], hangs); failure || hangs {
			return
		}
	}
	l.status(ota.DeviceUpgraded)
}

// component takes one component through the plan, and says whether it failed.
func (l *device) component(c *scenario.Component, hangs bool) bool {
	l.report(c.ID, ota.ReadyToDownload, nil)
	l.report(c.ID, ota.Downloading, nil)
	parts := 4
	for range parts {
		l.wait(50*time.Millisecond, 700*time.Millisecond)
		l.say(verdict.Event{Kind: verdict.Downloaded, N: c.Size / int64(parts)})
	}
	if hangs {
		return false
	}
	l.report(c.ID, ota.DownloadSucceeded, nil)
	l.report(c.ID, ota.Upgrading, nil)
	least, most := l.fleet.Install.Time.At(0), l.fleet.Install.Time.At(0.999)
	l.wait(least, (least+most)/2)
	l.strike(scenario.AtHealth, c.ID)
	for _, f := range l.faults {
		if f.Kind == scenario.Unhealthy && l.chance(0.3) {
			l.report(c.ID, ota.UpgradeFailed, &ota.Failure{Code: ota.HealthCheckFailed,
				Detail: fmt.Sprintf("%s answered 503 after %d ms", c.ID, 100+l.random.IntN(900))})
			l.status(ota.DeviceUpgradeFailed)
			return true
		}
	}
	l.report(c.ID, ota.UpgradeSucceeded, nil)
	return false
}
