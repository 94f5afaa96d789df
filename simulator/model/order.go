package model

import (
	"fmt"
	"strings"
	"time"

	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// KeptRefusals is how many refused orders a run remembers: an order may be refused
// for every device.
const KeptRefusals = 20

// keptRefusal is how much of a refused order's text is kept, in bytes.
const keptRefusal = 300

// Refused says that the platform did not carry out an order of the scenario, and
// why; false for the answer of a user, who may come too late like any other.
func Refused(command engine.Command, at time.Duration, reason error) (text string, told bool) {
	name := orderName(command)
	if name == "" {
		return "", false
	}
	text = fmt.Sprintf("%s at %s: %s", name, verdict.Seconds(at), reason)
	if len(text) > keptRefusal {
		text = strings.ToValidUTF8(text[:keptRefusal], "") + "…"
	}
	return text, true
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
