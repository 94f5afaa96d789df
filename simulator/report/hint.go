package report

import (
	"fmt"
	"strings"

	"otafleet/internal/ota"
	"otafleet/simulator/verdict"
)

// idleLines say why devices never began, a line for each reason.
func idleLines(v *verdict.Verdict) []string {
	var lines []string
	for _, g := range v.Figures.IdleGroups(v.Scenario) {
		line := fmt.Sprintf("%s: %d: %s%s", g.Class, g.Devices, g.Reason, hint(g.Reason))
		lines = append(lines, line+", such as "+g.Example)
	}
	return lines
}

// hint says in words what a platform means by its reason for no plan; empty for
// another reason.
func hint(reason string) string {
	words := map[ota.NoPlanReason]string{
		ota.NoPlanUpToDate:     "everything runs what its plans bring",
		ota.NoPlanNone:         "no plan is for such a device, or the one for its key came to an end in an earlier run",
		ota.NoPlanNotListed:    "the plan is for other devices",
		ota.NoPlanSuspended:    "the plan is suspended",
		ota.NoPlanOutsideHours: "it is not the time of day at which the plan is sent",
		ota.NoPlanAwaitingUser: "a user has to approve the plan",
		ota.NoPlanEnded:        "the plan has ended",
	}[ota.NoPlanReason(strings.TrimPrefix(reason, verdict.PlatformSays))]
	if words == "" {
		return ""
	}
	return " (" + words + ")"
}
