package verdict

import (
	"time"

	"otafleet/simulator/scenario"
)

// Verdict is the outcome of a run.
type Verdict struct {
	Scenario      *scenario.Scenario
	Seed          uint64
	World         string // real or virtual
	Figures       *Figures
	Expectations  []Expectation
	Held          bool
	HistoryDigest string // of the recorded history: Digest.Of
	Resources     Resources
	Interrupted   bool // the run was stopped before its end
	Unrecorded    bool // its record was not kept whole
	Starts        Starts
	// KeptUntil is the time of the first event that its record lacks, since it has reached the
	// limit that it was given; 0 if it has not.
	KeptUntil time.Duration

	// What a reader needs to run it again. Each may be empty.
	Text    string    // of the scenario's file
	Source  string    // the file or bundled name that was run; empty means the scenario's name
	Record  string    // the directory of the recorded history
	Part    string    // which devices of the scenario were run, as a person says it; empty for all
	Program string    // name and version of the program that ran it
	Started time.Time // when the run began
}

// Resources is what the run took of the machine. What is not known is 0.
type Resources struct {
	PeakMemory int64         // bytes resident, at most, of all processes together
	Sockets    int           // open at most, of all processes together
	Wall       time.Duration // from the start of the program's run to its end
	CPU        time.Duration // of processors, user and system
	CPUs       int           // processors of the machine
	System     string        // linux/amd64
	Processes  int           // that shared the run; 0 means one
}

// Starts says how far the processes of a run began apart. The zero value says nothing.
type Starts struct {
	Processes int
	Apart     time.Duration // from the first to the last
	Compared  bool          // by one clock; else each process has its own
	Within    time.Duration // the most that Apart is wrong by, if it is by one clock
}

// New holds the figures against the scenario's expectations.
func New(s *scenario.Scenario, seed uint64, world string, f *Figures) *Verdict {
	v := &Verdict{Scenario: s, Seed: seed, World: world, Figures: f}
	v.Expectations = Expect(s, f)
	v.Held = Held(v.Expectations)
	v.HistoryDigest = f.digest.Of(s)
	return v
}

// Interrupt says that the run was stopped before its end: what did not happen
// might have happened later, so the verdict does not hold.
func (v *Verdict) Interrupt() {
	v.cutShort("interrupted after " + Seconds(v.Figures.Duration))
}

// Break says that the run's record has no end, so that the program must have
// been killed: the verdict is about what was recorded, and does not hold.
func (v *Verdict) Break() {
	v.cutShort("the record breaks off after " + Seconds(v.Figures.Duration))
}

func (v *Verdict) cutShort(measured string) {
	v.Interrupted = true
	v.fail("the run came to its end", measured)
}

// LoseHistory says that the run's record was not kept whole, and why: the verdict
// is about everything that happened, but the record cannot be judged again to
// the same, so the verdict does not hold.
func (v *Verdict) LoseHistory(reason error) {
	v.Unrecorded = true
	v.fail("the history is complete", "history incomplete: "+reason.Error())
}

// fail adds an expectation that did not hold.
func (v *Verdict) fail(name, measured string) {
	v.Held = false
	v.Expectations = append(v.Expectations, Expectation{Name: name, Measured: measured})
}

// RuleOccasions is how often the scenario's i-th rule was asked, as its
// expectation counts it: none where the rule says nothing.
func (v *Verdict) RuleOccasions(i int) int {
	x := &expecting{scenario: v.Scenario, figures: v.Figures}
	n, _ := x.occasions(&v.Scenario.Expect.Rules[i], &v.Figures.Rules[i])
	return n
}
