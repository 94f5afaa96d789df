package agent

import (
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
	Explained  Explanation
	Paused     *Pause     // nil unless the operator has paused the device
	Readings   Readings   // the conditions as last measured
	Past       []PlanView // earlier plans, oldest first
	Unreached  string     // why there is no connection, if that is known
	Unusable   string     // what the device cannot use of what the platform says, while it is connected; empty for nothing
	Trouble    string     // why the state cannot be saved, or the device not restarted; empty if all is well
}

// ComponentView is one component of the device.
type ComponentView struct {
	ID      string
	Type    ota.ComponentType
	Version string // empty if it never answered
	Silent  string // why it does not say what it runs; empty if it does
	Release int64
}

// PlanView is the current plan.
type PlanView struct {
	ID, Name   string
	Attempt    int
	Local      string    // path of the package file of a plan of the operator's
	Taken      time.Time // when the device took it up; zero if that is not known
	Ends       time.Time
	Open       bool   // it is in progress, or waits for an answer
	Switching  bool   // a component is in the middle of its switch, or in the rollback
	Answer     string // unanswered, asking, refused, accepted or closed
	Components []PartView
}

// PartView is one component's part of the current plan.
type PartView struct {
	ID      string
	Status  ota.Status
	Target  string
	Failure *ota.Failure
	From    string    // the version that ran before; empty before its download
	At      time.Time // of the last change of Status; zero if that is not known
	OnTrial bool      // the component runs Target, which is not confirmed yet
	Done    int64     // bytes of the running download
	Total   int64
}

var answerNames = [...]string{Unanswered: "unanswered", Refused: "refused", Accepted: "accepted", Closed: "closed"}

// View returns what the machine is doing.
func (m *Machine) View() View {
	v := View{Identity: m.id, Connected: m.connected, Pending: m.outbox.Len(), Waiting: m.named(m.sentence()),
		Explained: m.explain(), Paused: m.state.Paused, Readings: m.readings}
	for i, c := range m.state.Components {
		v.Components = append(v.Components, ComponentView{ID: c.ID, Type: m.config.Components[i].Type, Version: c.Version,
			Release: c.Release})
	}
	for _, run := range m.state.Past {
		v.Past = append(v.Past, newPlanView(run))
	}
	if m.state.Run != nil {
		v.Plan = m.planView()
	}
	return v
}

// planView is the current plan.
func (m *Machine) planView() *PlanView {
	run := m.state.Run
	p := newPlanView(run)
	if m.asking {
		p.Answer = "asking"
	}
	if active := run.active(m.work); active >= 0 {
		p.Components[active].Done, p.Components[active].Total = m.progress.Done, m.progress.Total
	}
	return &p
}

func newPlanView(run *Run) PlanView {
	p := PlanView{ID: run.Plan.ID, Name: run.Plan.Name, Attempt: run.Attempt, Local: run.Local, Taken: run.Taken,
		Ends: run.Plan.Ends, Answer: answerNames[run.Answer],
		Open: run.inProgress() || run.Answer == Unanswered || run.Answer == Refused, Switching: run.switching()}
	for i, c := range run.Plan.Components {
		part := &run.Parts[i]
		p.Components = append(p.Components, PartView{ID: c.ID, Status: part.Status, Target: c.Target, Failure: part.Failure,
			From: part.From, At: part.At, OnTrial: part.Step == StepTrial || part.Step == StepConfirm})
	}
	return p
}
