package verdict

import (
	"slices"

	"otafleet/internal/ota"
)

// keptRounds is how many earlier rounds of a plan are kept of a device whose reports may
// still come. A round of which all have come is summed up when the next one begins.
const keptRounds = 4

// earlier reports whether a plan is an earlier round of what the other one is.
func (t *tally) earlier(other *tally) bool { return t.of == other.of && t.round < other.round }

// superseded reports whether the device has come to a later round of the plan: then it
// stands where that one has brought it.
func (d *DeviceJudge) superseded(t *tally) bool {
	return t.round > 0 && slices.ContainsFunc(d.plans, func(other tally) bool { return t.earlier(&other) })
}

// begun makes room for a round that is new: what is known of earlier ones is summed up,
// and forgotten.
func (d *DeviceJudge) begun(newest *tally) {
	kept := 0
	for i := len(d.plans) - 1; i >= 0; i-- {
		t := &d.plans[i]
		if !t.earlier(newest) {
			continue
		}
		if kept++; t.quiet() || kept > keptRounds {
			d.closeRound(t)
			d.plans = slices.Delete(d.plans, i, i+1)
		}
	}
}

// quiet reports whether nothing more is expected of a plan.
func (t *tally) quiet() bool { return t.numbered == t.arrived && t.status != ota.DeviceUpgrading }

// closeRound sums up what is known of a round that another one has followed.
func (d *DeviceJudge) closeRound(t *tally) {
	d.closeReports(t)
	took, _ := t.took()
	d.longest = max(d.longest, took)
	plan := t.plan
	d.work = slices.DeleteFunc(d.work, func(w work) bool { return w.plan == plan })
}

// closeReports sums up the reports of a plan, and how long it took.
func (d *DeviceJudge) closeReports(t *tally) {
	f := d.judge.sums
	undelivered, lost := d.missing(t)
	f.Reports.Undelivered += undelivered
	f.Reports.Lost += lost
	if took, upgraded := t.took(); upgraded {
		f.Times.Upgrade.Add(took)
	}
	if t.numbered == t.arrived && t.said != t.heard {
		f.Reports.Conflicting++
	}
}
