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
	// Occasions is how often the rule was asked: events that another one had to
	// follow, or after which there was to be no other; for a rule of never without
	// after, devices. Without one the rule says nothing.
	Occasions int

	seen  bool // what the rule names was there at all
	first ranking[string]
}

// keptBreaches is how many devices a rule's result names.
const keptBreaches = 5

func newRuleResult(r *scenario.Rule) RuleResult {
	return RuleResult{Name: r.Name, Fleet: r.Fleet, first: ranking[string]{most: keptBreaches}}
}

// First says how the first devices broke the rule, at most 5, in the order of
// the devices.
func (r *RuleResult) First() []string { return r.first.values() }

func (r *RuleResult) merge(other *RuleResult) {
	r.Broken += other.Broken
	r.Occasions += other.Occasions
	r.seen = r.seen || other.seen
	r.first.merge(&other.first)
}

// ruleState is how far one device is in one rule.
type ruleState struct {
	occasions int
	after     bool   // an event that fits After has come
	open      moment // the first event that fits Match and was not followed yet
	broken    bool
	breach    string
}

// watch is a rule prepared to be asked often.
type watch struct {
	rule        *scenario.Rule
	fleet       int // -1 for all
	match       pattern
	after, then *pattern
	names       *pattern // of what must have been there somewhere; nil for nothing
}

// pattern is a scenario.Pattern in the words of events.
type pattern struct {
	kind      Kind
	n         int64 // of Answered and StatusIs
	plan      string
	rounds    *scenario.Plan // of which a plan may be a round; nil if it comes once
	component string
	status    *ota.Status
	text      string // the fault or the code
}

// isOf reports whether an event is of the pattern's plan, or of a round of it.
func (p *pattern) isOf(e *Event) bool {
	return p.plan == "" || e.Plan == p.plan || p.rounds != nil && p.rounds.IsOf(e.Plan)
}

func newWatch(s *scenario.Scenario, r *scenario.Rule, fleets map[string]int) watch {
	w := watch{rule: r, fleet: -1, match: *newPattern(s, &r.Match)}
	if r.Fleet != "" {
		w.fleet = fleets[r.Fleet]
	}
	if r.After != nil {
		w.after = newPattern(s, r.After)
	}
	if r.Then != nil {
		w.then = newPattern(s, r.Then)
	}
	if r.Never && r.After == nil {
		w.names = namedBy(&w.match)
	}
	return w
}

// namedBy is what some device must have had for the absence of the event to mean
// something: a plan that reached no device cannot fail, and neither can a component
// that no device reported of.
func namedBy(p *pattern) *pattern {
	reports := p.kind == Numbered || p.kind == Stored
	if p.plan == "" && p.component == "" && (!reports || p.status == nil && p.text == "") {
		return nil
	}
	return &pattern{plan: p.plan, rounds: p.rounds, component: p.component}
}

// namedIn reports whether an event is about what the pattern names, whatever has
// happened: without a plan, any report.
func (p *pattern) namedIn(e *Event) bool {
	if !p.isOf(e) || p.component != "" && e.Component != p.component {
		return false
	}
	return p.plan != "" || e.Kind == Numbered || e.Kind == Stored
}

func newPattern(s *scenario.Scenario, p *scenario.Pattern) *pattern {
	q := &pattern{plan: p.Plan, component: p.Component, status: p.Status, text: p.Fault + string(p.Code)}
	q.rounds = s.Repeated(p.Plan)
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
		!p.isOf(e),
		p.component != "" && e.Component != p.component,
		p.status != nil && e.Status != *p.status,
		p.text != "" && e.Text != p.text:
		return false
	}
	return e.Kind != Answered && e.Kind != StatusIs || e.N == p.n
}

// judgeRules moves the device's rules on by its next event.
func (d *DeviceJudge) judgeRules(e *Event) {
	watches := d.judge.watches
	for i := range watches {
		w, result := &watches[i], &d.judge.sums.Rules[i]
		if w.names != nil && !result.seen {
			result.seen = w.names.namedIn(e)
		}
		if state := &d.rules[i]; w.isAbout(d) && !state.broken {
			state.take(w, e)
			if state.broken {
				d.judge.sums.Windows.breakRule(e.At)
			}
		}
	}
}

// isAbout reports whether a device is of the rule's fleet.
func (w *watch) isAbout(d *DeviceJudge) bool { return w.fleet < 0 || w.fleet == d.fleet }

// take moves a rule on that is not broken. An event is never its own predecessor or successor.
func (s *ruleState) take(w *watch, e *Event) {
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
		if !w.rule.Never {
			s.occasions++
		}
	}
	if w.after != nil && w.after.fits(e) {
		s.after = true
		if w.rule.Never {
			s.occasions++
		}
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
		w, s, result := &d.judge.watches[i], &d.rules[i], &d.judge.sums.Rules[i]
		result.Occasions += s.occasions
		if w.rule.Never && w.after == nil && w.isAbout(d) {
			result.Occasions++
		}
		due := s.open.at + w.rule.Within
		if s.open.valid && !s.broken && (w.rule.Within == 0 || due <= d.judge.scenario.Duration) {
			s.breakAt(s.open.at, fmt.Sprintf("%s, and no %s followed", &w.rule.Match, w.rule.Then))
			d.judge.sums.Windows.breakRule(s.open.at)
		}
		if s.broken {
			result.Broken++
			result.first.add(0, d.ordinal, d.Name()+" at "+s.breach)
		}
	}
}
