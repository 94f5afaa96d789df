package verdict

import (
	"time"

	"otafleet/simulator/scenario"
)

// Close sums the device up: nothing more comes of it. The judge that it was must
// not be used any more.
func (d *DeviceJudge) Close() {
	j := d.judge
	*j.open.at(d.ordinal) = nil
	if d.arrived {
		d.sum()
	}
	j.free = append(j.free, d)
}

// sum adds the device to the figures.
func (d *DeviceJudge) sum() {
	f := d.judge.sums
	class := d.classify()
	f.Classes[class]++
	f.Fleets[d.fleet].Classes[class]++
	if reason := d.reason(class); reason != "" {
		f.leave(d.ordinal, class, reason)
	}
	for i := range d.parts {
		if p := &d.parts[i]; p.stored {
			f.component(p.component)[p.status.String()]++
		}
	}
	f.beliefs("")[d.status.String()]++
	if d.mistaken {
		f.Mistaken++
	}
	for i := range d.plans {
		t := &d.plans[i]
		if !d.superseded(t) {
			f.beliefs(t.of)[t.status.String()]++
		}
		d.closeReports(t)
	}
	for i, struck := range d.struck {
		if struck {
			f.Faults[i].Outcomes[class]++
		}
	}
	d.closeRules()
	f.digest.set(d.ordinal, d.hash.Sum())
	d.rank(class)
}

// missing divides a plan's reports that did not arrive. Those that the device still
// had when the run ended are not lost: it would have sent them again. But where
// nothing arrived for so long, though there was a session, they were discarded, and
// would be again.
func (d *DeviceJudge) missing(t *tally) (undelivered, lost int) {
	missing := max(0, t.numbered-t.arrived)
	still := t.ended - max(t.moved, d.since)
	if !t.early && d.online && still > d.judge.patience && !d.judge.deaf(t.ended) {
		return 0, missing
	}
	undelivered = min(missing, t.kept)
	return undelivered, missing - undelivered
}

// deaf reports whether the scenario has the platform down at a time, or only just
// up again: then nothing can arrive, with or without a session.
func (j *Judge) deaf(at time.Duration) bool {
	for i := range j.scenario.Events {
		if e := &j.scenario.Events[i]; e.Do == scenario.KillPlatform && e.At <= at && at-e.At < e.For+j.patience {
			return true
		}
	}
	return false
}
