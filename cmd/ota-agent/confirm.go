package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

const (
	confirmLimit = 10 * time.Minute
	confirmAgain = time.Minute
	exitLater    = 75 // as in a handler's contract
)

// confirmer lets a program answer plans.
type confirmer struct {
	args   []string
	device string
	log    *slog.Logger
}

// Confirm runs the program until it has an answer: exit code 0 agrees, 75 wants
// to be asked again in a minute, anything else declines with its last words.
func (c *confirmer) Confirm(ctx context.Context, plan *ota.Plan) (accept bool, detail string, err error) {
	program := firmware.Program{Args: c.args, Limit: confirmLimit, Env: append(planEnvironment(plan), "OTA_DEVICE="+c.device)}
	for {
		outcome, err := program.Run(ctx)
		switch {
		case err != nil:
			return false, "", err
		case outcome.Exit == 0:
			return true, "", nil
		case outcome.Exit != exitLater:
			return false, strings.TrimSpace(outcome.Stderr), nil
		}
		c.log.Info("the confirm command wants to be asked again", "plan", plan.ID, "wait", confirmAgain)
		timer := time.NewTimer(confirmAgain)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false, "", ctx.Err()
		}
	}
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
