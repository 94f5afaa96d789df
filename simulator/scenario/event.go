package scenario

import (
	"slices"
	"time"
)

// Event is something that happens once, at a time, to the world or to a plan.
type Event struct {
	// after the start of the run, before its end; a plan that starts or a thing that comes back then
	// does so before
	At    time.Duration
	Do    Action
	For   time.Duration // then it is undone; 0 for at once or for good, as the action says
	Fleet string        // the devices that it is about; empty for all
	Plan  string        // the plan that it is about; empty for an action that is about none
}

// Action is what an event does.
type Action string

// The actions. Actions says what each does.
const (
	KillBroker      Action = "kill_broker"
	KillStore       Action = "kill_store"
	KillPlatform    Action = "kill_platform"
	Partition       Action = "partition"
	ExpireAddresses Action = "expire_addresses"
	ReconnectStorm  Action = "reconnect_storm"
	SuspendPlan     Action = "suspend_plan"
	ResumePlan      Action = "resume_plan"
	TerminatePlan   Action = "terminate_plan"
	RetryPlan       Action = "retry_plan"
)

// The parameters of actions, beside ParamFor.
const (
	ParamFleet = "fleet"
	ParamPlan  = "plan"
)

// ActionRow is one line of the table of actions.
type ActionRow struct {
	Action   Action
	Sentence string   // what happens
	Needs    []string // what must be said of it besides its time
	Params   []string // what else can be said of it
}

// Actions returns the table of actions.
func Actions() []ActionRow {
	lasting, plan := []string{ParamFor}, []string{ParamPlan}
	return []ActionRow{
		{KillBroker, "the broker dies with every session, and comes back after a time", lasting, nil},
		{KillStore, "the object store dies with every download, and comes back after a time", lasting, nil},
		{KillPlatform, "the platform dies, comes back after a time, and goes on from what it has stored", lasting, nil},
		{Partition, "devices reach neither broker nor storage, and nothing tells them, until it ends after a time", lasting,
			[]string{ParamFleet}},
		{ExpireAddresses, "every package address that was issued before is refused from now on", nil, nil},
		{ReconnectStorm, "sessions are cut, all at the same moment", nil, []string{ParamFleet}},
		{SuspendPlan, "the plan is held back from devices that have not confirmed it; after a time, if given, it is resumed",
			plan, lasting},
		{ResumePlan, "the suspended plan goes on", plan, nil},
		{TerminatePlan, "the plan ends for good for devices that have not confirmed it", plan, nil},
		{RetryPlan, "each device that failed under the plan gets another try, with all its retries", plan, nil},
	}
}

// Row is the action's line of the table; false for an unknown action.
func (a Action) Row() (ActionRow, bool) {
	for _, row := range Actions() {
		if row.Action == a {
			return row, true
		}
	}
	return ActionRow{}, false
}

// Takes reports whether the action has a parameter.
func (r ActionRow) Takes(param string) bool {
	return slices.Contains(r.Params, param) || slices.Contains(r.Needs, param)
}
