package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// Expectation is one expectation of a scenario, held against the figures.
type Expectation struct {
	Name     string // as the scenario says it: devices.upgraded >= 99%
	Fleet    string // empty for the whole run
	Measured string // what was found
	Held     bool
	Deferred bool // some of a scenario's devices cannot decide it. Held is true
	// Occasions is on how much it was judged: devices, reports, times that were
	// measured, times that a rule was asked. What was judged on nothing does not
	// hold, but for what is always there and for counts of reports.
	Occasions int
}

// Held reports whether every expectation did. A run without expectations held.
func Held(all []Expectation) bool {
	for _, e := range all {
		if !e.Held {
			return false
		}
	}
	return true
}

// Expect holds the expectations of a scenario against the figures. Some are always
// there: every device is accounted for, the invariants held, and, as far as the scenario
// says nothing else, no report is lost or wrong.
func Expect(s *scenario.Scenario, f *Figures) []Expectation {
	x := &expecting{scenario: s, figures: f, part: f.partOf(s)}
	x.always()
	expect := &s.Expect
	for _, e := range expect.Devices {
		x.devices(e)
	}
	for _, e := range expect.Components {
		x.component(e)
	}
	for _, e := range expect.Platform {
		x.platform(e)
	}
	for _, e := range expect.Reports {
		x.reports(e)
	}
	for _, e := range expect.Times {
		x.time(e)
	}
	if expect.Windows != nil {
		x.windows(*expect.Windows)
	}
	for _, e := range expect.Drifts {
		x.drift(e)
	}
	for _, e := range expect.FaultsFired {
		x.fault(e)
	}
	if expect.AllFaultsFired {
		x.allFaults()
	}
	for i := range f.Rules {
		x.rule(&expect.Rules[i], &f.Rules[i])
	}
	return x.all
}

// expecting gathers the expectations of a scenario.
type expecting struct {
	scenario *scenario.Scenario
	figures  *Figures
	part     portion
	all      []Expectation
}

// always adds what no scenario has to name.
func (x *expecting) always() {
	f := x.figures
	unaccounted := f.Classes[scenario.Unaccounted]
	x.all = append(x.all,
		Expectation{Name: "every device is accounted for", Measured: fmt.Sprintf("%d unaccounted", unaccounted),
			Held: unaccounted == 0, Occasions: f.Devices},
		Expectation{Name: "invariants held", Measured: ota.Counted(f.Violations, "violation"),
			Held: f.Violations == 0, Occasions: f.Devices})
	if e, some := expectFaultless(x.scenario, &f.Reports); some {
		x.all = append(x.all, e)
	}
	if x.part == chosen {
		x.all = append(x.all, expectEnds(x.scenario, f))
	}
}

// expectFaultless is about the figures of reports of which the scenario says
// nothing; false if it has an expectation for each of them.
func expectFaultless(s *scenario.Scenario, r *Reports) (e Expectation, some bool) {
	var names, found []string
	held := true
	for _, figure := range scenario.Faultless() {
		if slices.ContainsFunc(s.Expect.Reports, func(e scenario.ReportExpectation) bool { return e.Figure == figure }) {
			continue
		}
		n, word := r.Figure(figure), strings.ReplaceAll(string(figure), "_", " ")
		names, found = append(names, word), append(found, fmt.Sprintf("%d %s", n, word))
		held = held && n == 0
	}
	e = Expectation{Name: "no report is " + anyOf(names), Measured: strings.Join(found, ", "),
		Held: held, Occasions: r.Numbered}
	return e, len(names) > 0
}

// anyOf lists words: lost, illegal or conflicting.
func anyOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// add adds an expectation that was judged on whole figures. nothing says what was
// missing if there was no occasion.
func (x *expecting) add(e Expectation, nothing string) {
	if e.Occasions == 0 {
		e.Held, e.Measured = false, nothing
		if x.part != whole {
			e = e.deferred(x.part)
		}
	}
	x.all = append(x.all, e)
}

// count adds an expectation on a number n out of the e.Occasions that these devices
// have, out of so many in the whole run. others is negative if unknown. nothing is what
// was missing without an occasion; empty if it needs none.
func (x *expecting) count(e Expectation, c scenario.Comparison, n, others int, nothing string) {
	e.Measured, e.Held = count(n, e.Occasions, c.Percent), c.Holds(n, e.Occasions)
	if e.Occasions == 0 && nothing != "" {
		x.add(e, nothing)
		return
	}
	x.all = append(x.all, x.part.judge(e, c, n, others))
}

