package scenario

import (
	"bytes"
	"encoding/json"
	"strings"

	"otafleet/simulator/fleet"
)

// Compare says what makes a difference between two runs of the scenario.
type Compare struct {
	// Spread is how many times the spread of several baselines makes no difference.
	Spread float64
	// Allowed is what makes none for a figure, or for all whose names begin with
	// these words: time.download is for time.download.p99, too.
	Allowed map[string]Tolerance
}

// DefaultSpread is the Spread of a scenario that gives none. With more, a single odd
// baseline would hide that a run takes a fifth longer.
const DefaultSpread = 2

// Tolerance is by how much a figure may be off: a share of the baseline, or so much,
// whichever is more. The zero value allows nothing.
type Tolerance struct {
	Share Percent
	Least float64 // in the unit of the figure
}

// Of is the tolerance around a value of the baseline, in the unit of the figure.
func (t Tolerance) Of(baseline float64) float64 { return max(t.Share.Share()*baseline, t.Least) }

// Unit is what a figure is counted in.
type Unit string

// The units. Times are in seconds, sizes in bytes.
const (
	Number  Unit = "number"
	Seconds Unit = "seconds"
	Bytes   Unit = "bytes"
	Held    Unit = "held" // 1 for an expectation that held, 0 for one that did not
	mixed   Unit = ""     // of figures together that have several
)

// Worse is the direction in which a figure becomes worse.
type Worse string

// The directions.
const (
	Higher Worse = "higher"
	Lower  Worse = "lower"
	Either Worse = "either" // another figure says that another thing was tested
)

// Measure is a row of the table of the figures by which runs are compared.
type Measure struct {
	Figure   string // the words of its name between dots; * stands for any word
	Sentence string
	Unit     Unit
	Worse    Worse
	Allowed  Tolerance // what makes no difference, where the scenario says nothing
	// Machine says that it is a figure of the machine, which is not the same even in
	// virtual time. Other figures are: there Allowed is for the real world alone.
	Machine bool
	// Fixed is what a process may take more however few devices it has, of which the figure
	// is a part: what Allowed is not below.
	Fixed float64
}

// Measures lists the figures in the order of a comparison. Of the rows that fit a name
// the first counts.
func Measures() []Measure {
	few := Tolerance{Share: 1, Least: 1}
	struck := Tolerance{Share: 5, Least: 2}
	return []Measure{
		{Figure: "expectations.*", Sentence: "whether the expectation held", Unit: Held, Worse: Lower},
		{Figure: "devices.upgraded", Sentence: "devices that were upgraded", Unit: Number, Worse: Lower, Allowed: few},
		{Figure: "devices.no_update_required", Sentence: "devices that needed nothing", Unit: Number, Worse: Either,
			Allowed: few},
		{Figure: "devices.*", Sentence: "devices of another class", Unit: Number, Worse: Higher, Allowed: few},
		{Figure: "time.*.max", Sentence: "the longest time", Unit: Seconds, Worse: Higher,
			Allowed: Tolerance{Share: 50, Least: 3}},
		{Figure: "time.*.p999", Sentence: "the time within which 99.9% were done", Unit: Seconds, Worse: Higher,
			Allowed: Tolerance{Share: 50, Least: 3}},
		{Figure: "time.*.p99", Sentence: "the time within which 99% were done", Unit: Seconds, Worse: Higher,
			Allowed: Tolerance{Share: 25, Least: 1}},
		{Figure: "time.*.p95", Sentence: "the time within which 95% were done", Unit: Seconds, Worse: Higher,
			Allowed: Tolerance{Share: 12, Least: 0.5}},
		{Figure: "time.*.p90", Sentence: "the time within which 90% were done", Unit: Seconds, Worse: Higher,
			Allowed: Tolerance{Share: 12, Least: 0.5}},
		{Figure: "time.*.p50", Sentence: "the time within which half were done", Unit: Seconds, Worse: Higher,
			Allowed: Tolerance{Share: 12, Least: 0.5}},
		{Figure: "codes.*", Sentence: "failures that the platform stored with this code", Unit: Number, Worse: Higher,
			Allowed: struck},
		{Figure: "refusals.*", Sentence: "decisions that said no for this reason", Unit: Number, Worse: Higher,
			Allowed: struck},
		{Figure: "faults.*", Sentence: "devices that the fault struck", Unit: Number, Worse: Either, Allowed: struck},
		{Figure: "reports.undelivered", Sentence: "reports that were on their way when the run ended", Unit: Number,
			Worse: Higher, Allowed: Tolerance{Share: 50, Least: 10}},
		{Figure: "reports.duplicate", Sentence: "reports that arrived again", Unit: Number, Worse: Higher,
			Allowed: Tolerance{Share: 50, Least: 10}},
		{Figure: "reports.*", Sentence: "reports of which something is wrong", Unit: Number, Worse: Higher},
		{Figure: "violations", Sentence: "violations of invariants", Unit: Number, Worse: Higher},
		{Figure: "resources.sessions", Sentence: "sessions that were opened", Unit: Number, Worse: Higher,
			Allowed: Tolerance{Share: 10, Least: 10}},
		{Figure: "resources.downloaded", Sentence: "verified bytes that were put in place", Unit: Bytes, Worse: Higher,
			Allowed: Tolerance{Share: 5, Least: 1 << 20}},
		{Figure: "resources.memory", Sentence: "memory at most, a device", Unit: Bytes, Worse: Higher,
			Allowed: Tolerance{Share: 30, Least: 16 << 10}, Machine: true, Fixed: 32 << 20},
		{Figure: "resources.cpu", Sentence: "processor time, an upgrade", Unit: Seconds, Worse: Higher,
			Allowed: Tolerance{Share: 50, Least: 0.002}, Machine: true, Fixed: 2},
		{Figure: "resources.sockets", Sentence: "open files at most", Unit: Number, Worse: Higher,
			Allowed: Tolerance{Share: 20, Least: 32}, Machine: true},
	}
}

