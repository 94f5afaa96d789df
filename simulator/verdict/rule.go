package verdict

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// RuleResult is what became of one rule of a scenario.
type RuleResult struct {
	Name   string
	Fleet  string // empty for all
	Broken int    // devices that broke it
	first  ranking[string]
}

// keptBreaches is how many devices a rule's result names.
const keptBreaches = 5

func newRuleResult(r *scenario.Rule) RuleResult {
	return RuleResult{Name: r.Name, Fleet: r.Fleet, first: ranking[string]{most: keptBreaches}}
}

// First tells how the first devices broke the rule, at most 5, in the order of
// the devices.
func (r *RuleResult) First() []string { return r.first.values() }

func (r *RuleResult) merge(other *RuleResult) {
	r.Broken += other.Broken
	r.first.merge(&other.first)
}

// ruleState is how far one device is in one rule.
type ruleState struct {
	after  bool   // an event that fits After has come
	open   moment // the first event that fits Match and was not followed yet
	broken bool
	breach string
}

// watch is a rule prepared to be asked often.
type watch struct {
	rule        *scenario.Rule
	fleet       int // -1 for all
	match       pattern
	after, then *pattern
}

// pattern is a scenario.Pattern in the words of events.
type pattern struct {
	kind      Kind
	n         int64 // of Answered and StatusIs
	plan      string
	component string
	status    *ota.Status
	text      string // the fault or the code
}

func newWatch(r *scenario.Rule, fleets map[string]int) watch {
	w := watch{rule: r, fleet: -1, match: *newPattern(&r.Match)}
	if r.Fleet != "" {
		w.fleet = fleets[r.Fleet]
	}
	if r.After != nil {
		w.after = newPattern(r.After)
	}
	if r.Then != nil {
		w.then = newPattern(r.Then)
	}
	return w
}

func newPattern(p *scenario.Pattern) *pattern {
	q := &pattern{plan: p.Plan, component: p.Component, status: p.Status, text: p.Fault + string(p.Code)}
	switch p.Event {
	case scenario.EventArrived:
		q.kind = Arrived
	case scenario.EventConnected:
		q.kind = Connected
	case scenario.EventDisconnected:
		q.kind = Disconnected
	case scenario.EventPowerCut:
		q.kind = PowerCut
	case scenario.EventFaultFired:
		q.kind = FaultFired
	case scenario.EventDownloaded:
		q.kind = Downloaded
	case scenario.EventNumbered:
		q.kind = Numbered
	case scenario.EventStored:
		q.kind = Stored
	case scenario.EventConfirmed:
		q.kind, q.n = Answered, 1
	case scenario.EventRefused:
		q.kind = Answered
	case scenario.EventUpgraded:
		q.kind, q.n = StatusIs, int64(ota.DeviceUpgraded)
	case scenario.EventUpgradeFailed:
		q.kind, q.n = StatusIs, int64(ota.DeviceUpgradeFailed)
	case scenario.EventViolation:
		q.kind = Violation
	}
	return q
}

// fits reports whether an event is what the pattern says.
func (p *pattern) fits(e *Event) bool {
	switch {
	case e.Kind != p.kind,
		p.plan != "" && e.Plan != p.plan,
		p.component != "" && e.Component != p.component,
		p.status != nil && e.Status != *p.status,
		p.text != "" && e.Text != p.text:
		return false
	}
	return e.Kind != Answered && e.Kind != StatusIs || e.N == p.n
}

// judgeRules lets the device's next event move its rules on.
func (d *DeviceJudge) judgeRules(e *Event) {
	watches := d.judge.watches
	for i := range watches {
		if w := &watches[i]; w.fleet < 0 || w.fleet == d.fleet {
			d.rules[i].take(w, e)
		}
	}
}

// take moves a rule on. An event is never its own predecessor or successor.
func (s *ruleState) take(w *watch, e *Event) {
	if s.broken {
		return
	}
	if s.open.valid && w.then.fits(e) {
		s.open.valid = false
		if late := e.At - s.open.at; w.rule.Within > 0 && late > w.rule.Within {
			s.breakAt(s.open.at, fmt.Sprintf("%s, and %s only %s later", &w.rule.Match, w.rule.Then, Seconds(late)))
		}
	}
	if (w.after == nil || s.after) && w.match.fits(e) {
		switch {
		case w.rule.Never:
			s.breakAt(e.At, w.what())
		case !s.open.valid:
			s.open = moment{e.At, true}
		}
	}
	if w.after != nil && !s.after {
		s.after = w.after.fits(e)
	}
}

// what is the event that breaks a rule of never, in words.
func (w *watch) what() string {
	if w.rule.After == nil {
		return w.rule.Match.String()
	}
	return w.rule.Match.String() + " after " + w.rule.After.String()
}

func (s *ruleState) breakAt(at time.Duration, what string) {
	s.broken, s.breach = true, Seconds(at)+": "+what
}

// closeRules ends the device's rules. What was not followed breaks its rule,
// unless there was still time when the run had to end.
func (d *DeviceJudge) closeRules() {
	for i := range d.judge.watches {
		w, s := &d.judge.watches[i], &d.rules[i]
		due := s.open.at + w.rule.Within
		if s.open.valid && !s.broken && (w.rule.Within == 0 || due <= d.judge.scenario.Duration) {
			s.breakAt(s.open.at, fmt.Sprintf("%s, and no %s followed", &w.rule.Match, w.rule.Then))
		}
		if s.broken {
			result := &d.judge.sums.Rules[i]
			result.Broken++
			result.first.add(0, d.ordinal, d.Name()+" at "+s.breach)
		}
	}
}
