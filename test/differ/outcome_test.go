package differ_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// outcome is what became of the devices of a run: by device, by what is said of it.
type outcome map[string]map[string]string

// outcomeOf sums up what both worlds must agree on.
func outcomeOf(s *scenario.Scenario, r *record) outcome {
	byDevice := map[string][]verdict.Event{}
	for i := range s.Fleets {
		for n := 1; n <= s.Fleets[i].Count; n++ {
			byDevice[s.Fleets[i].Device(n)] = nil
		}
	}
	for _, e := range r.events {
		byDevice[e.Device] = append(byDevice[e.Device], e)
	}
	all := outcome{}
	for device, events := range byDevice {
		all[device] = summary(s, events)
	}
	return all
}

// summary is what became of one device.
func summary(s *scenario.Scenario, events []verdict.Event) map[string]string {
	j := verdict.NewJudge(s, verdict.WithoutLogs)
	found := map[string]string{}
	struck, none := map[string]int{}, ""
	for _, e := range events {
		j.Add(e)
		switch e.Kind {
		case verdict.Numbered:
			path(found, fmt.Sprintf("way of %s under %s", e.Component, e.Plan), &e)
		case verdict.Stored:
			found[fmt.Sprintf(has+"%s under %s", e.Component, e.Plan)] = words(e.Status, e.Text)
		case verdict.StatusIs:
			found[calls+e.Plan] = ota.DeviceStatus(e.N).String()
		case verdict.Answered:
			found["answer to "+e.Plan] = fmt.Sprintf("%t %s", e.N == 1, e.Text)
		case verdict.NoPlan:
			none = e.Text
		case verdict.FaultFired:
			struck[e.Text]++
		case verdict.Violation, verdict.Illegal, verdict.Conflicting:
			found["violation"] = strings.TrimSpace(e.Kind.String() + " " + e.Text)
		}
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		switch n := struck[f.Name]; {
		case n > 0 && f.At == scenario.AtConnect: // it strikes until the run ends
			found["fault "+f.Name+" struck"] = "yes"
		case n > 0:
			found["fault "+f.Name+" struck"] = fmt.Sprint(n)
		}
	}
	figures := j.Figures(nil)
	for c, n := range figures.Classes {
		if n > 0 {
			found[class] = string(c)
		}
	}
	if figures.Classes[scenario.NotUpgraded] > 0 {
		found["no plan"] = none // what others hear at last is a matter of when the run ends
	}
	if n := figures.Reports.Lost; n > 0 {
		found["lost reports"] = fmt.Sprint(n)
	}
	return found
}

// Some of the keys of an outcome, or how they begin.
const (
	class = "class"
	has   = "platform has of "
	calls = "platform calls it under "
)

// path appends what a report says, if it is another thing than the one before said.
func path(found map[string]string, key string, e *verdict.Event) {
	step := words(e.Status, e.Text)
	if way := found[key]; way != step && !strings.HasSuffix(way, " > "+step) {
		found[key] = strings.TrimPrefix(way+" > "+step, " > ")
	}
}

// words are a status and its error code.
func words(s ota.Status, code string) string { return strings.TrimSpace(s.String() + " " + code) }

// expected is what the real world has to come to: the virtual world's outcome, but
// for what timing decides.
type expected struct {
	outcome
	timing map[string]map[string]string // what else the virtual world comes to, on other lines
}

// expect runs a scenario in virtual time: as it is, and on lines of other latencies.
// Where that changes what becomes of a device, timing decides, and the real world
// may come to another end, too.
func expect(ctx context.Context, s *scenario.Scenario) (*expected, error) {
	first, err := recordIn(ctx, virtual.World{Workers: 1}, s)
	if err != nil {
		return nil, err
	}
	x := &expected{outcomeOf(s, first), map[string]map[string]string{}}
	for device := range x.outcome {
		x.timing[device] = map[string]string{}
	}
	for _, v := range variants() {
		other, err := recordIn(ctx, virtual.World{Workers: 1}, v.of(s))
		if err != nil {
			return nil, err
		}
		for device, found := range outcomeOf(s, other) {
			for _, key := range differing(x.outcome[device], found) {
				x.timing[device][key] = found[key]
			}
		}
	}
	return x, nil
}

