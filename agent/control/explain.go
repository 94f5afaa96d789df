package control

import (
	"time"

	"otafleet/agent"
)

// Explanation is the document that GET /v1/explain answers: what the device does
// or waits for, and what ends that.
type Explanation struct {
	State    string     `json:"state"` // one word of agent.States
	Sentence string     `json:"sentence"`
	Since    *time.Time `json:"since,omitempty"`
	Again    *time.Time `json:"again,omitempty"`    // when the device looks again by itself
	Deadline *time.Time `json:"deadline,omitempty"` // when the wait is given up
	Remedy   string     `json:"remedy,omitempty"`   // what ends the wait, or what the operator can do
	Checks   []Check    `json:"checks"`             // what it depends on whether a plan may begin
}

// Check is one thing on which it depends whether a plan may begin.
type Check struct {
	Name  string `json:"name"` // pause, busy, connection, battery, signal, space or window
	Holds bool   `json:"holds"`
	Have  string `json:"have,omitempty"` // what is measured
	Need  string `json:"need,omitempty"` // what the plan asks for
}

// NewExplanation writes down what a view explains.
func NewExplanation(v agent.View) Explanation {
	e := Explanation{
		State: v.Explained.State, Sentence: v.Explained.Sentence, Remedy: v.Explained.Remedy, Checks: []Check{},
		Since: optional(v.Explained.Since), Again: optional(v.Explained.Again), Deadline: optional(v.Explained.Deadline),
	}
	for _, c := range v.Explained.Checks {
		e.Checks = append(e.Checks, Check(c))
	}
	return e
}

// optional is nil for the zero time, which stands for one that is not known.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
