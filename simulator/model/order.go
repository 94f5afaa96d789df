package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// keptRefusals is how many refused orders a run tells of: an order may be refused for
// every device.
const keptRefusals = 20

// keptRefusal is how much of a refused order's text is kept, in bytes.
const keptRefusal = 300

// Refusals are orders of the scenario that the platform did not carry out, each once.
// The zero value has none. It is not safe for concurrent use.
type Refusals struct{ orders []refusal }

type refusal struct {
	at   time.Duration
	text string
}

// Add notes that an order was refused, and why; not the answer of a user, who may come
// too late like any other.
func (r *Refusals) Add(command engine.Command, at time.Duration, reason error) {
	name := orderName(command)
	if name == "" {
		return
	}
	text := fmt.Sprintf("%s at %s: %s", name, verdict.Seconds(at), reason)
	if len(text) > keptRefusal {
		text = strings.ToValidUTF8(text[:keptRefusal], "") + "…"
	}
	r.keep(refusal{at, text})
}

// Merge adds what another platform has refused.
func (r *Refusals) Merge(other *Refusals) {
	for _, order := range other.orders {
		r.keep(order)
	}
}

// None reports whether no order was refused.
func (r *Refusals) None() bool { return len(r.orders) == 0 }

// Texts tells of the first orders, in their order.
func (r *Refusals) Texts() (texts []string) {
	for _, order := range r.orders {
		texts = append(texts, order.text)
	}
	return texts
}

// keep puts an order in its place, if it is one of the first and not there yet.
func (r *Refusals) keep(order refusal) {
	i, known := slices.BinarySearchFunc(r.orders, order, func(a, b refusal) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.text, b.text))
	})
	if known {
		return
	}
	r.orders = slices.Insert(r.orders, i, order)
	r.orders = r.orders[:min(len(r.orders), keptRefusals)]
}

// orderName is what the scenario calls an order; empty for what is none of it.
func orderName(command engine.Command) string {
	switch command.(type) {
	case engine.Activate:
		return "activation"
	case engine.Suspend:
		return string(scenario.SuspendPlan)
	case engine.Resume:
		return string(scenario.ResumePlan)
	case engine.Terminate:
		return string(scenario.TerminatePlan)
	case engine.RetryDevices:
		return string(scenario.RetryPlan)
	}
	return ""
}
