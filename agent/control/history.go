package control

import (
	"encoding/json"
	"time"

	"otafleet/agent"
)

// History is the document that GET /v1/history answers.
type History struct {
	Plans []PastPlan `json:"plans"` // that the device remembers, oldest first; the last one is in hand
}

// PastPlan is a plan and what became of it.
type PastPlan struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Attempt    int        `json:"attempt"`
	Answer     string     `json:"answer"`          // as in a Plan
	Local      string     `json:"local,omitempty"` // path of the package file, of a plan of the operator's
	Taken      *time.Time `json:"taken,omitempty"` // when the device took it up
	Components []PastPart `json:"components"`
}

// PastPart is what became of one component under a plan.
type PastPart struct {
	ID      string     `json:"id"`
	From    string     `json:"from,omitempty"` // what ran before
	Target  string     `json:"target"`
	Status  string     `json:"status"`       // by its name in messages
	At      *time.Time `json:"at,omitempty"` // when it came to that
	Failure *Failure   `json:"failure,omitempty"`
}

// Events is the document that GET /v1/events answers: the lines of the event log,
// oldest first.
type Events struct {
	Events []json.RawMessage `json:"events"`
}

// NewHistory writes down the plans of a view.
func NewHistory(v agent.View) History {
	h := History{Plans: []PastPlan{}}
	for i := range v.Past {
		h.Plans = append(h.Plans, newPastPlan(&v.Past[i]))
	}
	if v.Plan != nil {
		h.Plans = append(h.Plans, newPastPlan(v.Plan))
	}
	return h
}

func newPastPlan(v *agent.PlanView) PastPlan {
	p := PastPlan{ID: v.ID, Name: v.Name, Attempt: v.Attempt, Answer: v.Answer, Local: v.Local, Taken: optional(v.Taken),
		Components: []PastPart{}}
	for _, c := range v.Components {
		p.Components = append(p.Components, PastPart{ID: c.ID, From: c.From, Target: c.Target, Status: c.Status.String(),
			At: optional(c.At), Failure: newFailure(c.Failure)})
	}
	return p
}
