package report

import (
	"fmt"
	"strings"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/simulator/verdict"
)

// shownDevices is how many devices the text names; the other forms name more.
const shownDevices = 5

// looks names the devices that a person should look at.
func (t *text) looks() {
	failed := t.v.Figures.Failed()
	if len(failed) == 0 {
		return
	}
	fmt.Fprintf(t, "\nWorth a look\n")
	for _, r := range failed[:min(len(failed), shownDevices)] {
		fmt.Fprintf(t, "  %-20s %s\n", terminal.Escape(r.Device), t.style.paint(dim, sentence(r)))
	}
	if more := len(failed) - shownDevices; more > 0 {
		fmt.Fprintf(t, "  %s\n", t.style.paint(dim, fmt.Sprintf("and more; the JSON and HTML forms name %d", len(failed))))
	}
}

// sentence says in a line what became of the device.
func sentence(r *verdict.DeviceRecord) string {
	parts := []string{string(r.Class)}
	for _, c := range r.Components {
		text := c.Component + " " + c.Status.Row().Name
		if c.Code != "" {
			text += " (" + c.Code + ")"
		}
		parts = append(parts, text)
	}
	if r.Reason != "" {
		parts = append(parts, r.Reason)
	}
	if r.Refused != "" {
		parts = append(parts, "refused: "+r.Refused)
	}
	if len(r.Faults) > 0 {
		parts = append(parts, "struck by "+strings.Join(r.Faults, ", "))
	}
	if len(r.Rules) > 0 {
		parts = append(parts, "broke "+strings.Join(r.Rules, ", "))
	}
	parts = append(parts, r.Violations...)
	return strings.Join(parts, "; ")
}

func (t *text) expectations() {
	fmt.Fprintf(t, "\nExpectations\n")
	width := 38
	for _, e := range t.v.Expectations {
		width = max(width, min(len(e.Name), 60))
	}
	for _, e := range t.v.Expectations {
		mark := t.style.paint(green, "✓")
		switch {
		case e.Deferred:
			mark = t.style.paint(dim, "·")
		case !e.Held:
			mark = t.style.paint(red, "✗")
		}
		fmt.Fprintf(t, "  %s %-*s %s\n", mark, width, terminal.Escape(e.Name), t.style.paint(dim, found(&e)))
	}
	color := bold + green
	if !t.v.Held {
		color = bold + red
	}
	fmt.Fprintf(t, "\n%s\n", t.style.paint(color, outcome(t.v)))
}

// found says what was measured, and on how much.
func found(e *verdict.Expectation) string {
	if e.Occasions == 0 {
		return e.Measured
	}
	return e.Measured + " · " + ota.Counted(e.Occasions, "occasion")
}