func (x *expecting) devices(e scenario.DeviceExpectation) {
	f, s := x.figures, x.scenario
	of, all := FleetCount{Count: f.Devices, Classes: f.Classes}, s.Devices()
	if e.Fleet != "" {
		of, all = f.fleet(e.Fleet), s.Fleet(e.Fleet).Count
	}
	x.count(Expectation{Name: e.String(), Fleet: e.Fleet, Occasions: of.Count},
		e.Comparison, of.Classes[e.Class], all-of.Count, "there is no device")
}

// fleet finds what became of a fleet; nothing if it is not known.
func (f *Figures) fleet(name string) FleetCount {
	for _, fleet := range f.Fleets {
		if fleet.Name == name {
			return fleet
		}
	}
	return FleetCount{}
}

// component counts out of all devices that have the component.
func (x *expecting) component(e scenario.ComponentExpectation) {
	f, total, all := x.figures, 0, 0
	for i := range x.scenario.Fleets {
		if fleet := &x.scenario.Fleets[i]; fleet.Component(e.Component) != nil {
			total += f.Fleets[i].Count
			all += fleet.Count
		}
	}
	x.count(Expectation{Name: e.String(), Occasions: total},
		e.Comparison, f.Components[e.Component][e.Status.String()], all-total, "no device has it")
}

// platform counts out of all devices, or out of those that a plan is for. What the
// platform has never said anything of is not upgraded for it.
func (x *expecting) platform(e scenario.PlatformExpectation) {
	f, total, all := x.figures, x.figures.Devices, x.scenario.Devices()
	if e.Plan != "" {
		p := x.scenario.Plan(e.Plan)
		total, all = 0, x.scenario.Covered(p)
		for i := range x.scenario.Fleets {
			if p.Covers(&x.scenario.Fleets[i]) {
				total += f.Fleets[i].Count
			}
		}
	}
	x.count(Expectation{Name: e.String(), Occasions: total}, e.Comparison, f.believed(e.Plan, e.Belief, total), all-total,
		"there is no device")
}

// believed counts devices, out of so many.
func (f *Figures) believed(plan string, b scenario.Belief, total int) int {
	if b == scenario.Mistaken {
		return f.Mistaken
	}
	by, known := f.Beliefs[plan], 0
	for _, n := range by {
		known += n
	}
	idle := by[ota.DeviceNotUpgraded.String()] + total - known
	switch b {
	case scenario.Belief(ota.DeviceNotUpgraded.String()):
		return idle
	case scenario.Open:
		return idle + by[ota.DeviceUpgrading.String()]
	}
	return by[string(b)]
}

// reports counts out of all reports. That none is wrong is so without any, too; of
// none there is no share.
func (x *expecting) reports(e scenario.ReportExpectation) {
	r, nothing := &x.figures.Reports, ""
	if e.Percent {
		nothing = "no device made a report"
	}
	x.count(Expectation{Name: e.String(), Occasions: r.Numbered}, e.Comparison, r.Figure(e.Figure), -1, nothing)
}

// time does not hold without a measurement: a limit that nothing was measured
// against says nothing.
func (x *expecting) time(e scenario.TimeExpectation) {
	times := x.figures.Times.Of(e.Span)
	d := times.At(e.Quantile)
	expected := Expectation{Name: e.String(), Measured: Seconds(d), Held: e.Holds(d), Occasions: times.Count()}
	if x.part == chosen && times.Count() > 0 && (expected.Held || e.Quantile != scenario.Max) {
		expected = expected.deferred(x.part)
	}
	x.add(expected, nothingMeasured(e.Span))
}

func nothingMeasured(span scenario.Span) string {
	switch span {
	case scenario.DecideSpan:
		return "no device decided"
	case scenario.DownloadSpan:
		return "nothing was downloaded"
	case scenario.InstallSpan:
		return "nothing was installed"
	}
	return "no device was upgraded"
}

func (x *expecting) fault(e scenario.FaultExpectation) {
	for i := range x.figures.Faults {
		if f := &x.figures.Faults[i]; f.Name == e.Fault {
			expected := Expectation{Name: e.String(), Measured: "fired " + ota.Counted(f.Fired, "time"),
				Held: e.Holds(f.Fired, 0), Occasions: f.occasions()}
			if f.occasions() > 0 {
				expected = x.part.judge(expected, e.Comparison, f.Fired, -1)
			}
			x.add(expected, "it was drawn for no device")
		}
	}
}

