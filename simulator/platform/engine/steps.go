package engine

import "otafleet/internal/ota"

// Step is one of the five steps in which a component's way is shown.
type Step struct {
	Stage ota.Stage
	State StepState
}

// StepState says how far a step is.
type StepState string

// The states of a step.
const (
	StepDone    StepState = "done"
	StepNow     StepState = "now"     // it is under way, or its turn is next
	StepLater   StepState = "later"   // it may yet come
	StepFailed  StepState = "failed"  // the component's way has ended in it
	StepSkipped StepState = "skipped" // the way has ended, and the device has not reported it
)

// milestone is a step before the end, with the status that ends it.
type milestone struct {
	stage ota.Stage
	done  ota.Status
}

func milestones() [4]milestone {
	return [...]milestone{
		{ota.StageStart, ota.PlanReceived}, {ota.StageConfirm, ota.UpgradeConfirmed},
		{ota.StageDownload, ota.DownloadSucceeded}, {ota.StageUpgrade, ota.Upgrading},
	}
}

// Steps draws a component's way: only what the device has reported counts as done.
func (c *ComponentView) Steps() []Step {
	if c.Status.Done() || c.Status.Failed() {
		return c.pastSteps()
	}
	steps := make([]Step, 0, 5)
	next := StepNow
	for _, m := range milestones() {
		if c.Status >= m.done && m.stage != c.Stage {
			steps = append(steps, Step{m.stage, StepDone})
			continue
		}
		steps = append(steps, Step{m.stage, next})
		next = StepLater
	}
	return append(steps, Step{ota.StageEnd, StepLater})
}

// pastSteps draws the way of a component that has come to an end.
func (c *ComponentView) pastSteps() []Step {
	steps := make([]Step, 0, 5)
	for _, m := range milestones() {
		state := StepSkipped
		switch {
		case c.Reached >= m.done:
			state = StepDone
		case c.Status.Failed() && (m.stage == c.Stage || m.stage == ota.StageDownload && c.Reached.Row().Stage == m.stage):
			state = StepFailed
		}
		steps = append(steps, Step{m.stage, state})
	}
	end := StepSkipped
	switch {
	case c.Status.Done():
		end = StepDone
	case c.Stage == ota.StageEnd:
		end = StepFailed
	}
	return append(steps, Step{ota.StageEnd, end})
}

// Sentence says what the component's status means for it.
func (c *ComponentView) Sentence() string {
	if c.Status == ota.UpgradeFailed && c.Reached < ota.Upgrading {
		return "The upgrade ended before its switch began, and the component runs what it ran before."
	}
	return c.Status.Row().Sentence
}
