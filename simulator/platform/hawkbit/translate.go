package hawkbit

import (
	"strings"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/account"
)

// translation makes messages of the platform's own protocol of what a device says of
// an action. Steps that hawkBit's wire does not tell are filled in.
type translation struct{ account.Account }

// feedback takes what the device says of the action.
func (t *translation) feedback(f *feedback) {
	execution, finished := f.Status.Execution, f.Status.Result.Finished
	details := f.Status.Details
	reason, detail, refused := refusalIn(details)
	switch {
	case execution == "rejected":
		if !t.Is.Accepted {
			t.Refuse(reason, detail)
		}
	case execution == "canceled":
		t.End(ota.PlanTerminated, "the device cancelled the action")
	case execution == "closed" && finished == "failure" && refused:
		if !t.Is.Accepted {
			t.Refuse(reason, detail)
		}
		t.End(codeOf(reason), detail)
	case execution == "closed" && finished == "failure":
		t.Accept()
		t.fail(details)
	case execution == "closed":
		t.Accept()
		t.succeed(details)
	default:
		t.Accept()
		t.step(execution, details)
	}
}

// step takes an intermediate feedback: of the component that its lines name, or of
// the only one. A failed component is reported when the action is closed: it may cost
// the plan another attempt, which is another action.
func (t *translation) step(execution string, details []string) {
	for i := range t.Is.Parts {
		text, named := lineOf(details, t.Is.Parts[i].ID)
		if !named && len(t.Is.Parts) > 1 {
			continue
		}
		running := t.Is.Parts[i].Running
		switch said := parseOutcome(text); {
		case said.status.Done():
			t.Move(i, said.status, said.version, nil)
		case said.status.Failed():
		case execution == "download":
			t.Move(i, ota.Downloading, running, nil)
		case execution == "downloaded":
			t.Move(i, ota.DownloadSucceeded, running, nil)
		case execution == "proceeding" && strings.HasPrefix(text, "installing"):
			t.Move(i, ota.Upgrading, running, nil)
		}
	}
}

// succeed takes the end of an action that has brought every component to its target.
func (t *translation) succeed(details []string) {
	for i := range t.Is.Parts {
		p := &t.Is.Parts[i]
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
		t.Move(i, said.status, said.version, nil)
	}
}

// fail takes the end of an action that has failed: by the components that the lines
// name, or by all that are not at an end.
func (t *translation) fail(details []string) {
	said := make([]outcome, len(t.Is.Parts))
	named := false
	for i := range said {
		text, _ := lineOf(details, t.Is.Parts[i].ID)
		said[i] = parseOutcome(text)
		named = named || said[i].status.Failed()
	}
	for i, o := range said {
		switch {
		case o.status.Failed():
			t.failPart(i, o)
		case o.status.Done():
			t.Move(i, o.status, o.version, nil)
		}
	}
	for i, o := range said {
		switch p := &t.Is.Parts[i]; {
		case o.status != ota.PlanNotReceived || p.Status.Done():
		case !named:
			failure := &ota.Failure{Code: ota.InstallerFailed, Detail: joined(details)}
			t.failPart(i, outcome{ota.UpgradeFailed, p.Running, failure})
		case t.Is.OnFailure != ota.Continue:
			t.failPart(i, outcome{ota.UpgradeFailed, p.Running, &ota.Failure{Code: ota.Skipped}})
		}
	}
}

// failPart takes a component's failure in this attempt.
func (t *translation) failPart(i int, said outcome) {
	p := &t.Is.Parts[i]
	switch {
	case p.Status.Failed() && said.failure.Code == ota.Skipped:
		return // it was in an earlier attempt
	case p.Status == ota.UpgradeSucceeded && said.failure.Code != ota.Reverted:
		return // hawkBit's feedback has said that it succeeded
	case afterSwitch(said.failure.Code) && p.Status != ota.Upgrading && p.Status != ota.UpgradeSucceeded:
		t.Move(i, ota.Upgrading, p.Running, nil)
	}
	t.Move(i, said.status, said.version, said.failure)
}
