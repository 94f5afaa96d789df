package scenario

import (
	"slices"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// readRepeat reads how a plan comes again; components is where its components stand.
func readRepeat(m *yamlform.Map, p *Plan, components []*yamlform.Map, s *Scenario) {
	rm := m.Map("repeat")
	if !rm.Given() {
		return
	}
	r, times := Repeat{Versions: Alternate}, MaxRounds
	rm.Require("every")
	rm.Duration("every", &r.Every, MinEvery, MaxDuration)
	rm.Int("times", &times, 2, MaxRounds)
	yamlform.Enum(rm, "versions", &r.Versions, Alternate, Count)
	switch {
	case p.Mode == ota.Manual:
		m.Problemf("repeat", "is for silent plans; a manual one waits for its user")
	case m.Has("ends"):
		m.Problemf("ends", "is for plans that come once; a round ends when the next one begins")
	}
	checkCounting(p, components)
	if s.Duration == 0 || r.Every == 0 || p.Starts >= s.Duration {
		return // reported above
	}
	fitting := int((s.Duration - p.Starts + r.Every - 1) / r.Every)
	if r.Rounds = min(times, fitting); !rm.Has("times") && fitting > MaxRounds {
		rm.Problemf("every", "makes %d rounds; want at most %d", fitting, MaxRounds)
	}
	if r.Versions == Count && r.Rounds > MaxCounted {
		rm.Problemf("versions", "%s makes a package for each of %d rounds; want at most %d, or %s", Count, r.Rounds,
			MaxCounted, Alternate)
	}
	if len(roundName(p.Name, r.Rounds)) > ota.MaxKey {
		m.Problemf("name", "is too long for a plan of %d rounds, whose number stands behind it; want at most %d "+
			"characters with it", r.Rounds, ota.MaxKey)
	}
	if r.Rounds > 0 && rm.Sound() {
		p.Repeat = &r
	}
	warnRounds(rm, p, &r, times, fitting, s)
}

// checkCounting holds that every round can upgrade from the one before it.
func checkCounting(p *Plan, components []*yamlform.Map) {
	for i, m := range components {
		c := &p.Components[i]
		if _, counts := countOn(c.Target, 0); c.Target != "" && !counts {
			m.Problemf("target", "%q does not end with a number of at most %d digits, which the rounds of a repeated plan "+
				"count on", c.Target, maxDigits)
		}
		if c.Package == ota.Delta || len(c.Sources) > 0 {
			m.Problemf("sources", "are for plans that come once; each round of a repeated one starts from another version, "+
				"so give a full package without sources")
		}
	}
}

// warnRounds notes rounds that do not come, or have nothing to do, or not enough time.
func warnRounds(m *yamlform.Map, p *Plan, r *Repeat, times, fitting int, s *Scenario) {
	switch {
	case r.Rounds == 1:
		m.Warnf("every", "only one round begins before the run ends")
	case m.Has("times") && times > fitting:
		m.Warnf("times", "only %d rounds begin before the run ends", fitting)
	}
	for i := range s.Fleets {
		f := &s.Fleets[i]
		if !p.Covers(f) {
			continue
		}
		if takes := p.takes(f); takes > r.Every {
			m.Warnf("every", "a round takes devices of %s up to %s, longer than its interval: they miss rounds", f.Name,
				yamlform.FormatDuration(takes.Round(time.Second)))
		}
	}
}

// takes is how long a device of a fleet takes for a plan at most, if nothing goes wrong.
func (p *Plan) takes(f *Fleet) time.Duration {
	var total time.Duration
	for i := range p.Components {
		c := &p.Components[i]
		if f.Component(c.ID) == nil {
			continue
		}
		if f.Link.Bandwidth > 0 {
			total += time.Duration(float64(c.Size) / float64(f.Link.Bandwidth) * float64(time.Second))
		}
		total += f.Install.Time.Hi
	}
	return total
}

// mostWindows bounds the windows of a run: what is kept of one takes a few KiB.
const mostWindows = 240

// readWindows reads the width of the windows of a rolling verdict. A run that takes long,
// or has plans that come again, has one unless it is asked for otherwise.
func readWindows(m *yamlform.Map, s *Scenario) {
	m.Duration("windows", &s.Windows, time.Second, MaxDuration)
	switch {
	case s.Duration == 0:
	case m.Has("windows") && s.Windows > s.Duration:
		m.Problemf("windows", "are longer than the run of %s", yamlform.FormatDuration(s.Duration))
	case m.Has("windows") && s.Duration > mostWindows*s.Windows:
		m.Problemf("windows", "are more than %d in a run of %s; want at least %s", mostWindows,
			yamlform.FormatDuration(s.Duration), yamlform.FormatDuration(s.Duration/mostWindows))
	case !m.Has("windows") && s.isLong():
		s.Windows = min(time.Hour, s.Duration/10)
		for s.Duration > mostWindows*s.Windows {
			s.Windows *= 2
		}
	}
}

// isLong reports whether how a run goes matters more than how it ends.
func (s *Scenario) isLong() bool {
	const day = 24 * time.Hour
	repeats := func(p Plan) bool { return p.Repeat != nil }
	return s.Duration > day || slices.ContainsFunc(s.Plans, repeats)
}
