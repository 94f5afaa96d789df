package host

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

const (
	approveLimit = 10 * time.Minute
	exitLater    = 75 // as in a handler's contract
)

// Approver is a program that answers plans (agent.Confirmer).
type Approver struct {
	Args   []string // the program and its arguments
	Device string   // for the program: OTA_DEVICE
}

// Confirm runs the program: exit code 0 approves, 75 wants to be asked again,
// anything else declines with its last words.
func (a *Approver) Confirm(ctx context.Context, plan *ota.Plan) (accept bool, detail string, err error) {
	program := firmware.Program{Args: a.Args, Limit: approveLimit,
		Env: append(planEnvironment(plan), "OTA_DEVICE="+a.Device)}
	outcome, err := program.Run(ctx)
	switch {
	case err != nil:
		return false, "", err
	case outcome.Exit == exitLater:
		return false, "", fmt.Errorf("%w: %w", firmware.ErrRetry, outcome.Failed())
	}
	return outcome.Exit == 0, strings.TrimSpace(outcome.Stderr), nil
}

// planEnvironment tells the program what the plan is about. OTA_COMPONENTS has
// a line "id target bytes" for each component.
func planEnvironment(plan *ota.Plan) []string {
	var components []string
	for _, c := range plan.Components {
		components = append(components, fmt.Sprintf("%s %s %d", c.ID, c.Target, c.Size))
	}
	return []string{
		"OTA_PLAN=" + plan.ID, "OTA_PLAN_NAME=" + plan.Name, "OTA_ATTEMPT=" + strconv.Itoa(plan.Attempt),
		"OTA_ENDS=" + plan.Ends.UTC().Format(time.RFC3339), "OTA_COMPONENTS=" + strings.Join(components, "\n"),
	}
}
