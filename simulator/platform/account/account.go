// Package account gives the engine an account, in messages of the platform's own
// protocol, of what a device says that speaks another one.
//
// One flow through it: a dialect makes an Account of the device's assignment; what the
// device says becomes a Decision, or a Move of a component to a status; steps between
// that and the last known status, which the dialect's wire does not tell or has lost,
// are filled in by the status table, so that the ledger takes all of them; the
// Messages go to the engine in their order.
//
// It knows no wire, and remembers nothing.
package account

import (
	"slices"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// Account makes messages of what a device says of an assignment.
type Account struct {
	Now      time.Time
	Is       engine.Assignment // as it is after the messages
	Messages []ota.Up
}

// Receive says that the device has the plan.
func (a *Account) Receive() {
	for i := range a.Is.Parts {
		if a.Is.Parts[i].Status == ota.PlanNotReceived {
			a.report(i, ota.PlanReceived, a.Is.Parts[i].Running, nil)
		}
	}
}

// Accept says that the device goes on with the plan.
func (a *Account) Accept() {
	a.Receive()
	if !a.Is.Accepted {
		a.Is.Accepted = true
		a.Messages = append(
			a.Messages,
			&ota.Decision{Time: a.Now, Plan: a.Is.Plan, Attempt: a.Is.Attempt, Accept: true},
		)
	}
	for i := range a.Is.Parts {
		if p := &a.Is.Parts[i]; p.Status == ota.PlanReceived && p.Running != p.Target {
			a.report(i, ota.UpgradeConfirmed, p.Running, nil)
		}
	}
}

// Refuse says that the device does not want the plan, now or at all.
func (a *Account) Refuse(reason ota.Reason, detail string) {
	a.Receive()
	a.Messages = append(
		a.Messages,
		&ota.Decision{Time: a.Now, Plan: a.Is.Plan, Attempt: a.Is.Attempt, Reason: reason, Detail: detail},
	)
}

// End says that nothing more is done for the plan.
func (a *Account) End(code ota.Code, detail string) {
	a.Receive()
	for i := range a.Is.Parts {
		p := &a.Is.Parts[i]
		failed := ota.UpgradeFailed
		if p.Status == ota.ReadyToDownload || p.Status == ota.Downloading {
			failed = ota.DownloadFailed
		}
		if !p.Status.Done() && !p.Status.Failed() {
			a.Move(i, failed, p.Running, &ota.Failure{Code: code, Detail: detail})
		}
	}
}

// Move reports every step on the way of component i to a status, which it reaches with
// a version, empty for the last known one, and a failure if the status is one. It does
// nothing if the component is there already, or cannot come there.
func (a *Account) Move(i int, to ota.Status, version string, failure *ota.Failure) {
	steps := way(a.Is.Parts[i].Status, to)
	if steps == nil && to == ota.DownloadFailed {
		steps = way(a.Is.Parts[i].Status, ota.UpgradeFailed)
	}
	if steps == nil && to == ota.NoUpdateRequired {
		steps = way(a.Is.Parts[i].Status, ota.UpgradeSucceeded)
	}
	for k, step := range steps {
		if k < len(steps)-1 {
			a.report(i, step, a.Is.Parts[i].Running, nil)
		} else {
			a.report(i, step, version, failure)
		}
	}
}

// way is the shortest legal way between two statuses without a failure in its middle;
// nil if there is none, or no step to go.
func way(from, to ota.Status) []ota.Status {
	if from == to && !to.Failed() {
		return nil
	}
	type reached struct {
		status ota.Status
		by     []ota.Status
	}
	seen := map[ota.Status]bool{}
	for queue := []reached{{status: from}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		for _, next := range at.status.Row().Next {
			by := append(slices.Clone(at.by), next)
			switch {
			case next == to:
				return by
			case !seen[next] && !next.Failed() && !next.Done():
				seen[next] = true
				queue = append(queue, reached{next, by})
			}
		}
	}
	return nil
}

func (a *Account) report(i int, status ota.Status, version string, failure *ota.Failure) {
	p := &a.Is.Parts[i]
	if version == "" {
		version = p.Running
	}
	a.Is.Seq++
	p.Status, p.Running = status, version
	a.Messages = append(a.Messages, &ota.Report{
		Time: a.Now, Plan: a.Is.Plan, Attempt: a.Is.Attempt, Seq: a.Is.Seq, Component: p.ID, Status: status, Version: version,
		Failure: failure,
	})
}
