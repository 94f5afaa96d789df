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
func Expect(x *scenario.Expect, f *Figures) []Expectation {
	unaccounted := f.Classes[scenario.Unaccounted]
	all := []Expectation{
		{Name: "every device is accounted for", Measured: fmt.Sprintf("%d unaccounted", unaccounted), Held: unaccounted == 0},
		{Name: "nothing happened that never may", Measured: fmt.Sprintf("%d violations", f.Violations), Held: f.Violations == 0},
	}
	for _, e := range x.Devices {
		all = append(all, expectDevices(e, f))
	}
	for _, e := range x.Reports {
		n := f.Reports.figure(e.Figure)
		all = append(all, Expectation{Name: e.String(), Measured: count(n, f.Reports.Numbered, e.Percent), Held: e.Holds(n, f.Reports.Numbered)})
	}
	for _, e := range x.Times {
		all = append(all, expectTime(e, f.UpgradeTime))
	}
	if x.AllFaultsFired {
		all = append(all, expectFired(f.Faults))
	}
	return all
}

func expectDevices(e scenario.DeviceExpectation, f *Figures) Expectation {
	of := FleetCount{Count: f.Devices, Classes: f.Classes}
	if e.Fleet != "" {
		of = f.fleet(e.Fleet)
	}
	n, total := of.Classes[e.Class], of.Count
	return Expectation{Name: e.String(), Fleet: e.Fleet, Measured: count(n, total, e.Percent), Held: e.Holds(n, total)}
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

// expectTime does not hold without a measurement: a limit that nothing was
// measured against says nothing.
func expectTime(e scenario.TimeExpectation, q Quantiles) Expectation {
	if q.Count == 0 {
		return Expectation{Name: e.String(), Measured: "no device was upgraded"}
	}
	d := q.at(e.Quantile)
	return Expectation{Name: e.String(), Measured: Seconds(d), Held: e.Holds(d)}
}

func expectFired(faults []FaultCount) Expectation {
	var never []string
	for _, f := range faults {
		if f.Fired == 0 {
			never = append(never, fmt.Sprintf("%s never fired (drawn for %d devices)", f.Name, f.Drawn))
		}
	}
	if never != nil {
		return Expectation{Name: "faults.fired: all", Measured: strings.Join(never, ", ")}
	}
	return Expectation{Name: "faults.fired: all", Measured: fmt.Sprintf("all %d fired", len(faults)), Held: true}
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

func (q *Quantiles) at(name scenario.Quantile) time.Duration {
	switch name {
	case scenario.P50:
		return q.P50
	case scenario.P95:
		return q.P95
	case scenario.P99:
		return q.P99
	}
	return q.Max
}

// Seconds prints a time as a person reads it: two digits behind the point below
// a minute, whole seconds above.
func Seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
