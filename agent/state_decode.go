package agent

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// maxSeq bounds the number of a report on disk, far above any that is reached.
const maxSeq = 1 << 30

// NewerState says that a state was read as far as this program understands it: a
// newer one has written it.
type NewerState struct{ Format int }

// Error names the formats.
func (n *NewerState) Error() string {
	return fmt.Sprintf("the state has format %d, and this program knows 1 to %d", n.Format, stateFormat)
}

// DecodeState reads a state from its form on disk. It refuses what EncodeState
// could not have written, so that a machine never starts from nonsense. With a
// *NewerState it gives a state all the same.
func DecodeState(data []byte) (*State, error) {
	var record stateRecord
	if err := json.Unmarshal(data, &record); err != nil {
		return nil, fmt.Errorf("cannot read the state: %w", err)
	}
	switch {
	case record.Format < 1:
		return nil, fmt.Errorf("cannot read the state: its format is %d, and this program knows 1 to %d", record.Format,
			stateFormat)
	case record.Format > stateFormat:
		return decodeNewer(&record), &NewerState{record.Format}
	}
	s, err := decodeRecord(&record)
	if err == nil && record.Format < stateFormat {
		s.Older = record.Format
	}
	return s, err
}

// decodeNewer reads a state of a newer program. What cannot be read is left out,
// the plans before what the device knows of its components.
func decodeNewer(record *stateRecord) *State {
	for _, leaveOut := range []func(){
		func() {},
		func() { record.Past, record.Ended = nil, nil },
		func() { record.Reports = nil },
		func() { record.Run, record.Paused = nil, nil },
		func() { record.Gone = nil },
	} {
		leaveOut()
		if s, err := decodeRecord(record); err == nil {
			return s
		}
	}
	return &State{}
}

func decodeRecord(record *stateRecord) (*State, error) {
	s := &State{}
	if record.Floor != nil {
		s.Floor = record.Floor.UTC()
	}
	for i, c := range record.Components {
		component, err := decodeComponent(&c)
		if err != nil {
			return nil, fmt.Errorf("cannot read the state: components[%d] is malformed", i)
		}
		s.Components = append(s.Components, component)
	}
	for i, c := range record.Gone {
		component, err := decodeComponent(&c)
		if i == MaxGone || err != nil {
			return nil, fmt.Errorf("cannot read the state: gone[%d] is malformed, or one too many", i)
		}
		s.Gone = append(s.Gone, component)
	}
	for i, e := range record.Ended {
		if i == MaxEnded || !ota.ValidPlanID(e.Plan) || e.Attempt < 1 || e.LastSeq < 0 || e.LastSeq > maxSeq {
			return nil, fmt.Errorf("cannot read the state: ended[%d] is malformed, or one too many", i)
		}
		s.Ended = append(s.Ended, Ended(e))
	}
	for _, decode := range []func(*State, *stateRecord) error{decodeRuns, decodeReports, decodePause} {
		if err := decode(s, record); err != nil {
			return nil, fmt.Errorf("cannot read the state: %w", err)
		}
	}
	return s, nil
}

func decodeComponent(record *componentRecord) (Component, error) {
	image, err := decodeDigest(record.RestartCounter)
	if err != nil {
		return Component{}, err
	}
	content, err := decodeDigest(record.Content)
	if err == nil && (!ota.ValidComponentID(record.ID) || !knownVersion(record.Version) || record.Restarts < 0) {
		err = fmt.Errorf("id %q, version %q, %d restarts", record.ID, record.Version, record.Restarts)
	}
	return Component{ID: record.ID, Version: record.Version, Release: record.Release, Content: content,
		RestartCounter: RestartCounter{image, record.Restarts}}, err
}

// knownVersion reports whether a version can be reported, or is not known.
func knownVersion(version string) bool { return version == "" || ota.ValidVersion(version) }

