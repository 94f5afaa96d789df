package verdict

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// Style says how text may look.
type Style struct {
	Color bool // ANSI colours
}

// The ANSI colours of a verdict.
const (
	green = "\x1b[32m"
	red   = "\x1b[31m"
	dim   = "\x1b[2m"
	bold  = "\x1b[1m"
	reset = "\x1b[0m"
)

func (s Style) paint(color, text string) string {
	if !s.Color {
		return text
	}
	return color + text + reset
}

// barWidth is the length of a full bar, in characters.
const barWidth = 30

// bar draws a share as a bar. What is not nothing is at least a sliver.
func bar(n, total int) string {
	if n == 0 || total == 0 {
		return ""
	}
	eighths := max(1, n*barWidth*8/total)
	partial := []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}
	return strings.Repeat("█", eighths/8) + partial[eighths%8]
}

// WriteText writes the verdict for a person at a terminal.
func (v *Verdict) WriteText(w io.Writer, style Style) error {
	var b strings.Builder
	v.writeHead(&b, style)
	v.writeDevices(&b, style)
	v.writeComponents(&b, style)
	v.writeFigures(&b, style)
	v.writeFaults(&b, style)
	v.writeExpectations(&b, style)
	_, err := io.WriteString(w, b.String())
	return err
}

func (v *Verdict) writeHead(b *strings.Builder, style Style) {
	fmt.Fprintf(b, "\n%s  %s\n", style.paint(bold, v.Scenario), style.paint(dim, fmt.Sprintf("seed %d · %s world · %d devices · %s",
		v.Seed, v.World, v.Figures.Devices, Seconds(v.Figures.Duration))))
	if v.Description != "" {
		fmt.Fprintf(b, "%s\n", v.Description)
	}
}

func (v *Verdict) writeDevices(b *strings.Builder, style Style) {
	fmt.Fprintf(b, "\nDevices\n")
	for _, class := range scenario.Classes() {
		n := v.Figures.Classes[class]
		if n == 0 && class != scenario.Upgraded && class != scenario.UpgradeFailed && class != scenario.Unaccounted {
			continue
		}
		color := green
		if class != scenario.Upgraded && class != scenario.NoUpdateRequired {
			color = red
		}
		fmt.Fprintf(b, "  %-20s %8d", class, n)
		if n > 0 {
			fmt.Fprintf(b, "  %s", style.paint(color, bar(n, v.Figures.Devices)))
		}
		b.WriteString("\n")
	}
	if len(v.Figures.Fleets) < 2 {
		return
	}
	for _, fleet := range v.Figures.Fleets {
		fmt.Fprintf(b, "  %s\n", style.paint(dim, fmt.Sprintf("%s: %s", fleet.Name, fleet.summary())))
	}
}

// summary lists a fleet's classes in one line.
func (f *FleetCount) summary() string {
	var parts []string
	for _, class := range scenario.Classes() {
		if n := f.Classes[class]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
		}
	}
	return strings.Join(parts, ", ")
}

func (v *Verdict) writeComponents(b *strings.Builder, style Style) {
	ids := make([]string, 0, len(v.Figures.Components))
	for id := range v.Figures.Components {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return
	}
	fmt.Fprintf(b, "\nComponents\n")
	for _, id := range ids {
		var parts []string
		for _, row := range ota.Statuses() {
			if n := v.Figures.Components[id][row.Wire]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, style.paint(dim, row.Name)))
			}
		}
		fmt.Fprintf(b, "  %-20s %s\n", id, strings.Join(parts, ", "))
	}
}

func (v *Verdict) writeFigures(b *strings.Builder, style Style) {
	f := v.Figures
	fmt.Fprintf(b, "\nFigures\n")
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-20s %s\n", name, fmt.Sprintf(format, args...))
	}
	if q := f.UpgradeTime; q.Count > 0 {
		line("plan to upgraded", "p50 %s   p95 %s   p99 %s   max %s", Seconds(q.P50), Seconds(q.P95), Seconds(q.P99), Seconds(q.Max))
	}
	line("downloaded", "%s verified%s", Bytes(f.Bytes), rate(f.Bytes, f.Duration))
	line("reports", "%d numbered, %d stored, %s lost", f.Reports.Numbered, f.Reports.Stored, style.paintBad(f.Reports.Lost))
	line("", "%s out of order, %s conflicting, %s illegal, %d sent again", style.paintBad(f.Reports.OutOfOrder),
		style.paintBad(f.Reports.Conflicting), style.paintBad(f.Reports.Illegal), f.Reports.Duplicate)
	line("sessions", "%d opened, %d power cuts", f.Sessions, f.PowerCuts)
	if v.Resources.PeakMemory > 0 {
		line("this process", "%s of memory at most, %s a device", Bytes(v.Resources.PeakMemory), Bytes(v.Resources.PeakMemory/int64(max(1, f.Devices))))
	}
	for _, text := range f.FirstViolations {
		line("violation", "%s", style.paint(red, text))
	}
}

// paintBad prints a number that should be 0.
func (s Style) paintBad(n int) string {
	if n == 0 {
		return "0"
	}
	return s.paint(red, fmt.Sprint(n))
}

func rate(bytes int64, d time.Duration) string {
	if d < time.Second {
		return ""
	}
	return fmt.Sprintf(", %s/s on average", Bytes(int64(float64(bytes)/d.Seconds())))
}

func (v *Verdict) writeFaults(b *strings.Builder, style Style) {
	if len(v.Figures.Faults) == 0 {
		return
	}
	fmt.Fprintf(b, "\nFaults\n")
	for _, f := range v.Figures.Faults {
		fired := fmt.Sprintf("fired %d times", f.Fired)
		if f.Fired == 0 {
			fired = style.paint(red, "never fired")
		}
		fmt.Fprintf(b, "  %-20s drawn for %d devices, %s\n", f.Name, f.Drawn, fired)
	}
}

func (v *Verdict) writeExpectations(b *strings.Builder, style Style) {
	fmt.Fprintf(b, "\nExpectations\n")
	for _, e := range v.Expectations {
		mark := style.paint(green, "✓")
		if !e.Held {
			mark = style.paint(red, "✗")
		}
		fmt.Fprintf(b, "  %s %-38s %s\n", mark, e.Name, style.paint(dim, e.Measured))
	}
	if v.Held {
		fmt.Fprintf(b, "\n%s\n", style.paint(bold+green, "HELD"))
		return
	}
	failed := 0
	for _, e := range v.Expectations {
		if !e.Held {
			failed++
		}
	}
	fmt.Fprintf(b, "\n%s\n", style.paint(bold+red, fmt.Sprintf("NOT HELD: %d of %d expectations failed", failed, len(v.Expectations))))
}

// Bytes prints a size with a binary unit.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < 4 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[prefix])
}
