package scenario

import (
	"cmp"
	"fmt"
	"slices"

	"otafleet/internal/ota"
)

// Expect is what must hold in the end. An empty one holds always.
type Expect struct {
	Devices        []DeviceExpectation // of the whole run, then by fleet
	Components     []ComponentExpectation
	Platform       []PlatformExpectation // over all plans, then by plan
	Reports        []ReportExpectation
	Times          []TimeExpectation
	Windows        *Comparison // the windows of the rolling verdict in which everything held; nil for any
	Drifts         []DriftExpectation
	FaultsFired    []FaultExpectation
	AllFaultsFired bool   // every declared fault must have struck at least once
	Rules          []Rule // never first, then always
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
	Undelivered Figure = "undelivered"  // were on the device when the run ended, and might yet have come
	OutOfOrder  Figure = "out_of_order" // first arrived after a later one
	Conflicting Figure = "conflicting"  // same number, different content
	Illegal     Figure = "illegal"      // a step that the status table forbids
	Duplicate   Figure = "duplicate"    // arrived again
)

// Figures lists the figures in the order of a verdict.
func Figures() []Figure {
	return []Figure{Lost, Undelivered, OutOfOrder, Conflicting, Illegal, Duplicate}
}

// Faultless lists the figures that are 0 in a run of which a scenario says nothing
// else.
func Faultless() []Figure { return []Figure{Lost, OutOfOrder, Conflicting, Illegal} }

// ReportExpectation is about one figure.
type ReportExpectation struct {
	Figure Figure
	Comparison
}

// String names the expectation: reports.lost == 0.
func (e ReportExpectation) String() string {
	return "reports." + string(e.Figure) + " " + e.Comparison.String()
}

// ComponentExpectation is about the number of devices whose component has a
// status at the end, by the last report that the platform stored: out of all
// devices that have the component, those of which no report came included.
type ComponentExpectation struct {
	Component string
	Status    ota.Status // never PlanNotReceived
	Comparison
}

// String names the expectation: components.motor.upgrade_succeeded >= 99%.
func (e ComponentExpectation) String() string {
	return "components." + e.Component + "." + e.Status.String() + " " + e.Comparison.String()
}

// Belief is what the platform itself says of a device. Beside the device statuses,
// which are beliefs too, there are these.
type Belief string

// The beliefs beside the device statuses.
const (
	// Open is a device that the platform waits for: not upgraded yet, or upgrading.
	Open Belief = "open"
	// Mistaken is a device of which the platform believes that it runs another version
	// than it does.
	Mistaken Belief = "mistaken"
)

// Beliefs lists those that are a device status, in their order.
func Beliefs() []Belief {
	var all []Belief
	for s := ota.DeviceNotUpgraded; s <= ota.DeviceNoUpdateRequired; s++ {
		all = append(all, Belief(s.String()))
	}
	return all
}

// PlatformExpectation is about the number of devices of which the platform believes
// something when the run ends: out of all devices, or under one plan out of those that
// it is for.
type PlatformExpectation struct {
	Plan   string // empty for all plans together
	Belief Belief // Mistaken only without a plan
	Comparison
}

// String names the expectation: platform.plans.spring.upgraded == 5%, or
// platform.finished: true.
func (e PlatformExpectation) String() string {
	name := "platform."
	if e.Plan != "" {
		name += "plans." + e.Plan + "."
	}
	if e.Belief == Open {
		return fmt.Sprintf("%sfinished: %t", name, e.Op == Equal)
	}
	return name + string(e.Belief) + " " + e.Comparison.String()
}

// BelievesVersions reports whether it matters which versions the platform believes the
// devices to run.
func (e *Expect) BelievesVersions() bool {
	return slices.ContainsFunc(e.Platform, func(p PlatformExpectation) bool { return p.Belief == Mistaken })
}

// FaultExpectation is about how often a fault has struck, on all devices
// together. Its comparison is never a share.
type FaultExpectation struct {
	Fault string // the fault's name
	Comparison
}

// String names the expectation: faults.brown-out >= 10.
func (e FaultExpectation) String() string { return "faults." + e.Fault + " " + e.Comparison.String() }

// Span is a part of an upgrade whose time is measured.
type Span string

// The spans.
const (
	UpgradeSpan  Span = "upgrade"  // from the plan on the device to the end of its upgrade, of devices that were upgraded
	DecideSpan   Span = "decide"   // from the plan on the device to its decision
	DownloadSpan Span = "download" // of each component, from downloading to download_succeeded
	InstallSpan  Span = "install"  // of each component, from upgrading to upgrade_succeeded or upgrade_failed
)

// Spans lists the spans in the order of a verdict.
func Spans() []Span { return []Span{UpgradeSpan, DecideSpan, DownloadSpan, InstallSpan} }

// Quantile is the share of the measurements that were as fast or faster.
type Quantile string

// The quantiles.
const (
	P50  Quantile = "p50"
	P90  Quantile = "p90"
	P95  Quantile = "p95"
	P99  Quantile = "p99"
	P999 Quantile = "p999"
	Max  Quantile = "max"
)

// Quantiles lists the quantiles, fastest first.
func Quantiles() []Quantile { return []Quantile{P50, P90, P95, P99, P999, Max} }

// Percent is the quantile as a percentage.
func (q Quantile) Percent() Percent {
	switch q {
	case P50:
		return 50
	case P90:
		return 90
	case P95:
		return 95
	case P99:
		return 99
	case P999:
		return 99.9
	}
	return 100
}

// TimeExpectation is about the time that a part of an upgrade takes.
type TimeExpectation struct {
	Span     Span // empty for UpgradeSpan
	Quantile Quantile
	Limit
}

// String names the expectation: time.upgrade.p99 < 5m.
func (e TimeExpectation) String() string {
	return "time." + string(cmp.Or(e.Span, UpgradeSpan)) + "." + string(e.Quantile) + " " + e.Limit.String()
}
