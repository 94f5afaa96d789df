package verdict

import "otafleet/simulator/scenario"

// isPart reports whether the figures are of some of a scenario's devices only: a
// shard, or a few that were chosen.
func (f *Figures) isPart(s *scenario.Scenario) bool { return f.Devices < s.Devices() }

// inPart judges a count in a part of a run. What other parts add can still make
// it hold or break it, unless it is beyond that already. A share is judged as it
// is: the part stands for the whole.
func (e Expectation) inPart(c scenario.Comparison, n int) Expectation {
	settled := c.Percent
	switch c.Op {
	case scenario.AtLeast, scenario.Above:
		settled = settled || e.Held
	case scenario.AtMost, scenario.Below:
		settled = settled || !e.Held
	case scenario.Equal:
		settled = settled || float64(n) > c.Value
	}
	if settled {
		return e
	}
	return e.deferred()
}

// deferred leaves the judgement to the verdict of all parts.
func (e Expectation) deferred() Expectation {
	e.Held, e.Deferred = true, true
	e.Measured += " in this part; to be judged over all"
	return e
}
