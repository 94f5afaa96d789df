package report

import (
	"fmt"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/simulator/verdict"
)

// Describe says in words what happened, in one line that a terminal can show.
func Describe(e *verdict.Event) string { return terminal.Escape(words(e)) }

func words(e *verdict.Event) string {
	switch e.Kind {
	case verdict.Arrived:
		return "switched on for the first time"
	case verdict.Connected:
		return "connected"
	case verdict.Disconnected:
		return "disconnected"
	case verdict.PowerCut:
		return "power cut by " + e.Text
	case verdict.Downloaded:
		return ota.FormatSize(e.N) + " verified and put in place"
	case verdict.FaultFired:
		return "fault " + e.Text + " strikes"
	case verdict.Violation:
		return "invariant violated: " + e.Text
	case verdict.Answered:
		if e.N == 1 {
			return "accepts plan " + e.Plan
		}
		return "refuses plan " + e.Plan + ": " + e.Text
	case verdict.StatusIs:
		return "device is now: " + ota.DeviceStatus(e.N).Name()
	case verdict.NoPlan:
		return "the platform has no plan for it: " + verdict.Printable(e.Text)
	case verdict.Mistaken:
		return "the platform believes that component " + e.Component + " runs " + e.Text
	case verdict.Unreached:
		return "never had a session: " + verdict.Printable(e.Text)
	case verdict.Unacknowledged:
		return fmt.Sprintf("the run ends, with %s of plan %s still on the device", ota.Counted(int(e.N), "report"), e.Plan)
	}
	return reportWords(e)
}

// reportWords says an event of a report in words.
func reportWords(e *verdict.Event) string {
	text := fmt.Sprintf("report %d, %s: %s", e.Seq, e.Component, e.Status.Row().Name)
	switch e.Kind {
	case verdict.Stored:
		text = "stores " + text
	case verdict.Illegal:
		text = "must not follow: " + text
	case verdict.OutOfOrder:
		text = "too early: " + text
	case verdict.Duplicate:
		text = "again: " + text
	case verdict.Conflicting:
		text = "again, with another content: " + text
	}
	if e.Text != "" {
		text += ", " + e.Text
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// startsWords says how far the processes of a run began apart.
func startsWords(s *verdict.Starts) string {
	apart := fmt.Sprintf("%d processes within %s of each other, ", s.Processes, verdict.Seconds(s.Apart))
	if !s.Compared {
		return apart + "each by its own clock"
	}
	return apart + "by clocks compared to within " + verdict.Seconds(s.Within)
}