func decodeRuns(s *State, record *stateRecord) (err error) {
	if len(record.Past) > MaxPast {
		return fmt.Errorf("%d past plans, at most %d are kept", len(record.Past), MaxPast)
	}
	for i, r := range record.Past {
		if r == nil {
			return fmt.Errorf("past[%d] is null", i)
		}
		run, err := decodeRun(r)
		switch {
		case err != nil:
			return fmt.Errorf("past[%d]: %w", i, err)
		case s.find(run.Plan.ID) != nil:
			return fmt.Errorf("plan %s stands in it twice", run.Plan.ID)
		}
		s.Past = append(s.Past, run)
	}
	if record.Run == nil {
		return nil
	}
	run, err := decodeRun(record.Run)
	switch {
	case err != nil:
		return fmt.Errorf("run: %w", err)
	case s.find(run.Plan.ID) != nil:
		return fmt.Errorf("plan %s stands in it twice", run.Plan.ID)
	}
	s.Run = run
	return nil
}

// decodeReports reads the reports, none of which may carry a number that its
// plan has not used.
func decodeReports(s *State, record *stateRecord) error {
	for i, payload := range record.Reports {
		up, err := wire.DecodeUp(wire.KindStatus, payload)
		if err != nil {
			return fmt.Errorf("reports[%d]: %w", i, err)
		}
		report, ok := up.(*ota.Report)
		if !ok {
			return fmt.Errorf("reports[%d] is a %T", i, up)
		}
		if run := s.find(report.Plan); run != nil && report.Seq > run.LastSeq {
			return fmt.Errorf("reports[%d]: number %d of plan %s, whose last is %d", i, report.Seq, report.Plan, run.LastSeq)
		}
		s.Reports = append(s.Reports, *report)
	}
	return nil
}

func decodePause(s *State, record *stateRecord) (err error) {
	if record.Paused == nil {
		return nil
	}
	s.Paused = &Pause{Reason: record.Paused.Reason}
	if s.Paused.Since, err = decodeTime(record.Paused.Since); err != nil {
		return fmt.Errorf("paused: %w", err)
	}
	return nil
}

func decodeRun(record *runRecord) (*Run, error) {
	down, err := wire.DecodeDown(wire.KindPlan, record.Plan)
	if err != nil {
		return nil, err
	}
	plan, ok := down.(*ota.Plan)
	if !ok || len(record.Parts) != len(plan.Components) {
		return nil, fmt.Errorf("plan %s: the parts do not match the components", plan.ID)
	}
	if record.LastSeq < 0 || record.LastSeq > maxSeq || record.Attempt < 1 || record.Attempt > ota.MaxAttempt {
		return nil, fmt.Errorf("plan %s: attempt %d, last report %d", plan.ID, record.Attempt, record.LastSeq)
	}
	run := &Run{Plan: plan, Attempt: record.Attempt, LastSeq: record.LastSeq, Parts: make([]Part, len(record.Parts))}
	answer, known := index(answerNames[:], record.Answer)
	if !known {
		return nil, fmt.Errorf("plan %s: unknown answer %q", plan.ID, record.Answer)
	}
	run.Answer, run.Agreed, run.Local = Answer(answer), record.Agreed, record.Local
	if run.Taken, err = decodeTime(record.Taken); err != nil {
		return nil, fmt.Errorf("plan %s: %w", plan.ID, err)
	}
	return run, decodeParts(run, record)
}

func decodeParts(run *Run, record *runRecord) (err error) {
	for i := range record.Parts {
		part := &run.Parts[i]
		*part, err = decodePart(&record.Parts[i])
		if err == nil && run.Answer != Accepted && (part.Step != StepNone || part.begun()) {
			err = fmt.Errorf("step %q, status %s of a plan that was not accepted", stepNames[part.Step], part.Status)
		}
		if err != nil {
			return fmt.Errorf("plan %s: component %s: %w", run.Plan.ID, run.Plan.Components[i].ID, err)
		}
	}
	return nil
}