// MeasureOf finds the row of a figure. That of a fleet's class is the class's:
// devices.gateways.upgraded is like devices.upgraded.
func MeasureOf(figure string) (m Measure, known bool) {
	if words := strings.Split(figure, "."); words[0] == "devices" && len(words) == 3 {
		figure = words[0] + "." + words[2]
	}
	for _, m := range Measures() {
		if fits(strings.Split(m.Figure, "."), figure) {
			return m, true
		}
	}
	return Measure{}, false
}

// fits reports whether a name has the words of a pattern. The last one may have dots.
func fits(pattern []string, name string) bool {
	words := strings.SplitN(name, ".", len(pattern))
	if len(words) != len(pattern) {
		return false
	}
	for i := range pattern {
		if pattern[i] != "*" && pattern[i] != words[i] {
			return false
		}
	}
	return true
}

// Resources lists the figures of what a run takes that tolerances can name.
func Resources() (words []string) {
	for _, m := range Measures() {
		if word, is := strings.CutPrefix(m.Figure, "resources."); is {
			words = append(words, word)
		}
	}
	return words
}

// Allow sets a tolerance.
func (c *Compare) Allow(figure string, t Tolerance) {
	if c.Allowed == nil {
		c.Allowed = map[string]Tolerance{}
	}
	c.Allowed[figure] = t
}

// AllowedFor is what makes no difference for a figure in a world: what is given for it, or
// for the longest beginning of its name, and else what the table has. parts is of how many
// devices or upgrades the figure is the mean.
func (c *Compare) AllowedFor(figure string, m *Measure, virtual bool, parts int) Tolerance {
	for name := figure; name != ""; {
		if t, given := c.Allowed[name]; given {
			return t
		}
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
	}
	if virtual && !m.Machine {
		return Tolerance{}
	}
	allowed := m.Allowed
	allowed.Least = max(allowed.Least, m.Fixed/float64(max(1, parts)))
	return allowed
}

// Differences names the keys by which two scenarios are not the same. What they expect,
// how they are compared, their seed and how keys of devices begin make no other scenario.
func (s *Scenario) Differences(other *Scenario) (keys []string) {
	for _, part := range []struct {
		key  string
		a, b any
	}{
		{"scenario", s.Name, other.Name}, {"duration", s.Duration, other.Duration}, {"fleet", s.Fleets, other.Fleets},
		{"plans", s.Plans, other.Plans}, {"events", s.Events, other.Events}, {"faults", s.Faults, other.Faults},
		{"devices", publicText(s.DeviceFile()), publicText(other.DeviceFile())},
	} {
		a, errA := json.Marshal(part.a)
		b, errB := json.Marshal(part.b)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			keys = append(keys, part.key)
		}
	}
	return keys
}

// publicText is a device file without logins, which no record has.
func publicText(f *fleet.File) []byte {
	if f == nil {
		return nil
	}
	return f.Public().Text()
}