// variant is another pace of the devices: that of a machine with much else to do.
type variant struct {
	latency time.Duration // more, of each line, and half of it as jitter
	late    time.Duration // every device arrives so much later
	install time.Duration // every installation takes so much longer
	strikes time.Duration // what cuts a device off, or stops it, does so later
	events  time.Duration // events and ends of plans come later, as if the devices were early
	ends    time.Duration // the run is shorter: what happens at its end may not
}

func variants() []variant {
	const ms = time.Millisecond
	return []variant{
		{latency: ms / 10}, {latency: ms}, {latency: 2 * ms}, {latency: 7 * ms}, {latency: 20 * ms},
		{latency: 60 * ms}, {latency: 150 * ms},
		{late: 60 * ms}, {late: 250 * ms}, {late: 600 * ms},
		{events: 60 * ms}, {events: 250 * ms}, {events: 1000 * ms}, {ends: duration / 3}, {strikes: ms / 10},
		{strikes: 4 * ms}, {strikes: 50 * ms},
		{late: 100 * ms, latency: 30 * ms, install: 30 * ms}, {late: 400 * ms, latency: 100 * ms, install: 300 * ms},
	}
}

// of is the scenario at another pace.
func (v variant) of(s *scenario.Scenario) *scenario.Scenario {
	other := *s
	other.Duration -= min(v.ends, other.Duration/3)
	other.Fleets = slices.Clone(s.Fleets)
	for i := range other.Fleets {
		f := &other.Fleets[i]
		f.Link.Latency += v.latency
		f.Link.Jitter += v.latency / 2
		f.Arrive.After += v.late
		f.Install.Time.Lo += v.install
		f.Install.Time.Hi += v.install
	}
	other.Events = slices.Clone(s.Events)
	for i := range other.Events {
		other.Events[i].At += v.events
	}
	other.Plans = slices.Clone(s.Plans)
	for i := range other.Plans {
		if p := &other.Plans[i]; p.Ends > 0 {
			p.Ends += v.events
		}
	}
	other.Faults = slices.Clone(s.Faults)
	for i := range other.Faults {
		f := &other.Faults[i]
		switch f.Kind {
		case scenario.Drop, scenario.Reset, scenario.HalfOpen, scenario.Latency, scenario.Slow, scenario.Crash,
			scenario.PowerCut, scenario.Vanish:
			f.After = v.later(f, slowest(other.Fleets))
		}
	}
	return &other
}

// later is when a fault strikes. A share of an installation may be its end, or
// nothing of one that takes no time: a little later, the strike comes too late.
func (v variant) later(f *scenario.Fault, install time.Duration) scenario.After {
	after := f.After
	switch {
	case v.strikes == 0 || f.At == scenario.AtReport || f.At == scenario.At(ota.Downloading) && after.ByShare():
		return after
	case after.ByShare():
		share := after.Share
		after.Share = scenario.Range[scenario.Percent]{}
		after.Delay.Lo = time.Duration(share.Lo.Share() * float64(install))
		after.Delay.Hi = time.Duration(share.Hi.Share() * float64(install))
	}
	after.Delay.Lo += v.strikes
	after.Delay.Hi += v.strikes
	return after
}

// slowest is how long the slowest installation takes.
func slowest(fleets []scenario.Fleet) (longest time.Duration) {
	for i := range fleets {
		longest = max(longest, fleets[i].Install.Time.Hi)
	}
	return longest
}

// differing are the keys with other values, in order.
func differing(a, b map[string]string) []string {
	keys := map[string]bool{}
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	maps.DeleteFunc(keys, func(key string, _ bool) bool { return a[key] == b[key] })
	return slices.Sorted(maps.Keys(keys))
}

// judge holds an outcome of the real world against what is expected. It gives what is
// otherwise, a line each.
func (x *expected) judge(is outcome) []string {
	var lines []string
	for _, device := range slices.Sorted(maps.Keys(x.outcome)) {
		keys := differing(x.outcome[device], is[device])
		timed := func(key string) bool { _, timing := x.timing[device][key]; return timing }
		// What the platform makes of its reports follows from those that it has.
		other := slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(key, has) && timed(key) })
		for _, key := range keys {
			if timed(key) || other && (key == class || strings.HasPrefix(key, calls)) {
				continue
			}
			lines = append(lines, fmt.Sprintf("%s: %s\n    virtual: %s\n    real:    %s", device, key, x.outcome[device][key],
				is[device][key]))
		}
	}
	return lines
}
