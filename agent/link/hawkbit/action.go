package hawkbit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
)

// action is what device and hawkBit have said to each other about one action. Its id
// is the plan's.
type action struct {
	id      string
	address string // of its document, as the root gave it; empty if it did not yet
	waits   bool   // for the confirmation, as the root shows it
	read    reading
	attempt int  // of the plan, as the agent is asked for it
	again   bool // it was asked once more for a plan that it has done with

	wanted   []module            // its modules, in the order of upgrade
	found    []ota.PlanComponent // of those whose signed manifest was read
	plan     *ota.Plan           // nil before all of them were
	packages []*ota.Package      // one for each component of the plan
	answer   answer
	offered  time.Time // when the plan was last delivered
	refused  string    // the refusal that hawkBit knows; empty for none
	parts    []part    // of what the agent has reported
	seq      int       // the last report

	posts     []post
	cancelled cancel
	blocked   bool      // it is not found: the root must be looked at first
	missed    int       // answers in a row that it is not found
	closed    bool      // hawkBit knows the outcome
	ended     time.Time // when it was closed
	trouble   error     // why it makes no plan, or what is said of it is not taken; nil for nothing
}

// reading is how far the document of an action is known.
type reading uint8

const (
	unread    reading = iota
	manifests         // its signed manifests are being fetched
	complete          // plan and packages are known
	outOfTime         // the maintenance window is closed: it is read again after the next poll
)

// answer is what the agent said to the plan.
type answer uint8

const (
	unasked answer = iota
	asked
	accepted
	refused
)

// cancel is how far a cancellation has come.
type cancel uint8

const (
	notCancelled cancel = iota
	cancelShown         // the root shows it
	cancelPosted        // the agent has been told, and has not handled it yet
	cancelKnown         // the agent has handled it: what it reported decides
)

// part is what the agent has last reported of a component.
type part struct {
	id      string
	status  ota.Status
	version string
	failure *ota.Failure
}

// post is feedback that waits to be sent.
type post struct {
	component string // whose intermediate feedback it is; empty for that of the whole
	execution string
	finished  string
	text      string // for people; of the closing feedback it is made when it is sent
	confirm   bool   // it answers the confirmation
	closes    bool
}

// accept notes that the agent goes on with the plan, and tells hawkBit if it is new.
func (a *action) accept() {
	a.answer, a.refused = accepted, ""
	begun := slices.ContainsFunc(a.parts, func(p part) bool { return p.status != ota.PlanReceived })
	switch {
	case a.waits:
		a.posts = append(a.posts, post{confirm: true, execution: "confirmed"})
	case !begun:
		a.say(post{execution: "scheduled", finished: "none", text: "accepted"})
	}
}

// note takes a report of the agent.
func (a *action) note(r *ota.Report) {
	a.seq = r.Seq
	i := slices.IndexFunc(a.parts, func(p part) bool { return p.id == r.Component })
	if i < 0 {
		i = len(a.parts)
		a.parts = append(a.parts, part{id: r.Component})
	}
	a.parts[i] = part{r.Component, r.Status, r.Version, r.Failure}
	if p, worth := intermediate(&a.parts[i]); worth {
		a.say(p)
	}
}

// intermediate is the feedback for a step that does not close the action. Most steps
// are worth none: hawkBit keeps a thousand entries of an action, and refuses more.
func intermediate(p *part) (post, bool) {
	said := func(execution, format string, args ...any) (post, bool) {
		return post{component: p.id, execution: execution, finished: "none", text: p.id + ": " +
			fmt.Sprintf(format, args...)}, true
	}
	switch p.status {
	case ota.Downloading:
		return said("download", "downloading")
	case ota.DownloadSucceeded:
		return said("downloaded", "downloaded and verified")
	case ota.Upgrading:
		return said("proceeding", "installing; %s ran before", p.version)
	}
	if p.status.Done() || p.status.Failed() {
		return said("proceeding", "%s", p.outcome())
	}
	return post{}, false
}

// outcome is a component's end in words.
func (p *part) outcome() string {
	switch {
	case p.status == ota.NoUpdateRequired:
		return "runs " + p.version + " already"
	case p.status.Done():
		return "runs " + p.version
	case p.failure == nil:
		return p.status.String()
	case p.failure.Detail == "":
		return fmt.Sprintf("%s (%s); runs %s", p.status, p.failure.Code, p.version)
	}
	return fmt.Sprintf("%s (%s: %s); runs %s", p.status, p.failure.Code, p.failure.Detail, p.version)
}

// say queues feedback in the place of what is still to be said of the same component:
// only the last step counts for who reads it later.
func (a *action) say(p post) {
	a.posts = slices.DeleteFunc(a.posts, func(q post) bool { return q.component == p.component && !q.confirm })
	a.posts = append(a.posts, p)
}

// over reports whether the agent has nothing left to do for the plan, and whether it
// has succeeded.
func (a *action) over(mode ota.OnFailure) (over, succeeded bool) {
	if len(a.parts) == 0 {
		return false, false
	}
	ended, failed, upgraded := true, false, false
	for i := range a.parts {
		switch status := a.parts[i].status; {
		case status.Failed():
			failed = true
		case status == ota.UpgradeSucceeded:
			upgraded = true
		case status.Done():
		case status == ota.PlanReceived || status == ota.UpgradeConfirmed:
			ended = false
		default:
			return false, false // in the middle of it
		}
	}
	switch {
	case !failed:
		return ended, ended
	case mode == ota.Continue:
		return ended, false
	case mode == ota.Revert:
		return !upgraded, false
	}
	return true, false
}

// switching reports whether a component is being switched, which nothing stops.
func (a *action) switching() bool {
	return slices.ContainsFunc(a.parts, func(p part) bool { return p.status == ota.Upgrading })
}

// summary lists the components that have come to their end, with what became of them.
func (a *action) summary() []string {
	var lines []string
	for i := range a.parts {
		if p := &a.parts[i]; p.status.Done() || p.status.Failed() {
			lines = append(lines, p.id+": "+p.outcome())
		}
	}
	return lines
}

// ordered puts chunks into the order of upgrade: by the metadata ota.order, then by
// name. hawkBit itself keeps none.
func ordered(chunks []chunk) []chunk {
	rank := func(c *chunk) string {
		for _, m := range c.Metadata {
			if m.Key == orderKey {
				return m.Value
			}
		}
		return ""
	}
	sorted := slices.Clone(chunks)
	slices.SortStableFunc(sorted, func(a, b chunk) int {
		// Numbers of equal length compare as texts; those without come last.
		x, y := rank(&a), rank(&b)
		if (x == "") != (y == "") {
			return cmp.Compare(len(y), len(x))
		}
		return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y), strings.Compare(a.Name, b.Name))
	})
	return sorted
}

// orderKey is the metadata of a software module that says when it has its turn.
const orderKey = "ota.order"
