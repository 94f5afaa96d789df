package model

import (
	"net/http"
	"path"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// The pause between two polls of a device keeps the idle polls of a fleet few, and
// its devices from sleeping through a short run.
const (
	pollRate   = 200 // polls a second of a whole fleet
	pollShare  = 20  // polls at least within a run
	pollLonger = 5 * time.Minute
)

// PollPause is the pause between two polls of a device, in whole seconds.
func PollPause(devices int, run time.Duration) time.Duration {
	pause := min(time.Duration(devices)*time.Second/pollRate, run/pollShare, pollLonger)
	return max(time.Second, pause.Truncate(time.Second))
}

// HawkBitPlace is where in its life a device is that makes a request of hawkBit's API:
// AtPoll or AtReport; empty for neither.
func HawkBitPlace(method, address string) scenario.Place {
	switch before, last := path.Split(address); {
	case method == http.MethodPost && last == "feedback":
		return scenario.AtReport
	case method == http.MethodGet && strings.HasSuffix(before, "/controller/v1/"):
		return scenario.AtPoll
	}
	return ""
}

// PlanNames are what the scenario calls the plans of a device to which the platform has
// given ids of its own. The zero value has none.
type PlanNames [][2]string

// Learn takes a plan that the device is given.
func (n *PlanNames) Learn(s *scenario.Scenario, f *scenario.Fleet, plan *ota.Plan) {
	if name := PlanName(s, f, plan); n.Of(plan.ID) == plan.ID && name != plan.ID {
		*n = append(*n, [2]string{plan.ID, name})
	}
}

// Of is the name of a plan; its id if it has no other.
func (n PlanNames) Of(id string) string {
	for i := range n {
		if n[i][0] == id {
			return n[i][1]
		}
	}
	return id
}
