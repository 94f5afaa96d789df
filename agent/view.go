package agent

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
)

// View is a snapshot of a device for people: what runs, what is in progress and
// what it waits for.
type View struct {
	Identity   ota.Identity
	Connected  bool
	Components []ComponentView
	Plan       *PlanView // nil before the first plan
	Pending    int       // reports that the platform has not acknowledged
	Waiting    string    // one sentence: what the device waits for, or does
	Trouble    string    // why the state cannot be saved, or the device not restarted; empty if all is well
}

// ComponentView is one component of the device.
type ComponentView struct {
	ID      string
	Type    ota.ComponentType
	Version string // empty if it never answered
	Release int64
}

// PlanView is the plan in hand.
type PlanView struct {
	ID, Name   string
	Attempt    int
	Ends       time.Time
	Answer     string // unanswered, asking, refused, accepted or closed
	Components []PartView
}

// PartView is one component's part of the plan in hand.
type PartView struct {
	ID      string
	Status  ota.Status
	Target  string
	Failure *ota.Failure
	Done    int64 // bytes of the running download
	Total   int64
}

var answerNames = [...]string{Unanswered: "unanswered", Refused: "refused", Accepted: "accepted", Closed: "closed"}

// View returns what the machine is doing.
func (m *Machine) View() View {
	v := View{Identity: m.id, Connected: m.connected, Pending: m.outbox.Len(), Waiting: m.waiting()}
	for i, c := range m.state.Components {
		v.Components = append(v.Components, ComponentView{ID: c.ID, Type: m.config.Components[i].Type, Version: c.Version, Release: c.Release})
	}
	if m.state.Run != nil {
		v.Plan = m.planView()
	}
	return v
}

func (m *Machine) planView() *PlanView {
	run := m.state.Run
	p := &PlanView{ID: run.Plan.ID, Name: run.Plan.Name, Attempt: run.Attempt, Ends: run.Plan.Ends, Answer: answerNames[run.Answer]}
	if m.asking {
		p.Answer = "asking"
	}
	active := run.active(m.work)
	for i, c := range run.Plan.Components {
		part := PartView{ID: c.ID, Status: run.Parts[i].Status, Target: c.Target, Failure: run.Parts[i].Failure}
		if i == active {
			part.Done, part.Total = m.progress.Done, m.progress.Total
		}
		p.Components = append(p.Components, part)
	}
	return p
}

// waiting says in one sentence what the device does or waits for.
func (m *Machine) waiting() string {
	run := m.state.Run
	switch {
	case !m.booted:
		return "starting: the components are being inspected"
	case run == nil && !m.connected:
		return "waiting for a connection to the platform"
	case run == nil:
		return "idle: no plan yet"
	case m.asking:
		return "plan " + run.Plan.ID + " waits for your answer: ota-agent confirm" + m.flag() + ", or ota-agent refuse" + m.flag()
	case run.Answer == Refused && m.refusal != nil:
		return fmt.Sprintf("plan %s is refused (%s: %s); it is looked at again when that changes or the plan comes again",
			run.Plan.ID, m.refusal.reason, m.refusal.detail)
	case run.Answer == Unanswered:
		return "plan " + run.Plan.ID + " is not answered: it waits until the platform sends it again"
	case run.Answer == Refused:
		return "plan " + run.Plan.ID + " is refused: it waits until the platform sends it again"
	case run.inProgress():
		return m.doing()
	case run.Answer == Accepted && run.failed():
		return "idle: plan " + run.Plan.ID + " has failed on this device; it may be retried, or another one may come"
	}
	return "idle: plan " + run.Plan.ID + " is at its end on this device"
}

// flag is what names the device to the operator's verbs; the gateway's own needs
// no name.
func (m *Machine) flag() string {
	if m.config.Via == "" {
		return ""
	}
	return " --device " + m.id.Device
}

// stepSentences say what the steps of an upgrade do.
var stepSentences = [...]string{
	StepActivate: "is being activated",
	StepRestart:  "needs a restart, which is under way",
	StepTrial:    "runs on trial: its health is being checked",
	StepConfirm:  "is being made permanent",
	StepRevert:   "is going back to its previous version",
	StepReturn:   "needs a restart into its previous version, which is under way",
}

func (m *Machine) doing() string {
	run := m.state.Run
	i := run.active(m.work)
	part, id := &run.Parts[i], "component "+run.Plan.Components[i].ID+" "
	switch {
	case part.Step == StepTrial && m.work[i].healthy && !m.connected:
		return id + "is healthy and waits for contact to the platform"
	case part.Step != StepNone:
		return id + stepSentences[part.Step]
	case m.work[i].pkg == nil && !m.connected:
		return id + "waits for a package address; the device is not connected"
	case m.work[i].pkg == nil:
		return id + "waits for a package address, and asks again at " + m.address.at.UTC().Format("15:04:05Z")
	case part.Status == ota.DownloadSucceeded:
		return id + "is being staged"
	}
	return id + "is being downloaded"
}
