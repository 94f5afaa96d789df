package explore

import (
	"fmt"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// check holds the end of a trial against what must hold whatever goes wrong, and
// returns what does not. end is the status at the platform without trouble.
func (x *explorer) check(o *virtual.Outcome, end ota.DeviceStatus) []string {
	var broken []string
	fail := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	if o.Restless {
		fail("it never comes to rest")
	}
	if !o.Alive {
		fail("it is bricked: it does not run any more")
	}
	status := x.checkEvents(o, fail)
	if status != end {
		fail("the platform believes %s, and %s without trouble", status, end)
	}
	checkState(o, fail)
	return broken
}

// checkEvents judges what was recorded, and returns what the platform believes
// in the end.
func (x *explorer) checkEvents(o *virtual.Outcome, fail func(string, ...any)) ota.DeviceStatus {
	var said, heard []verdict.Event
	status := ota.DeviceNotUpgraded
	for _, e := range o.Events {
		switch e.Kind {
		case verdict.Numbered:
			said = append(said, e)
		case verdict.Stored:
			heard = append(heard, e)
		case verdict.StatusIs:
			status = ota.DeviceStatus(e.N)
		case verdict.Violation:
			fail("%s", e.Text)
		case verdict.Illegal:
			fail("report %d, %s %s, is a step that the status table forbids", e.Seq, e.Component, e.Status)
		case verdict.Conflicting:
			fail("the number %d was given to two reports", e.Seq)
		case verdict.OutOfOrder:
			fail("report %d arrived before an earlier one", e.Seq)
		}
	}
	x.checkReports(said, heard, fail)
	return status
}

// checkReports holds what the platform stored against what the device said. Where a
// retry is a plan of its own for the device, its reports are numbered anew.
func (x *explorer) checkReports(said, heard []verdict.Event, fail func(string, ...any)) {
	if len(heard) < len(said) {
		fail("%d of %s lost", len(said)-len(heard), ota.Counted(len(said), "report"))
	}
	seqs := map[string]int{}
	for i := range said {
		if said[i].Seq == 1 && !x.options.Dialect.IsNative() {
			seqs[said[i].Plan] = 0
		}
		if seqs[said[i].Plan]++; said[i].Seq != seqs[said[i].Plan] {
			fail("report %d was numbered when %d was due", said[i].Seq, seqs[said[i].Plan])
			return
		}
		if i < len(heard) && (heard[i].Seq != said[i].Seq || heard[i].N != said[i].N) {
			fail("report %d was stored otherwise than it was said", said[i].Seq)
			return
		}
	}
}

// checkState holds what the device has on its disk against what it runs.
func checkState(o *virtual.Outcome, fail func(string, ...any)) {
	if o.State == nil || o.State.Run == nil {
		return
	}
	if n := len(o.State.Reports); n > 0 {
		fail("%s without an acknowledgement, for ever", ota.Counted(n, "report"))
	}
	run := o.State.Run
	for i := range run.Parts {
		checkPart(o, &run.Parts[i], run.Plan.Components[i], fail)
	}
	if run.Plan.OnFailure == ota.Revert && mixed(run) {
		fail("versions are mixed: some components were upgraded and others were not, under a plan that reverts")
	}
}

func checkPart(o *virtual.Outcome, part *agent.Part, c ota.PlanComponent, fail func(string, ...any)) {
	runs := ""
	for k := range o.Fleet.Components {
		if o.Fleet.Components[k].ID == c.ID {
			runs = o.Runs[k]
		}
	}
	switch {
	case part.Step != agent.StepNone, part.Status.InProgress(), part.Again:
		fail("component %s is still at work: %s", c.ID, part.Status)
	case part.Status == ota.UpgradeSucceeded && runs != c.Target:
		fail("component %s says that it was upgraded, and runs %s", c.ID, runs)
	case part.Status.Failed() && part.From != "" && runs != part.From:
		fail("component %s says that it failed, and runs %s instead of %s", c.ID, runs, part.From)
	}
}

// mixed reports whether some components of a run were upgraded and others failed.
func mixed(run *agent.Run) bool {
	upgraded, failed := false, false
	for i := range run.Parts {
		upgraded = upgraded || run.Parts[i].Status == ota.UpgradeSucceeded
		failed = failed || run.Parts[i].Status.Failed()
	}
	return upgraded && failed
}
