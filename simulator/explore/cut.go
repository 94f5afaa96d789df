package explore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/virtual"
)

// Cut is one thing that goes wrong at one output of a device's machine.
type Cut struct {
	Device  string
	Output  int // counted from 0 over all lives of the device
	Trouble virtual.Trouble
}

// String gives the form that ParseCuts reads: gateways-000001:17:power-before.
func (c Cut) String() string { return fmt.Sprintf("%s:%d:%s", c.Device, c.Output, c.Trouble) }

// ParseCuts reads cuts, separated by commas.
func ParseCuts(text string) ([]Cut, error) {
	var cuts []Cut
	for _, one := range strings.Split(text, ",") {
		parts := strings.Split(one, ":")
		if len(parts) != 3 {
			return nil, fmt.Errorf("%q is not a cut; want DEVICE:OUTPUT:TROUBLE, such as gateways-000001:17:power-before", one)
		}
		output, err := strconv.Atoi(parts[1])
		if err != nil || output < 0 {
			return nil, fmt.Errorf("%q: %q is not the number of an output", one, parts[1])
		}
		trouble, known := parseTrouble(parts[2])
		if !known {
			return nil, fmt.Errorf("%q: %q is no trouble; want one of %s", one, parts[2], strings.Join(names(), ", "))
		}
		cuts = append(cuts, Cut{parts[0], output, trouble})
	}
	return cuts, nil
}

// troubles lists what can go wrong.
func troubles() []virtual.Trouble {
	return []virtual.Trouble{virtual.PowerBefore, virtual.PowerAfter, virtual.CrashBefore, virtual.CrashAfter,
		virtual.DropBefore, virtual.DropAfter, virtual.FailWrite}
}

func names() []string {
	var all []string
	for _, t := range troubles() {
		all = append(all, t.String())
	}
	return all
}

func parseTrouble(name string) (virtual.Trouble, bool) {
	for _, t := range troubles() {
		if t.String() == name {
			return t, true
		}
	}
	return virtual.NoTrouble, false
}

// script is a probe that lets the cuts of one trial happen, and notes what the
// machines did.
type script struct {
	cuts  []Cut
	done  int // cuts that have happened
	steps []Step
	keep  bool // steps are noted
}

// Step is one output in the trace of a trial.
type Step struct {
	At      time.Duration // since the start of the run
	Device  string
	Output  int
	What    agent.Output
	Trouble virtual.Trouble
}

// String says what the machine wanted, in a few words.
func (s *Step) String() string {
	switch out := s.What.(type) {
	case agent.Save:
		return "save" + describeState(out.State)
	case agent.Send:
		return "send " + describeMessage(out.Message)
	case agent.SetTimer:
		if out.At.IsZero() {
			return "set no timer"
		}
		return "set a timer"
	case agent.Measure:
		return "read the sensors"
	case agent.Fetch:
		return "fetch " + out.Job.Component
	case agent.Stage:
		return "stage " + out.Job.Component
	case agent.Activate:
		return "activate " + out.Job.Component
	case agent.CheckHealth:
		return "check the health of " + out.Job.Component
	case agent.Confirm:
		return "confirm " + out.Job.Component
	case agent.Revert:
		return "revert " + out.Job.Component
	case agent.Restart:
		return "restart: " + string(out.Scope)
	case agent.Forget:
		return "forget the address of " + out.Component
	}
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", s.What), "agent."))
}

// describeState gives the status of each component, and the step within it.
func describeState(s *agent.State) string {
	if s.Run == nil {
		return ""
	}
	text := ""
	for i := range s.Run.Parts {
		part := &s.Run.Parts[i]
		text += " " + s.Run.Plan.Components[i].ID + "=" + part.Status.String()
		if part.Step != agent.StepNone {
			text += "/" + part.Step.String()
		}
	}
	return text
}

func describeMessage(m ota.Up) string {
	switch m := m.(type) {
	case *ota.Report:
		return fmt.Sprintf("report %d: %s %s", m.Seq, m.Component, m.Status)
	case *ota.Decision:
		if m.Accept {
			return "its agreement"
		}
		return "its refusal: " + string(m.Reason)
	case *ota.AddressRequest:
		return "a request for an address: " + string(m.Reason)
	case *ota.Inventory:
		return "its inventory"
	}
	return "progress"
}

// Output gives an output the trouble that is meant for it (virtual.Probe).
func (s *script) Output(at time.Duration, device string, number int, out agent.Output) virtual.Trouble {
	trouble := virtual.NoTrouble
	for _, c := range s.cuts {
		if c.Output == number && c.Device == device {
			trouble = c.Trouble
			s.done++
		}
	}
	if s.keep {
		s.steps = append(s.steps, Step{At: at, Device: device, Output: number, What: out, Trouble: trouble})
	}
	return trouble
}

// missed says which cut did not happen; nil if all did.
func (s *script) missed() error {
	for _, c := range s.cuts {
		n, what := 0, agent.Output(nil)
		for i := range s.steps {
			if step := &s.steps[i]; step.Device == c.Device {
				n = max(n, step.Output+1)
				if step.Output == c.Output {
					what = step.What
				}
			}
		}
		switch {
		case what == nil:
			return fmt.Errorf("there is no output %d: in this trial %s has %d, 0 to %d", c.Output, c.Device, n, n-1)
		case c.Trouble == virtual.FailWrite && !writes(what):
			return fmt.Errorf("output %d of %s writes nothing, so no write can fail: it is to %s", c.Output, c.Device,
				(&Step{What: what}).String())
		}
	}
	return nil
}

// writes reports whether an output writes something, so that the write can fail.
func writes(out agent.Output) bool {
	switch out.(type) {
	case agent.Save, agent.Fetch, agent.Stage, agent.Activate, agent.Confirm, agent.Revert:
		return true
	}
	return false
}
