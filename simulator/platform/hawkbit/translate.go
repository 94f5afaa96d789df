package hawkbit

import (
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// translation makes messages of the platform's own protocol of what a device says of
// an action. Steps that hawkBit's wire does not tell are filled in.
type translation struct {
	now      time.Time
	is       engine.Assignment // as it is after the messages
	messages []ota.Up
}

// received says that the device has read the action.
func (t *translation) received() {
	for i := range t.is.Parts {
		if t.is.Parts[i].Status == ota.PlanNotReceived {
			t.report(i, ota.PlanReceived, t.is.Parts[i].Running, nil)
		}
	}
}

// accept says that the device goes on with the action.
func (t *translation) accept() {
	t.received()
	if !t.is.Accepted {
		t.is.Accepted = true
		t.messages = append(
			t.messages,
			&ota.Decision{Time: t.now, Plan: t.is.Plan, Attempt: t.is.Attempt, Accept: true},
		)
	}
	for i := range t.is.Parts {
		if p := &t.is.Parts[i]; p.Status == ota.PlanReceived && p.Running != p.Target {
			t.report(i, ota.UpgradeConfirmed, p.Running, nil)
		}
	}
}

// refuse says that the device does not want the action, now or at all.
func (t *translation) refuse(reason ota.Reason, detail string) {
	t.received()
	t.messages = append(
		t.messages,
		&ota.Decision{Time: t.now, Plan: t.is.Plan, Attempt: t.is.Attempt, Reason: reason, Detail: detail},
	)
}

// feedback takes what the device says of the action.
func (t *translation) feedback(f *feedback) {
	execution, finished := f.Status.Execution, f.Status.Result.Finished
	details := f.Status.Details
	reason, detail, refused := refusalIn(details)
	switch {
	case execution == "rejected":
		if !t.is.Accepted {
			t.refuse(reason, detail)
		}
	case execution == "canceled":
		t.end(ota.PlanTerminated, "the device cancelled the action")
	case execution == "closed" && finished == "failure" && refused:
		if !t.is.Accepted {
			t.refuse(reason, detail)
		}
		t.end(codeOf(reason), detail)
	case execution == "closed" && finished == "failure":
		t.accept()
		t.fail(details)
	case execution == "closed":
		t.accept()
		t.succeed(details)
	default:
		t.accept()
		t.step(execution, details)
	}
}

// step takes an intermediate feedback: of the component that its lines name, or of
// the only one. A failed component is reported when the action is closed: it may cost
// the plan another attempt, which is another action.
func (t *translation) step(execution string, details []string) {
	for i := range t.is.Parts {
		text, named := lineOf(details, t.is.Parts[i].ID)
		if !named && len(t.is.Parts) > 1 {
			continue
		}
		running := t.is.Parts[i].Running
		switch said := parseOutcome(text); {
		case said.status.Done():
			t.move(i, said.status, said.version, nil)
		case said.status.Failed():
		case execution == "download":
			t.move(i, ota.Downloading, running, nil)
		case execution == "downloaded":
			t.move(i, ota.DownloadSucceeded, running, nil)
		case execution == "proceeding" && strings.HasPrefix(text, "installing"):
			t.move(i, ota.Upgrading, running, nil)
		}
	}
}

// succeed takes the end of an action that has brought every component to its target.
func (t *translation) succeed(details []string) {
	for i := range t.is.Parts {
		p := &t.is.Parts[i]
		if p.Status.Done() {
			continue
		}
		said := outcome{ota.UpgradeSucceeded, p.Target, nil}
		if text, named := lineOf(details, p.ID); named {
			if found := parseOutcome(text); found.status.Done() {
				said = found
			}
		} else if p.Running == p.Target {
			said.status = ota.NoUpdateRequired
		}
		t.move(i, said.status, said.version, nil)
	}
}

// fail takes the end of an action that has failed: by the components that the lines
// name, or by all that are not at an end.
func (t *translation) fail(details []string) {
	said := make([]outcome, len(t.is.Parts))
	named := false
	for i := range said {
		text, _ := lineOf(details, t.is.Parts[i].ID)
		said[i] = parseOutcome(text)
		named = named || said[i].status.Failed()
	}
	for i, o := range said {
		switch {
		case o.status.Failed():
			t.failPart(i, o)
		case o.status.Done():
			t.move(i, o.status, o.version, nil)
		}
	}
	for i, o := range said {
		switch p := &t.is.Parts[i]; {
		case o.status != ota.PlanNotReceived || p.Status.Done():
		case !named:
			failure := &ota.Failure{Code: ota.InstallerFailed, Detail: joined(details)}
			t.failPart(i, outcome{ota.UpgradeFailed, p.Running, failure})
		case t.is.OnFailure != ota.Continue:
			t.failPart(i, outcome{ota.UpgradeFailed, p.Running, &ota.Failure{Code: ota.Skipped}})
		}
	}
}

// failPart takes a component's failure in this attempt.
func (t *translation) failPart(i int, said outcome) {
	p := &t.is.Parts[i]
	switch {
	case p.Status.Failed() && said.failure.Code == ota.Skipped:
		return // it was in an earlier attempt
	case p.Status == ota.UpgradeSucceeded && said.failure.Code != ota.Reverted:
		return // hawkBit's feedback has said that it succeeded
	case afterSwitch(said.failure.Code) && p.Status != ota.Upgrading && p.Status != ota.UpgradeSucceeded:
		t.move(i, ota.Upgrading, p.Running, nil)
	}
	t.move(i, said.status, said.version, said.failure)
}

// end says that nothing more is done for the action.
func (t *translation) end(code ota.Code, detail string) {
	t.received()
	for i := range t.is.Parts {
		p := &t.is.Parts[i]
		failed := ota.UpgradeFailed
		if p.Status == ota.ReadyToDownload || p.Status == ota.Downloading {
			failed = ota.DownloadFailed
		}
		if !p.Status.Done() && !p.Status.Failed() {
			t.move(i, failed, p.Running, &ota.Failure{Code: code, Detail: detail})
		}
	}
}

// move reports every step on the way of a component to a status; nothing if it is
// there already, or cannot come there.
func (t *translation) move(i int, to ota.Status, version string, failure *ota.Failure) {
	steps := way(t.is.Parts[i].Status, to)
	if steps == nil && to == ota.DownloadFailed {
		steps = way(t.is.Parts[i].Status, ota.UpgradeFailed)
	}
	if steps == nil && to == ota.NoUpdateRequired {
		steps = way(t.is.Parts[i].Status, ota.UpgradeSucceeded)
	}
	for k, step := range steps {
		if k < len(steps)-1 {
			t.report(i, step, t.is.Parts[i].Running, nil)
		} else {
			t.report(i, step, version, failure)
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

func (t *translation) report(i int, status ota.Status, version string, failure *ota.Failure) {
	p := &t.is.Parts[i]
	if version == "" {
		version = p.Running
	}
	t.is.Seq++
	p.Status, p.Running = status, version
	t.messages = append(t.messages, &ota.Report{
		Time: t.now, Plan: t.is.Plan, Attempt: t.is.Attempt, Seq: t.is.Seq, Component: p.ID, Status: status, Version: version,
		Failure: failure,
	})
}
