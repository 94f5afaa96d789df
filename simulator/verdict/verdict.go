package verdict

import "otafleet/simulator/scenario"

// Verdict is the outcome of a run.
type Verdict struct {
	Scenario     string
	Description  string
	Seed         uint64
	World        string // real or virtual
	Figures      *Figures
	Expectations []Expectation
	Held         bool
	Resources    Resources
	Interrupted  bool // the run was stopped before its end
}

// Resources is what the run took of the machine.
type Resources struct {
	PeakMemory int64 // bytes resident, at most
	Sockets    int   // open at most
}

// Interrupt says that the run was stopped before its end: what did not happen
// might have happened later, so the verdict does not hold.
func (v *Verdict) Interrupt() {
	v.Interrupted, v.Held = true, false
	v.Expectations = append(v.Expectations, Expectation{
		Name: "the run came to its end", Measured: "interrupted after " + Seconds(v.Figures.Duration),
	})
}

// New holds the figures against the scenario's expectations.
func New(s *scenario.Scenario, seed uint64, world string, f *Figures) *Verdict {
	v := &Verdict{Scenario: s.Name, Description: s.Description, Seed: seed, World: world, Figures: f}
	v.Expectations = Expect(&s.Expect, f)
	v.Held = Held(v.Expectations)
	return v
}
