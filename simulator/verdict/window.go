package verdict

import (
	"fmt"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// Windows are a run cut into windows of one width, each of which can be judged by itself:
// a run that lasts for days must not hide in its sums what went wrong on one of them.
// Windows of parts of a run are merged. The zero value has none.
type Windows struct {
	Width time.Duration // 0 for none
	list  []Window
}

// Window is what happened in a window.
type Window struct {
	Ends       [deviceStatuses]int // times that a device came to a status under a plan, by ota.DeviceStatus
	Change     [states]int         // devices that came into each state, less those that left it
	Online     int                 // sessions that began, less those that ended
	Reports    Reports             // but for those that never came
	Sessions   int
	PowerCuts  int
	Faults     int
	Refusals   int
	Violations int
	Broken     int            // times that a device broke a rule for the first time
	Bytes      int64          // verified bytes put in place
	Codes      map[string]int // error code -> failures that the platform stored; nil for none
	times      latencies
}

// deviceStatuses is how many there are.
const deviceStatuses = int(ota.DeviceNoUpdateRequired) + 1

// mostCodes bounds the error codes of a window, which an external platform may make up.
const mostCodes = 50

// at is the window of a time; nil without windows.
func (w *Windows) at(t time.Duration) *Window {
	if w.Width == 0 {
		return nil
	}
	i := int(t / w.Width)
	for len(w.list) <= i {
		w.list = append(w.list, Window{})
	}
	return &w.list[i]
}

func (w *Windows) breakRule(at time.Duration) {
	if window := w.at(at); window != nil {
		window.Broken++
	}
}

// count takes an event, but for what others tell.
func (w *Window) count(e *Event) {
	switch e.Kind {
	case Connected:
		w.Sessions++
	case PowerCut:
		w.PowerCuts++
	case Downloaded:
		w.Bytes += e.N
	case FaultFired:
		w.Faults++
	case Violation:
		w.Violations++
	case Answered:
		if e.N != 1 {
			w.Refusals++
		}
	default:
		w.Reports.count(e.Kind)
		if e.Kind == Stored {
			w.fail(e.Text, 1)
		}
	}
}

// count takes an event of a report.
func (r *Reports) count(kind Kind) {
	switch kind {
	case Numbered:
		r.Numbered++
	case Stored:
		r.Stored++
	case Illegal:
		r.Illegal++
	case OutOfOrder:
		r.OutOfOrder++
	case Duplicate:
		r.Duplicate++
	case Conflicting:
		r.Conflicting++
	}
}

func (w *Window) fail(code string, times int) {
	if code == "" || len(w.Codes) == mostCodes && w.Codes[code] == 0 {
		return
	}
	if w.Codes == nil {
		w.Codes = map[string]int{}
	}
	w.Codes[code] += times
}

// end takes a status that a device has come to under a plan.
func (w *Window) end(t *tally) {
	w.Ends[t.status]++
	if took, upgraded := t.took(); upgraded {
		w.times.upgrade.add(took)
	}
}

// At is how long a part of an upgrade took that ended in the window: the time that so large
// a share stayed within, to 1%; 0 if none ended.
func (w *Window) At(span scenario.Span, q scenario.Quantile) time.Duration {
	return w.times.of(span).at(q)
}

// Count is how often it was measured.
func (w *Window) Count(span scenario.Span) int { return w.times.of(span).count }

func (w *Window) merge(other *Window) {
	for i := range w.Ends {
		w.Ends[i] += other.Ends[i]
	}
	for i := range w.Change {
		w.Change[i] += other.Change[i]
	}
	w.Online += other.Online
	w.Reports.merge(&other.Reports)
	w.Sessions += other.Sessions
	w.PowerCuts += other.PowerCuts
	w.Faults += other.Faults
	w.Refusals += other.Refusals
	w.Violations += other.Violations
	w.Broken += other.Broken
	w.Bytes += other.Bytes
	for code, n := range other.Codes {
		w.fail(code, n)
	}
	w.times.merge(&other.times)
}

func (w *Windows) merge(other *Windows) {
	for i := range other.list {
		w.at(time.Duration(i) * w.Width).merge(&other.list[i])
	}
}

// Rolling is the verdict on one window.
type Rolling struct {
	*Window
	From, To  time.Duration
	Devices   [states]int // by State, when it ended
	Connected int         // sessions, when it ended
	Broke     []string    // what did not hold in it; none if everything did
}

// Held reports whether everything held that a window can tell of.
func (r *Rolling) Held() bool { return len(r.Broke) == 0 }

// Finished is how many windows of the run are over at a time of it, and what there is to
// say of the last one by the events so far; 0 before the first, and without windows.
func (j *Judge) Finished(now time.Duration) (windows int, last string) {
	w := &j.sums.Windows
	if w.Width == 0 || now < w.Width {
		return 0, ""
	}
	if n := int(now / w.Width); n > j.finished {
		w.at(now)
		j.finished, j.shown = n, w.Rolling(j.scenario, 0)[n-1].String()
	}
	return j.finished, j.shown
}

// Rolling judges the windows of a run of so many devices, in the order of time.
func (w *Windows) Rolling(s *scenario.Scenario, devices int) []Rolling {
	all := make([]Rolling, len(w.list))
	now := Rolling{}
	now.Devices[NotArrived] = devices
	for i := range w.list {
		now.Window = &w.list[i]
		now.From, now.To = time.Duration(i)*w.Width, min(s.Duration, time.Duration(i+1)*w.Width)
		for state, change := range now.Change {
			now.Devices[state] += change
		}
		now.Connected += now.Online
		now.Broke = now.judge(s)
		all[i] = now
	}
	return all
}

// judge lists what did not hold in the window: invariants, reports, rules, and of the
// expectations on times and on shares of devices those of which the window can tell.
func (w *Window) judge(s *scenario.Scenario) (broke []string) {
	if w.Violations > 0 {
		broke = append(broke, ota.Counted(w.Violations, "violation"))
	}
	if e, some := expectFaultless(s, &w.Reports); some && !e.Held {
		broke = append(broke, e.Measured)
	}
	if w.Broken > 0 {
		broke = append(broke, ota.Counted(w.Broken, "device")+" broke a rule")
	}
	for _, e := range s.Expect.Devices {
		if measured, bad := w.misses(e); bad {
			broke = append(broke, e.String()+": "+measured)
		}
	}
	for _, e := range s.Expect.Times {
		if d := w.At(e.Span, e.Quantile); w.Count(e.Span) > 0 && !e.Holds(d) {
			broke = append(broke, e.String()+": "+Seconds(d))
		}
	}
	return broke
}

// misses holds a share of the devices that are upgraded, or fail, against the upgrades that
// ended in the window. Those that need none do not count: of a plan that comes again, a
// device may run the target of one round until it comes to the end of the round before.
func (w *Window) misses(e scenario.DeviceExpectation) (measured string, bad bool) {
	upgraded, failed := w.Ends[ota.DeviceUpgraded], w.Ends[ota.DeviceUpgradeFailed]
	if e.Fleet != "" || !e.Percent || upgraded+failed == 0 {
		return "", false
	}
	n := upgraded
	switch e.Class {
	case scenario.Upgraded:
	case scenario.UpgradeFailed:
		n = failed
	default:
		return "", false
	}
	return count(n, upgraded+failed, true), !e.Holds(n, upgraded+failed)
}

// String tells of the window in one line.
func (r *Rolling) String() string {
	facts := []string{fmt.Sprintf("%d upgraded", r.Ends[ota.DeviceUpgraded]),
		fmt.Sprintf("%d failed", r.Ends[ota.DeviceUpgradeFailed])}
	if r.Count(scenario.UpgradeSpan) > 0 {
		facts = append(facts, "p50 "+Seconds(r.At(scenario.UpgradeSpan, scenario.P50)),
			"p99 "+Seconds(r.At(scenario.UpgradeSpan, scenario.P99)))
	}
	word := "held"
	if !r.Held() {
		word = "not held: " + strings.Join(r.Broke, "; ")
	}
	return fmt.Sprintf("%s to %s: %s, %s", r.From, r.To, strings.Join(facts, ", "), word)
}
