package agent

import (
	"slices"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
)

// State is everything that a device must know after a power cut. A Save carries
// a State that no later step changes.
type State struct {
	Components []Component // one for each configured component, in configuration order
	// ID, Release and Content of those that are not configured any more, oldest first, at most MaxGone
	Gone    []Component
	Run     *Run         // the current plan; nil before the first
	Past    []*Run       // plans before it, oldest first, at most MaxPast
	Ended   []Ended      // plans before those of Past, oldest first, at most MaxEnded
	Floor   time.Time    // no signed manifest that the device took was made later; zero before the first
	Reports []ota.Report // numbered and not acknowledged, oldest first
	Older   int          // the form on the disk that an older program has written; 0 for this one's
	Paused  *Pause       // nil unless the operator wants nothing new to begin; never changed in place
}

// Pause is the operator's wish that nothing new begins.
type Pause struct {
	Since  time.Time
	Reason string // in the operator's words; may be empty
}

// MaxPast is how many earlier plans a device remembers, so that it neither runs
// one again nor uses a number of its reports twice.
const MaxPast = 8

// MaxEnded is of how many plans before those a device remembers what it must
// know if one comes back, as a retained message of a broker does.
const MaxEnded = 128

// Ended is what a device remembers of a plan of long ago.
type Ended struct {
	Plan    string
	Attempt int // the last one that it knew
	LastSeq int // the last report number used
	// Accepted says that it was accepted, or ended by the platform: it never
	// runs again.
	Accepted bool
}

// MaxGone is of how many components that are not configured any more a device
// remembers which releases have run, in case that they come back.
const MaxGone = 64

// Component is what the device remembers of a component over all plans.
type Component struct {
	ID             string
	Version        string     // last known
	Release        int64      // highest release counter that has run
	Content        ota.Digest // of what ran with it, after decoding; zero if that is not known
	RestartCounter RestartCounter
}

// RestartCounter counts the restarts within an upgrade to one image, over all plans
// and attempts, until the image runs or another one is tried: the loop breaker.
type RestartCounter struct {
	Image    ota.Digest
	Restarts int
}

// Answer is what the device has said to a plan.
type Answer uint8

// The answers.
const (
	Unanswered Answer = iota // evaluated when it comes again, or waiting for the operator
	Refused                  // not stored as the answer: the plan may come again
	Accepted                 // remembered: the point of no return
	Closed                   // terminated or expired before it was accepted
)

// Run is a plan and how far the device has come with it.
type Run struct {
	Plan    *ota.Plan
	Attempt int
	LastSeq int // the last report number used
	Answer  Answer
	Parts   []Part // one for each of Plan.Components
	// Taken is when the device took the plan up: when it came first, or with a
	// higher attempt. Zero in states of older programs.
	Taken  time.Time
	Agreed bool   // the operator has accepted, and a condition held the device back
	Local  string // path of the package file that the operator installs; empty for a plan of the platform
}

// Step is what the device does within the status of a component, where the
// status alone does not tell.
type Step uint8

// The steps of an upgrade, in their order.
const (
	StepNone     Step = iota
	StepActivate      // the staged version is being made the one that runs next
	StepRestart       // a restart is owed
	StepTrial         // the new version runs and must prove its health and reach the platform
	StepConfirm       // it is being made permanent
	StepRevert        // the previous version is being brought back
	StepReturn        // a restart into the previous version is owed
)

// String is the step's name on the disk; empty for StepNone.
func (s Step) String() string { return stepNames[s] }

// snapshot copies what later steps change in place: a Run and its Parts. Plans
// and reports never change and are shared. old is a snapshot of before, whose memory
// is used; nil for none.
func (s *State) snapshot(old *State) *State {
	if old == nil {
		old = &State{}
	}
	components, run := old.Components[:0], old.Run
	components = append(components, s.Components...) // Gone never changes after the start
	*old = *s
	old.Components = components
	if s.Run != nil {
		if run == nil {
			run = &Run{}
		}
		parts := run.Parts[:0]
		parts = append(parts, s.Run.Parts...)
		*run = *s.Run
		run.Parts, old.Run = parts, run
	}
	return old
}

