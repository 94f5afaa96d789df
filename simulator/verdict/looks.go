package verdict

import (
	"fmt"
	"strings"

	"otafleet/internal/terminal"
)

// shownDevices is how many devices the text names; the other forms name more.
const shownDevices = 5

// writeLooks names the devices that a person should look at.
func (v *Verdict) writeLooks(b *strings.Builder, style Style) {
	failed := v.Figures.Failed()
	if len(failed) == 0 {
		return
	}
	fmt.Fprintf(b, "\nWorth a look\n")
	for _, r := range failed[:min(len(failed), shownDevices)] {
		fmt.Fprintf(b, "  %-20s %s\n", terminal.Escape(r.Device), style.paint(dim, r.sentence()))
	}
	if more := len(failed) - shownDevices; more > 0 {
		fmt.Fprintf(b, "  %s\n", style.paint(dim, fmt.Sprintf("and more; the JSON and HTML forms name %d", len(failed))))
	}
}

// sentence says in a line what became of the device.
func (r *DeviceRecord) sentence() string {
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

func (v *Verdict) writeExpectations(b *strings.Builder, style Style) {
	fmt.Fprintf(b, "\nExpectations\n")
	width := 38
	for _, e := range v.Expectations {
		width = max(width, min(len(e.Name), 60))
	}
	for _, e := range v.Expectations {
		mark := style.paint(green, "✓")
		switch {
		case e.Deferred:
			mark = style.paint(dim, "·")
		case !e.Held:
			mark = style.paint(red, "✗")
		}
		fmt.Fprintf(b, "  %s %-*s %s\n", mark, width, terminal.Escape(e.Name), style.paint(dim, e.found()))
	}
	color := bold + green
	if !v.Held {
		color = bold + red
	}
	fmt.Fprintf(b, "\n%s\n", style.paint(color, v.outcome()))
}