func decodePart(record *partRecord) (Part, error) {
	status, known := ota.ParseStatus(record.Status)
	if !known {
		return Part{}, fmt.Errorf("unknown status %q", record.Status)
	}
	step, known := index(stepNames[:], record.Step)
	if !known {
		return Part{}, fmt.Errorf("unknown step %q", record.Step)
	}
	image, err := decodeDigest(record.Image)
	if err != nil {
		return Part{}, fmt.Errorf("image: %w", err)
	}
	content, err := decodeDigest(record.Content)
	if err != nil {
		return Part{}, fmt.Errorf("content: %w", err)
	}
	found, err := decodeDigest(record.Found)
	if err != nil {
		return Part{}, fmt.Errorf("found: %w", err)
	}
	owed := firmware.Restart(record.Owed)
	if owed != "" && !owed.Valid() {
		return Part{}, fmt.Errorf("unknown restart %q", record.Owed)
	}
	at, err := decodeTime(record.At)
	if err != nil {
		return Part{}, err
	}
	part := Part{Status: status, Step: Step(step), FailedIn: record.FailedIn, Again: record.Again,
		Full: record.Full, Renewed: record.Renewed, Staging: record.Staging, From: record.From, Image: image,
		Release: record.Release, Content: content, Found: found,
		Owed: owed, BootID: record.BootID, Restarts: record.Restarts, At: at}
	if record.Failure != nil {
		part.Failure = &ota.Failure{Code: ota.Code(record.Failure.Code), Detail: record.Failure.Detail}
	}
	return part, part.check()
}

// check refuses combinations that no run of the machine can reach, and that it
// could not go on from.
func (p *Part) check() error {
	if p.Restarts < 0 || p.FailedIn < 0 {
		return fmt.Errorf("%d restarts, failed in attempt %d", p.Restarts, p.FailedIn)
	}
	if !knownVersion(p.From) {
		return fmt.Errorf("malformed version %q", p.From)
	}
	if p.Failure != nil && !validCode(p.Failure.Code) {
		return fmt.Errorf("malformed code %q", p.Failure.Code)
	}
	return p.checkStep()
}

// checkStep holds the step against the status.
func (p *Part) checkStep() error {
	switch {
	case p.Status.Failed() && p.Failure == nil:
		return fmt.Errorf("status %s needs a failure", p.Status)
	case p.Status == ota.Upgrading && p.Step == StepNone:
		return fmt.Errorf("status %s without a step", p.Status)
	case p.rollingBack():
		return p.checkBack()
	case p.Step != StepNone && p.Status != ota.Upgrading:
		return fmt.Errorf("step %q does not belong to status %s", stepNames[p.Step], p.Status)
	case p.Step == StepRestart:
		return p.checkOwed()
	}
	return nil
}

func (p *Part) checkBack() error {
	switch {
	case p.Failure == nil:
		return fmt.Errorf("step %q needs a failure", stepNames[p.Step])
	case !p.Status.MayBecome(ota.UpgradeFailed):
		return fmt.Errorf("step %q does not belong to status %s", stepNames[p.Step], p.Status)
	case p.Status == ota.UpgradeSucceeded && p.Failure.Code != ota.Reverted:
		return fmt.Errorf("step %q after success for %s", stepNames[p.Step], p.Failure.Code)
	case p.Step == StepReturn:
		return p.checkOwed()
	}
	return nil
}

func (p *Part) checkOwed() error {
	if p.Owed != firmware.RestartProcess && p.Owed != firmware.RestartSystem {
		return fmt.Errorf("step %q owes no restart", stepNames[p.Step])
	}
	return nil
}

// validCode reports whether a code can be reported. It need not be known: a
// newer program may have saved it.
func validCode(code ota.Code) bool {
	for i := range len(code) {
		if (code[i] < 'a' || code[i] > 'z') && code[i] != '_' {
			return false
		}
	}
	return len(code) >= 1 && len(code) <= 64
}

func decodeDigest(text string) (d ota.Digest, err error) {
	if text == "" {
		return d, nil
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(d) {
		return d, fmt.Errorf("malformed digest")
	}
	return ota.Digest(raw), nil
}

// decodeTime reads a time; empty is the zero time.
func decodeTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(timeForm, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("malformed time %q", text)
	}
	return t, nil
}

func index(names []string, name string) (int, bool) {
	for i, n := range names {
		if n == name {
			return i, true
		}
	}
	return 0, false
}
