package verdict

import (
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// DeviceJudge judges one device of a run. A Judge hands it out; it is as little
// safe for concurrent use as that one.
type DeviceJudge struct {
	judge   *Judge
	fleet   int // its index in the scenario
	n       int // of the device in its fleet, from 1
	ordinal int // of the device in the run, from 0

	arrived   bool
	connected bool          // ever
	online    bool          // now
	since     time.Duration // when that last changed
	status    ota.DeviceStatus
	mistaken  bool // the platform is, about what it runs
	refused   string
	none      string // why the platform had no plan, when it last said so
	unreached string // why there never was a session
	plans     []tally
	work      []work
	parts     []part // in the order of the fleet's components
	struck    []bool // by the faults of the scenario; nil if none was drawn
	rules     []ruleState

	violations []string
	hash       DeviceHash
	log        eventLog
	longest    time.Duration // upgrade of the rounds that were summed up
}

// tally is a device's part of one plan: its status, both ends' view of its
// reports, and when its decision was due.
type tally struct {
	plan              string
	of                string // the plan of the scenario: itself, or the one of which it is a round
	round             int    // from 1; 0 for a plan that comes once
	status            ota.DeviceStatus
	numbered, arrived int
	said, heard       uint64        // running hashes over the reports in order
	moved             time.Duration // when a report last arrived, or was made while none was missing
	kept              int           // reports that the device had when the run ended
	early             bool          // they were not to be sent yet
	ended             time.Duration // when that was
	received          moment
	upgraded          moment // when the platform last called the device so
	answered          bool
}

// took is how long the upgrade took, from the plan at the device to Upgraded at
// the platform; false if the device is not upgraded under the plan.
func (t *tally) took() (took time.Duration, upgraded bool) {
	if t.status != ota.DeviceUpgraded || !t.received.valid {
		return 0, false
	}
	return max(0, t.upgraded.at-t.received.at), true
}

// work is what is measured of one component under one plan: what another plan
// broke off must not end what this one begins.
type work struct {
	plan, component        string
	downloading, upgrading moment
}

// part is one component: the last that the platform stored of it.
type part struct {
	component string
	stored    bool
	status    ota.Status
	code      string // of the last failure that was stored
}

// moment is a time at which something began; invalid when it has ended.
type moment struct {
	at    time.Duration
	valid bool
}

// begin makes a judge of a device, of a used one where there is one.
func (j *Judge) begin(fleet, n int) *DeviceJudge {
	var d *DeviceJudge
	if last := len(j.free) - 1; last >= 0 {
		d, j.free = j.free[last], j.free[:last]
		clear(d.struck)
		clear(d.rules)
		*d = DeviceJudge{plans: d.plans[:0], work: d.work[:0], parts: d.parts[:0],
			struck: d.struck, rules: d.rules, hash: d.hash, log: d.log.emptied()}
	} else {
		d = &DeviceJudge{struck: make([]bool, len(j.scenario.Faults)), rules: make([]ruleState, len(j.scenario.Expect.Rules))}
	}
	d.judge, d.fleet, d.n, d.ordinal = j, fleet, n, j.ordinal(fleet, n)
	for _, c := range j.scenario.Fleets[fleet].Components {
		d.parts = append(d.parts, part{component: c.ID})
	}
	return d
}

// Name is the device's key.
func (d *DeviceJudge) Name() string { return d.judge.scenario.Fleets[d.fleet].Device(d.n) }

// Arrived reports whether the device was switched on.
func (d *DeviceJudge) Arrived() bool { return d.arrived }

// Add takes the device's next event. Its field Device is not looked at. Before
// the device has arrived, everything is ignored.
func (d *DeviceJudge) Add(e *Event) {
	if e.Kind == Arrived && !d.arrived {
		d.arrived = true
		d.move(e.At, NotArrived, State(d.status))
	}
	if !d.arrived {
		return
	}
	j := d.judge
	j.last(e.At)
	d.hash.Add(e, &j.scratch)
	if j.keepLogs {
		d.log.add(e)
	}
	d.take(e)
	if w := j.sums.Windows.at(e.At); w != nil {
		w.count(e)
	}
	d.judgeRules(e)
}

// take notes what an event says of the device.
func (d *DeviceJudge) take(e *Event) {
	sums := d.judge.sums
	switch e.Kind {
	case Connected, Disconnected, PowerCut:
		d.session(e)
	case Downloaded:
		sums.Bytes += e.N
		sums.Series.at(e.At).Bytes += e.N
	case FaultFired:
		d.fault(e)
	case Violation:
		sums.Violations++
		if len(d.violations) < keptViolations {
			d.violations = append(d.violations, e.Text)
		}
	case Answered:
		d.answer(e)
	case StatusIs:
		d.become(e)
	case NoPlan:
		d.none = Printable(e.Text)
	case Unreached:
		d.unreached = Printable(e.Text)
	case Mistaken:
		d.mistaken = true
	case Unacknowledged:
		t := d.tally(e.Plan)
		t.kept, t.early, t.ended = int(e.N), e.Text == UntilEnd, e.At
	default:
		d.report(e)
	}
}

func (d *DeviceJudge) session(e *Event) {
	sums := d.judge.sums
	switch e.Kind {
	case Connected:
		d.connected = true
		sums.Sessions++
	case PowerCut:
		sums.PowerCuts++
	}
	if online := e.Kind == Connected; online != d.online {
		d.online, d.since = online, e.At
		change := -1
		if online {
			change = 1
		}
		sums.Series.at(e.At).Online += int32(change)
		if w := sums.Windows.at(e.At); w != nil {
			w.Online += change
		}
	}
}

func (d *DeviceJudge) fault(e *Event) {
	if i, known := d.judge.faults[e.Text]; known {
		d.judge.sums.Faults[i].Fired++
		d.struck[i] = true
		d.judge.sums.Series.at(e.At).Faults++
	}
}

func (d *DeviceJudge) answer(e *Event) {
	sums := d.judge.sums
	t := d.tally(e.Plan)
	if t.received.valid && !t.answered {
		d.judge.measure(scenario.DecideSpan, e.At, e.At-t.received.at)
	}
	t.answered = true
	if e.N == 1 {
		d.refused = ""
		return
	}
	d.refused = e.Text
	sums.Refusals[e.Text]++
}

// become takes the device's status under a plan.
func (d *DeviceJudge) become(e *Event) {
	sums, t := d.judge.sums, d.tally(e.Plan)
	was := t.status
	t.status = ota.DeviceStatus(e.N)
	if t.status == ota.DeviceUpgraded && was != t.status {
		t.upgraded = moment{e.At, true}
	}
	if w := sums.Windows.at(e.At); w != nil && was != t.status {
		w.end(t)
	}
	if now := d.overall(); now != d.status {
		d.move(e.At, State(d.status), State(now))
		d.status = now
	}
}

// move notes that the device goes from one state to another.
func (d *DeviceJudge) move(at time.Duration, from, to State) {
	slice := d.judge.sums.Series.at(at)
	slice.Change[from]--
	slice.Change[to]++
	if w := d.judge.sums.Windows.at(at); w != nil {
		w.Change[from]--
		w.Change[to]++
	}
}

// report takes what either end says of a report.
func (d *DeviceJudge) report(e *Event) {
	d.judge.sums.Reports.count(e.Kind)
	switch e.Kind {
	case Numbered:
		d.numbered(e)
	case Stored:
		d.tally(e.Plan).arrive(e)
		d.stored(e)
	case Illegal:
		d.tally(e.Plan).arrive(e)
	}
}

func (d *DeviceJudge) numbered(e *Event) {
	t := d.tally(e.Plan)
	if t.numbered == t.arrived {
		t.moved = e.At
	}
	t.numbered++
	t.said = t.said*31 + uint64(e.N)
	w := d.worked(e)
	switch e.Status {
	case ota.PlanReceived:
		if !t.received.valid {
			t.received = moment{e.At, true}
		}
	case ota.Downloading:
		w.downloading = moment{e.At, true}
	case ota.DownloadSucceeded:
		d.measured(&w.downloading, scenario.DownloadSpan, e.At)
	case ota.DownloadFailed:
		w.downloading.valid = false
	case ota.Upgrading:
		w.upgrading = moment{e.At, true}
	case ota.UpgradeSucceeded, ota.UpgradeFailed:
		d.measured(&w.upgrading, scenario.InstallSpan, e.At)
	}
}

// measured measures what began at the moment, which ends.
func (d *DeviceJudge) measured(m *moment, span scenario.Span, at time.Duration) {
	if m.valid {
		d.judge.measure(span, at, at-m.at)
	}
	m.valid = false
}

func (d *DeviceJudge) stored(e *Event) {
	p := d.part(e.Component)
	p.status, p.stored, p.code = e.Status, true, e.Text
	if e.Text != "" {
		d.judge.sums.Codes[e.Text]++
	}
}

// arrive takes a report at the platform, in its turn.
func (t *tally) arrive(e *Event) {
	t.arrived++
	t.moved = e.At
	t.heard = t.heard*31 + uint64(e.N)
}

func (d *DeviceJudge) tally(plan string) *tally {
	for i := len(d.plans) - 1; i >= 0; i-- { // the last one is the most likely
		if d.plans[i].plan == plan {
			return &d.plans[i]
		}
	}
	fresh := tally{plan: plan, of: plan}
	if p, round := d.judge.scenario.RoundOf(plan); p != nil {
		fresh.of, fresh.round = p.Name, round
		d.begun(&fresh)
	}
	d.plans = append(d.plans, fresh)
	return &d.plans[len(d.plans)-1]
}

// worked is the work that a report is about.
func (d *DeviceJudge) worked(e *Event) *work {
	for i := len(d.work) - 1; i >= 0; i-- { // the last one is the most likely
		if w := &d.work[i]; w.component == e.Component && w.plan == e.Plan {
			return w
		}
	}
	d.work = append(d.work, work{plan: e.Plan, component: e.Component})
	return &d.work[len(d.work)-1]
}

func (d *DeviceJudge) part(component string) *part {
	for i := range d.parts {
		if d.parts[i].component == component {
			return &d.parts[i]
		}
	}
	d.parts = append(d.parts, part{component: component})
	return &d.parts[len(d.parts)-1]
}
