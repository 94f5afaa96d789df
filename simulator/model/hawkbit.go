package model

import (
	"errors"
	"fmt"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// checkHawkBit refuses what hawkBit's wire has no words for.
func checkHawkBit(s *scenario.Scenario) error {
	var problems []error
	for i := range s.Plans {
		problems = append(problems, checkHawkBitPlan(&s.Plans[i]), checkOnce(&s.Plans[i], "hawkBit"))
	}
	for i := range s.Fleets {
		problems = append(problems, checkHawkBitFleet(s, &s.Fleets[i]))
	}
	for i := range s.Faults {
		problems = append(problems, checkHawkBitFault(&s.Faults[i]))
	}
	return errors.Join(problems...)
}

func checkHawkBitPlan(p *scenario.Plan) error {
	key := "plans." + p.Name
	switch {
	case p.Mode != ota.Silent:
		return unsaid(key+".mode", "hawkBit knows no user of a device beside the device itself")
	case p.Window != nil:
		return unsaid(key+".window", "hawkBit has no hours in which a plan is pushed, and shows it to whoever asks")
	case !p.Push:
		return unsaid(key+".push", "hawkBit shows a plan to whoever asks, and its devices always do")
	case p.Rejection != 0 && p.Rejection != ota.DefaultQuiet:
		return unsaid(key+".rejection", "hawkBit has no pause after a refusal, and shows the plan to whoever asks")
	}
	return nil
}

// checkHawkBitFleet refuses plans that ask different things of a device on which they
// would have to be configured.
func checkHawkBitFleet(s *scenario.Scenario, f *scenario.Fleet) error {
	return checkAlike(s, f, "hawkBit", func(first, other *scenario.Plan) string {
		switch {
		case !same(first.Conditions.MinBattery, other.Conditions.MinBattery),
			!same(first.Conditions.MinRSSI, other.Conditions.MinRSSI):
			return "conditions"
		case first.OnFailure != other.OnFailure:
			return "on_failure"
		}
		return ""
	})
}

func same(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }

func checkHawkBitFault(f *scenario.Fault) error {
	key := fmt.Sprintf("faults.%s (%s at %s)", f.Name, f.Kind, f.At)
	switch f.Kind {
	case scenario.SessionTaken:
		return unsaid(key, "hawkBit keeps no session that another client could take over")
	case scenario.DuplicateMessage, scenario.ReorderMessages, scenario.DelayMessage:
	default:
		return nil
	}
	if f.At == scenario.At(ota.PlanReceived) || f.At == scenario.At(ota.UpgradeConfirmed) {
		return nil
	}
	return unsaid(key, "hawkBit has no message for each report that could come twice, late or out of turn")
}
