package verdicttest

import (
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// Script makes up the events of a run one by one, a second apart, and gives each
// to a judge.
type Script struct {
	Judge *verdict.Judge
	At    time.Duration // of the last event

	seqs map[string]int // the last report of each device
}

// NewScript is of a run in which nothing has happened yet.
func NewScript(s *scenario.Scenario) *Script {
	return &Script{Judge: verdict.NewJudge(s, verdict.WithLogs), seqs: map[string]int{}}
}

// Add gives the judge an event, a second after the one before.
func (s *Script) Add(e verdict.Event) *Script {
	s.At += time.Second
	e.At = s.At
	s.Judge.Add(e)
	return s
}

// Event adds an event that is no more than its kind.
func (s *Script) Event(kind verdict.Kind, device string) *Script {
	return s.Add(verdict.Event{Kind: kind, Device: device})
}

// Arrive switches a device on, without a connection.
func (s *Script) Arrive(device, fleet string) *Script {
	return s.Add(verdict.Event{Kind: verdict.Arrived, Device: device, Text: fleet})
}

// Connect switches a device on, with a connection.
func (s *Script) Connect(device, fleet string) *Script {
	return s.Arrive(device, fleet).Event(verdict.Connected, device)
}

// SaysOf numbers and stores reports under a plan.
func (s *Script) SaysOf(plan, device, component string, statuses ...ota.Status) *Script {
	for _, status := range statuses {
		r := s.Report(device, component, status)
		r.Plan = plan
		s.Record(verdict.Numbered, device, r).Record(verdict.Stored, device, r)
	}
	return s
}

// Report is the device's next report.
func (s *Script) Report(device, component string, status ota.Status) *ota.Report {
	s.seqs[device]++
	r := &ota.Report{Time: time.Unix(int64(s.At/time.Second), 0), Plan: "spring", Attempt: 1, Seq: s.seqs[device],
		Component: component, Status: status, Version: "1.0.0"}
	if status.Failed() {
		r.Failure = &ota.Failure{Code: ota.HealthCheckFailed, Detail: "no"}
	}
	return r
}

// Record notes what one end makes of a report.
func (s *Script) Record(kind verdict.Kind, device string, r *ota.Report) *Script {
	return s.Add(verdict.ReportEvent(0, kind, device, r))
}

// Say numbers a device's next report and lets the platform store it.
func (s *Script) Say(device string, status ota.Status) *Script {
	r := s.Report(device, "app", status)
	return s.Record(verdict.Numbered, device, r).Record(verdict.Stored, device, r)
}

// Status gives the device a status at the platform.
func (s *Script) Status(device string, status ota.DeviceStatus) *Script {
	return s.Under("spring", device, status)
}

// Under gives the device a status under a plan.
func (s *Script) Under(plan, device string, status ota.DeviceStatus) *Script {
	return s.Add(verdict.Event{Kind: verdict.StatusIs, Device: device, Plan: plan, N: int64(status)})
}

// Answer is the device's decision: without a reason it accepts.
func (s *Script) Answer(device string, reason ota.Reason) *Script {
	return s.Add(verdict.AnswerEvent(device, &ota.Decision{Plan: "spring", Accept: reason == "", Reason: reason}))
}

// Upgrade takes a device through an upgrade of its app.
func (s *Script) Upgrade(device string) *Script {
	s.Say(device, ota.PlanReceived).Answer(device, "").Say(device, ota.UpgradeConfirmed)
	s.Status(device, ota.DeviceUpgrading)
	for _, status := range []ota.Status{
		ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading, ota.UpgradeSucceeded,
	} {
		s.Say(device, status)
	}
	return s.Status(device, ota.DeviceUpgraded)
}
