package control

import (
	"fmt"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// Status is the document that GET /v1/status answers. Fields may be added to it;
// none is renamed.
type Status struct {
	Product    string      `json:"product"`
	Device     string      `json:"device"`
	Agent      string      `json:"agent"`          // name and version of the agent
	Uptime     int64       `json:"uptime_seconds"` // of the agent
	Connected  bool        `json:"connected"`
	Since      *time.Time  `json:"connected_since,omitempty"`
	Unreached  string      `json:"not_connected,omitempty"` // why there is no connection, if that is known
	Unusable   string      `json:"unusable,omitempty"`      // what of the platform's cannot be used, if anything
	Paused     *Pause      `json:"paused,omitempty"`
	Waiting    string      `json:"waiting"`          // one sentence: what the device does or waits for
	Remedy     string      `json:"remedy,omitempty"` // what ends the wait, or what the operator can do
	Components []Component `json:"components"`
	Plan       *Plan       `json:"plan,omitempty"`  // in hand; left out before the first
	Pending    int         `json:"pending_reports"` // not acknowledged by the platform
	StateFile  StateFile   `json:"journal"`
	SubDevices []Status    `json:"sub_devices,omitempty"` // those for which a gateway speaks
}

// Pause is the operator's wish that nothing new begins.
type Pause struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// Component is what one component of the device runs.
type Component struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Version string `json:"version"`          // empty if it never answered
	Silent  string `json:"silent,omitempty"` // why it does not say what it runs
	Release int64  `json:"release"`          // highest release counter that has run
}

// AnswerAsking is the Answer of a plan that waits for confirm or refuse.
const AnswerAsking = "asking"

// Plan is the current plan.
type Plan struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Attempt    int        `json:"attempt"`
	Ends       time.Time  `json:"ends"`
	Answer     string     `json:"answer"`          // unanswered, asking, refused, accepted or closed
	Local      string     `json:"local,omitempty"` // path of the package file, of a plan of the operator's
	Taken      *time.Time `json:"taken,omitempty"` // when the device took it up
	Components []Part     `json:"components"`
}

// targets are the versions that the plan brings, in its order.
func (p *Plan) targets() []string {
	targets := make([]string, len(p.Components))
	for i := range p.Components {
		targets[i] = p.Components[i].Target
	}
	return targets
}

// question is what an operator is asked to accept: "plan p-17, attempt 2: rootfs
// 1.0.0 to 1.1.0, motor to 3_1".
func (p *Plan) question() string {
	changes := make([]string, len(p.Components))
	for i, c := range p.Components {
		changes[i] = strings.TrimSpace(c.ID+" "+c.Version) + " to " + c.Target
	}
	return fmt.Sprintf("plan %s, attempt %d: %s", p.ID, p.Attempt, strings.Join(changes, ", "))
}

// Part is one component's part of the current plan.
type Part struct {
	ID      string     `json:"id"`
	Status  string     `json:"status"`         // by its name in messages
	Version string     `json:"version"`        // what the component runs now
	From    string     `json:"from,omitempty"` // what ran before
	Target  string     `json:"target"`
	At      *time.Time `json:"at,omitempty"`       // of the last change of status
	OnTrial bool       `json:"on_trial,omitempty"` // the component runs the target, which is not confirmed yet
	Done    int64      `json:"done,omitempty"`     // verified bytes of the running download
	Total   int64      `json:"total,omitempty"`    // bytes of it
	Failure *Failure   `json:"failure,omitempty"`
}

// Failure is why a component failed, or why it rolls back.
type Failure struct {
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// StateFile is the condition of the state on disk.
type StateFile struct {
	Saves   uint64 `json:"saves"`             // since the state directory was new
	Trouble string `json:"trouble,omitempty"` // why the state cannot be saved
	Worn    string `json:"worn,omitempty"`    // what did not verify at the start
}

// NewStatus writes down a view of the agent. The caller adds what the view does
// not know: agent, uptime, since and the state file's health.
func NewStatus(v agent.View) Status {
	s := Status{
		Product: v.Identity.Product, Device: v.Identity.Device,
		Connected: v.Connected, Unreached: v.Unreached, Unusable: v.Unusable,
		Waiting: v.Waiting, Remedy: v.Explained.Remedy, Pending: v.Pending,
		Components: make([]Component, 0, len(v.Components)),
		StateFile:  StateFile{Trouble: v.Trouble},
	}
	if v.Paused != nil {
		s.Paused = &Pause{Since: v.Paused.Since, Reason: v.Paused.Reason}
	}
	versions := make(map[string]string, len(v.Components))
	for _, c := range v.Components {
		versions[c.ID] = c.Version
		s.Components = append(s.Components, Component{ID: c.ID, Type: string(c.Type), Version: c.Version, Silent: c.Silent,
			Release: c.Release})
	}
	if v.Plan != nil {
		s.Plan = newPlan(v.Plan, versions)
	}
	return s
}

func newPlan(v *agent.PlanView, versions map[string]string) *Plan {
	p := &Plan{
		ID: v.ID, Name: v.Name, Attempt: v.Attempt, Ends: v.Ends, Answer: v.Answer, Local: v.Local, Taken: optional(v.Taken),
		Components: make([]Part, 0, len(v.Components)),
	}
	for _, c := range v.Components {
		p.Components = append(p.Components, Part{
			ID: c.ID, Status: c.Status.String(), Version: versions[c.ID], From: c.From, Target: c.Target, At: optional(c.At),
			OnTrial: c.OnTrial,
			Done:    c.Done, Total: c.Total, Failure: newFailure(c.Failure),
		})
	}
	return p
}

func newFailure(f *ota.Failure) *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Code: string(f.Code), Detail: f.Detail}
}