// SystemOnTrial reports whether the system that runs is on trial under the current
// plan: it was restarted into, in another boot than the one of the given id, and
// its health has not been proven.
func (s *State) SystemOnTrial(bootID string) bool {
	return s != nil && s.Run != nil && slices.ContainsFunc(s.Run.Parts, func(p Part) bool {
		onTrial := p.Step == StepTrial || p.Step == StepConfirm || p.Step == StepRestart && p.BootID != bootID
		return onTrial && p.Owed == firmware.RestartSystem
	})
}

// find returns the run of a plan, current or past; nil if there is none.
func (s *State) find(plan string) *Run {
	if s.Run != nil && s.Run.Plan.ID == plan {
		return s.Run
	}
	for _, run := range s.Past {
		if run.Plan.ID == plan {
			return run
		}
	}
	return nil
}

// retire moves the run in hand to the past ones.
func (s *State) retire() {
	if s.Run == nil {
		return
	}
	past := append(make([]*Run, 0, MaxPast+1), s.Past...)
	past = append(past, s.Run)
	if len(past) > MaxPast {
		// The oldest goes. A local one goes first: it is not sent again.
		oldest := max(0, slices.IndexFunc(past, func(r *Run) bool { return r.Local != "" }))
		s.remember(past[oldest])
		past = slices.Delete(past, oldest, oldest+1)
	}
	s.Past, s.Run = past, nil
}

// remember keeps of a run what must be known if its plan comes back.
func (s *State) remember(run *Run) {
	if run.Local != "" {
		return
	}
	fresh := !slices.ContainsFunc(run.Parts, func(p Part) bool { return p.Status != ota.PlanReceived })
	ended := append(make([]Ended, 0, len(s.Ended)+1), s.Ended...) // a saved state may share it
	ended = append(ended, Ended{Plan: run.Plan.ID, Attempt: run.Attempt, LastSeq: run.LastSeq,
		Accepted: run.Answer == Accepted || run.Answer == Closed || !fresh})
	s.Ended = ended[max(0, len(ended)-MaxEnded):]
}

// recall finds what is remembered of a plan of long ago; nil if nothing is.
func (s *State) recall(plan string) *Ended {
	if i := slices.IndexFunc(s.Ended, func(e Ended) bool { return e.Plan == plan }); i >= 0 {
		return &s.Ended[i]
	}
	return nil
}

// forget drops a run, in hand or past.
func (s *State) forget(run *Run) {
	if s.Run == run {
		s.Run = nil
		return
	}
	past := make([]*Run, 0, MaxPast)
	for _, p := range s.Past {
		if p != run {
			past = append(past, p)
		}
	}
	s.Past = past
}

// own returns a run that may be changed in place: the one in hand, or a copy
// that takes the place of a past one, which a saved state may share.
func (s *State) own(run *Run) *Run {
	if run == s.Run {
		return run
	}
	copied := *run
	copied.Parts = append([]Part(nil), run.Parts...)
	past := append([]*Run(nil), s.Past...)
	past[slices.Index(past, run)] = &copied
	s.Past = past
	return &copied
}

// component returns the index of a component; -1 if there is none.
func (s *State) component(id string) int {
	for i := range s.Components {
		if s.Components[i].ID == id {
			return i
		}
	}
	return -1
}

// Part is the progress of one component under a plan.
type Part struct {
	Status   ota.Status
	Step     Step
	FailedIn int              // the attempt in which it failed, or began to roll back; 0 if it did not
	Again    bool             // it failed, or rolls back, and is to be tried again
	Full     bool             // a delta was of no use: the full package is wanted, in every attempt
	Staging  bool             // its staging has begun, so that a start finds it cut off; of status download_succeeded
	Renewed  bool             // addresses were asked for because all mirrors had failed, since the last new chunk
	From     string           // the version that ran before
	Image    ota.Digest       // of the package in work, for the loop breaker
	Release  int64            // of the package in work
	Content  ota.Digest       // of the package in work, after decoding; zero if that is not known
	Found    ota.Digest       // SHA-256 of the downloaded file that a weak digest names; zero before and for other files
	Failure  *ota.Failure     // why the device rolls back, or why the part failed
	Owed     firmware.Restart // the restart of StepRestart and StepReturn
	BootID   string           // the boot in which a system restart became owed
	Restarts int              // unasked restarts in the rollback
	At       time.Time        // of the last change of Status; zero in states of older programs
}
