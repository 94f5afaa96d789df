package engine

import "time"

// maxSamples bounds a plan's series; a fuller one gets half as fine.
const maxSamples = 240

// Sample is how a plan's devices stood from a time on.
type Sample struct {
	At      time.Time // to the second
	Devices Tally
}

// series is how a plan's counts went, in steps that double when it is full, so
// that a plan of a year takes as much room as one of a minute.
type series struct {
	step    second // seconds; 0 before the first sample
	samples []sample
}

type sample struct {
	at    second
	tally Tally
}

// add notes counts. Of one step the last ones stay.
func (s *series) add(at second, tally Tally) {
	if s.step == 0 {
		s.step = 1
	}
	if n := len(s.samples); n > 0 && s.samples[n-1].at/s.step >= at/s.step {
		s.samples[n-1].tally = tally
		return
	}
	for len(s.samples) >= maxSamples {
		s.thin()
	}
	s.samples = append(s.samples, sample{at, tally})
}

// thin doubles the step. The first sample stays what it is: the beginning.
func (s *series) thin() {
	s.step *= 2
	kept := s.samples[:1]
	for _, next := range s.samples[1:] {
		if last := &kept[len(kept)-1]; len(kept) > 1 && last.at/s.step == next.at/s.step {
			last.tally = next.tally
			continue
		}
		kept = append(kept, next)
	}
	s.samples = kept
}

// sample notes a plan's counts from its activation on.
func (e *Engine) sample(p *plan) {
	if p.activation > 0 {
		p.series.add(secondOf(e.now), p.counts())
		e.keepSeries(p)
	}
}

// Series is how a plan's counts went since its activation, oldest first: at most
// 240 samples, taken where something changed. Nil if the plan is unknown.
func (e *Engine) Series(planID string) []Sample {
	p := e.plans[planID]
	if p == nil {
		return nil
	}
	all := make([]Sample, 0, len(p.series.samples))
	for _, s := range p.series.samples {
		all = append(all, Sample{s.at.time(), s.tally})
	}
	return all
}
