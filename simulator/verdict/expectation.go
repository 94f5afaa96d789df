package verdict

import (
	"fmt"
	"strings"
	"time"

	"otafleet/simulator/scenario"
)

// Expectation is one expectation of a scenario, held against the figures.
type Expectation struct {
	Name     string // as the scenario says it: devices.upgraded >= 99%
	Fleet    string // empty for the whole run
	Measured string // what was found
	Held     bool
	Deferred bool // a part of a run cannot tell: only the verdict of all parts can. Held is true
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

// Expect holds the expectations of a scenario against the figures. Two are
// always there, because no scenario may want them otherwise: every device is
// accounted for, and nothing happened that never may.
func Expect(s *scenario.Scenario, f *Figures) []Expectation {
	x, part := &s.Expect, f.isPart(s)
	unaccounted := f.Classes[scenario.Unaccounted]
	all := []Expectation{
		{Name: "every device is accounted for", Measured: fmt.Sprintf("%d unaccounted", unaccounted), Held: unaccounted == 0},
		{Name: "nothing happened that never may", Measured: fmt.Sprintf("%d violations", f.Violations), Held: f.Violations == 0},
	}
	add := func(e Expectation, n int, c scenario.Comparison) {
		if part {
			e = e.inPart(c, n)
		}
		all = append(all, e)
	}
	for _, e := range x.Devices {
		expected, n := expectDevices(e, f)
		add(expected, n, e.Comparison)
	}
	for _, e := range x.Components {
		expected, n := expectComponent(e, s, f)
		add(expected, n, e.Comparison)
	}
	for _, e := range x.Reports {
		n := f.Reports.figure(e.Figure)
		add(Expectation{Name: e.String(), Measured: count(n, f.Reports.Numbered, e.Percent), Held: e.Holds(n, f.Reports.Numbered)}, n, e.Comparison)
	}
	for _, e := range x.Times {
		all = append(all, expectTime(e, f, part))
	}
	for _, e := range x.FaultsFired {
		expected, n := expectFault(e, f)
		add(expected, n, e.Comparison)
	}
	if x.AllFaultsFired {
		all = append(all, expectFired(f.Faults, part))
	}
	for i := range f.Rules {
		all = append(all, expectRule(&f.Rules[i]))
	}
	return all
}

func expectDevices(e scenario.DeviceExpectation, f *Figures) (expected Expectation, n int) {
	of := FleetCount{Count: f.Devices, Classes: f.Classes}
	if e.Fleet != "" {
		of = f.fleet(e.Fleet)
	}
	n, total := of.Classes[e.Class], of.Count
	return Expectation{Name: e.String(), Fleet: e.Fleet, Measured: count(n, total, e.Percent), Held: e.Holds(n, total)}, n
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

// expectComponent counts out of all devices that have the component.
func expectComponent(e scenario.ComponentExpectation, s *scenario.Scenario, f *Figures) (expected Expectation, n int) {
	total := 0
	for i := range s.Fleets {
		if s.Fleets[i].Component(e.Component) != nil {
			total += f.Fleets[i].Count
		}
	}
	n = f.Components[e.Component][e.Status.String()]
	return Expectation{Name: e.String(), Measured: count(n, total, e.Percent), Held: e.Holds(n, total)}, n
}

// expectTime does not hold without a measurement: a limit that nothing was
// measured against says nothing. In a part of a run, others may have measured.
func expectTime(e scenario.TimeExpectation, f *Figures, part bool) Expectation {
	times := f.Times.Of(e.Span)
	if times.Count() == 0 {
		nothing := Expectation{Name: e.String(), Measured: nothingMeasured(e.Span)}
		if part {
			nothing = nothing.deferred()
		}
		return nothing
	}
	d := times.At(e.Quantile)
	return Expectation{Name: e.String(), Measured: Seconds(d), Held: e.Holds(d)}
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

func expectFault(e scenario.FaultExpectation, f *Figures) (expected Expectation, n int) {
	for i := range f.Faults {
		if fault := &f.Faults[i]; fault.Name == e.Fault {
			return Expectation{Name: e.String(), Measured: fmt.Sprintf("fired %d times", fault.Fired), Held: e.Holds(fault.Fired, 0)}, fault.Fired
		}
	}
	return Expectation{Name: e.String(), Measured: "there is no such fault"}, 0
}

func expectFired(faults []FaultCount, part bool) Expectation {
	var never []string
	for i := range faults {
		if f := &faults[i]; f.Fired == 0 {
			never = append(never, fmt.Sprintf("%s never fired (drawn for %d devices)", f.Name, f.Drawn))
		}
	}
	if never != nil {
		e := Expectation{Name: "faults.fired: all", Measured: strings.Join(never, ", ")}
		if part {
			e = e.deferred()
		}
		return e
	}
	return Expectation{Name: "faults.fired: all", Measured: fmt.Sprintf("all %d fired", len(faults)), Held: true}
}

// expectRule names the device that broke the rule first, so that its log can be
// looked up.
func expectRule(r *RuleResult) Expectation {
	e := Expectation{Name: r.Name, Fleet: r.Fleet, Measured: "no device broke it", Held: r.Broken == 0}
	if !e.Held {
		e.Measured = fmt.Sprintf("%s broke it: %s", devices(r.Broken), r.First()[0])
	}
	return e
}

func devices(n int) string {
	if n == 1 {
		return "1 device"
	}
	return fmt.Sprintf("%d devices", n)
}

func count(n, total int, percent bool) string {
	if percent && total > 0 {
		return fmt.Sprintf("%.2f%% (%d of %d)", 100*float64(n)/float64(total), n, total)
	}
	return fmt.Sprint(n)
}

func (r *Reports) figure(name scenario.Figure) int {
	switch name {
	case scenario.Lost:
		return r.Lost
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
