package scenario

// Expect is what must hold in the end. An empty one holds always.
type Expect struct {
	Devices        []DeviceExpectation // of the whole run, then by fleet
	Reports        []ReportExpectation
	Times          []TimeExpectation
	AllFaultsFired bool // every declared fault must have struck at least once
}

// Class is where a device ends. Every device ends in exactly one class;
// Unaccounted counts those of which that is not so.
type Class string

// The classes.
const (
	Upgraded         Class = "upgraded"
	UpgradeFailed    Class = "upgrade_failed"
	NoUpdateRequired Class = "no_update_required"
	NotUpgraded      Class = "not_upgraded"
	Refused          Class = "refused"
	Unfinished       Class = "unfinished"
	Unreachable      Class = "unreachable"
	Unaccounted      Class = "unaccounted"
)

// Classes lists the classes in the order of a verdict.
func Classes() []Class {
	return []Class{Upgraded, UpgradeFailed, NoUpdateRequired, NotUpgraded, Refused, Unfinished, Unreachable, Unaccounted}
}

// DeviceExpectation is about the number of devices in a class, out of all
// devices of the run or of the fleet.
type DeviceExpectation struct {
	Fleet string // empty for the whole run
	Class Class
	Comparison
}

// String names the expectation: devices.gateways.upgraded >= 99%.
func (e DeviceExpectation) String() string {
	name := "devices."
	if e.Fleet != "" {
		name += e.Fleet + "."
	}
	return name + string(e.Class) + " " + e.Comparison.String()
}

// Figure counts the reports of which something is wrong, out of all that the
// devices have numbered.
type Figure string

// The figures.
const (
	Lost        Figure = "lost"         // never reached the platform
	OutOfOrder  Figure = "out_of_order" // first arrived after a later one
	Conflicting Figure = "conflicting"  // same number, different content
	Illegal     Figure = "illegal"      // a step that the status table forbids
	Duplicate   Figure = "duplicate"    // arrived again
)

// Figures lists the figures in the order of a verdict.
func Figures() []Figure { return []Figure{Lost, OutOfOrder, Conflicting, Illegal, Duplicate} }

// ReportExpectation is about one figure.
type ReportExpectation struct {
	Figure Figure
	Comparison
}

// String names the expectation: reports.lost == 0.
func (e ReportExpectation) String() string {
	return "reports." + string(e.Figure) + " " + e.Comparison.String()
}

// Quantile is the share of the devices that were as fast or faster.
type Quantile string

// The quantiles.
const (
	P50 Quantile = "p50"
	P95 Quantile = "p95"
	P99 Quantile = "p99"
	Max Quantile = "max"
)

// Quantiles lists the quantiles, fastest first.
func Quantiles() []Quantile { return []Quantile{P50, P95, P99, Max} }

// Percent is the quantile as a percentage.
func (q Quantile) Percent() Percent {
	switch q {
	case P50:
		return 50
	case P95:
		return 95
	case P99:
		return 99
	}
	return 100
}

// TimeExpectation is about the time of an upgrade, from the plan's arrival on
// the device to its end, over all devices that were upgraded.
type TimeExpectation struct {
	Quantile Quantile
	Limit
}

// String names the expectation: time.upgrade.p99 < 5m.
func (e TimeExpectation) String() string {
	return "time.upgrade." + string(e.Quantile) + " " + e.Limit.String()
}