// occasions is for how many devices the fault was drawn. The record of a program
// that was killed does not say that, but names those that it struck.
func (f *FaultCount) occasions() int { return max(f.Drawn, f.Struck()) }

func (x *expecting) allFaults() {
	faults := x.figures.Faults
	e := Expectation{Name: "faults.fired: all", Measured: allFired(len(faults)), Held: true, Occasions: len(faults)}
	var never []string
	for i := range faults {
		if f := &faults[i]; f.Fired == 0 {
			never = append(never, fmt.Sprintf("%s never fired (drawn for %s)", f.Name, ota.Counted(f.Drawn, "device")))
		}
	}
	if never != nil {
		e.Measured, e.Held = strings.Join(never, ", "), false
		if x.part != whole {
			e = e.deferred(x.part)
		}
	}
	x.add(e, "the scenario declares no fault")
}

func allFired(n int) string {
	if n == 1 {
		return "it fired"
	}
	return fmt.Sprintf("all %d fired", n)
}

// rule names the device that broke the rule first, so that its log can be looked
// up.
func (x *expecting) rule(rule *scenario.Rule, r *RuleResult) {
	n, nothing := x.occasions(rule, r)
	e := Expectation{Name: r.Name, Fleet: r.Fleet, Measured: "no device broke it", Held: true, Occasions: n}
	if r.Broken > 0 {
		e.Held, e.Measured = false, fmt.Sprintf("%s broke it: %s", ota.Counted(r.Broken, "device"), r.First()[0])
	}
	x.add(e, "nothing gave occasion to it: "+nothing)
}

// occasions is how often a rule was asked, and what was missing if it never was.
func (x *expecting) occasions(rule *scenario.Rule, r *RuleResult) (n int, nothing string) {
	if nothing = x.noOccasion(rule, r); nothing != "" {
		return 0, nothing
	}
	return r.Occasions, ""
}

// noOccasion says why a rule says nothing; empty if it does.
func (x *expecting) noOccasion(rule *scenario.Rule, r *RuleResult) string {
	switch {
	case r.Broken > 0:
		return ""
	case r.Occasions == 0:
		return notAsked(rule)
	case rule.Never && rule.After == nil:
		return x.notNamed(rule, r)
	}
	return ""
}

// notAsked says why a rule was never asked.
func notAsked(rule *scenario.Rule) string {
	switch {
	case rule.After != nil && rule.Never:
		return "there was no " + rule.After.String()
	case rule.After != nil:
		return "there was no " + rule.Match.String() + " after " + rule.After.String()
	case !rule.Never:
		return "there was no " + rule.Match.String()
	case rule.Fleet != "":
		return "no device of " + rule.Fleet + " arrived"
	}
	return "no device arrived"
}

// notNamed says that what a rule forbids could not have happened; empty if it
// could.
func (x *expecting) notNamed(rule *scenario.Rule, r *RuleResult) string {
	match := &rule.Match
	switch {
	case match.Fault != "" && !x.drawn(match.Fault):
		return "fault " + match.Fault + " was drawn for no device"
	case !r.seen && match.Plan != "":
		return "plan " + match.Plan + " reached no device"
	case !r.seen && match.Component != "":
		return "no device reported of component " + match.Component
	case !r.seen && namedBy(newPattern(x.scenario, match)) != nil:
		return "no device made a report"
	}
	return ""
}

// drawn reports whether any device has a fault.
func (x *expecting) drawn(fault string) bool {
	return slices.ContainsFunc(x.figures.Faults, func(f FaultCount) bool { return f.Name == fault && f.occasions() > 0 })
}

func count(n, total int, percent bool) string {
	if percent && total > 0 {
		return fmt.Sprintf("%.2f%% (%d of %d)", 100*float64(n)/float64(total), n, total)
	}
	return fmt.Sprint(n)
}

// Figure is the number of reports of which this is wrong.
func (r *Reports) Figure(name scenario.Figure) int {
	switch name {
	case scenario.Lost:
		return r.Lost
	case scenario.Undelivered:
		return r.Undelivered
	case scenario.OutOfOrder:
		return r.OutOfOrder
	case scenario.Conflicting:
		return r.Conflicting
	case scenario.Illegal:
		return r.Illegal
	}
	return r.Duplicate
}

// Seconds prints a time as a person reads it: whole milliseconds below a tenth
// of a second, two digits behind the point below a minute, whole seconds above.
func Seconds(d time.Duration) string {
	switch {
	case d > 0 && d < time.Millisecond:
		return "<1ms"
	case d > 0 && d < 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
