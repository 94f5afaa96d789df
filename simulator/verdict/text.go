package verdict

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
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

// paint colours a text, which may come from anywhere.
func (s Style) paint(color, text string) string {
	text = terminal.Escape(text)
	if !s.Color {
		return text
	}
	return color + text + reset
}

// WriteText writes the verdict for a person at a terminal.
func (v *Verdict) WriteText(w io.Writer, style Style) error {
	var b strings.Builder
	v.writeHead(&b, style)
	v.writeDevices(&b, style)
	v.writeSeries(&b, style)
	v.writeComponents(&b, style)
	v.writeFigures(&b, style)
	v.writeFaults(&b, style)
	v.writeLooks(&b, style)
	v.writeExpectations(&b, style)
	_, err := io.WriteString(w, b.String())
	return err
}

func (v *Verdict) writeHead(b *strings.Builder, style Style) {
	facts := []string{fmt.Sprintf("seed %d", v.Seed), v.World + " world", ota.Counted(v.Figures.Devices, "device"), Seconds(v.Figures.Duration)}
	if v.Part != "" {
		facts = append(facts, v.Part)
	}
	fmt.Fprintf(b, "\n%s  %s\n", style.paint(bold, v.Scenario.Name), style.paint(dim, strings.Join(facts, " · ")))
	if v.Scenario.Description != "" {
		fmt.Fprintf(b, "%s\n", terminal.EscapeLines(v.Scenario.Description))
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
	for _, class := range scenario.Classes() {
		byReason := v.Figures.Reasons[class]
		for _, reason := range byCount(byReason) {
			fmt.Fprintf(b, "  %s\n", style.paint(dim, fmt.Sprintf("%s: %d: %s%s", class, byReason[reason], reason, hint(reason))))
		}
	}
	if len(v.Figures.Fleets) < 2 {
		return
	}
	for _, fleet := range v.Figures.Fleets {
		fmt.Fprintf(b, "  %s\n", style.paint(dim, fmt.Sprintf("%s: %s", fleet.Name, fleet.Classes.summary())))
	}
}

// summary lists the classes that are not empty in one line.
func (c Counts) summary() string {
	var parts []string
	for _, class := range scenario.Classes() {
		if n := c[class]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
		}
	}
	return strings.Join(parts, ", ")
}

// writeSeries draws how many devices showed which status over time.
func (v *Verdict) writeSeries(b *strings.Builder, style Style) {
	moments := v.Figures.Series.Moments(v.Figures.Devices)
	if len(moments) < 3 {
		return
	}
	head := fmt.Sprintf("\nOver %s\n", Seconds(v.Figures.Duration))
	for _, state := range []State{State(ota.DeviceUpgrading), State(ota.DeviceUpgraded), State(ota.DeviceUpgradeFailed), State(ota.DeviceNoUpdateRequired)} {
		most := 0
		for i := range moments {
			most = max(most, moments[i].Devices[state])
		}
		if most == 0 {
			continue
		}
		line := spark(moments, func(m *Moment) int { return m.Devices[state] }, most)
		fmt.Fprintf(b, "%s  %-20s %s  %s\n", head, state.Name(), line, style.paint(dim, fmt.Sprintf("at most %d", most)))
		head = ""
	}
}

func (v *Verdict) writeComponents(b *strings.Builder, style Style) {
	ids := sortedKeys(v.Figures.Components)
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
		fmt.Fprintf(b, "  %-20s %s\n", terminal.Escape(id), strings.Join(parts, ", "))
	}
}

func (v *Verdict) writeFigures(b *strings.Builder, style Style) {
	f := v.Figures
	fmt.Fprintf(b, "\nFigures\n")
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-20s %s\n", name, fmt.Sprintf(format, args...))
	}
	for _, span := range scenario.Spans() {
		if d := f.Times.Of(span); d.Count() > 0 {
			line(spanName(span), "p50 %-9s p95 %-9s p99 %-9s max %s", Seconds(d.At(scenario.P50)), Seconds(d.At(scenario.P95)),
				Seconds(d.At(scenario.P99)), Seconds(d.At(scenario.Max)))
		}
	}
	line("downloaded", "%s verified%s", ota.FormatSize(f.Bytes), rate(f.Bytes, f.Duration))
	undelivered := ""
	if n := f.Reports.Undelivered; n > 0 {
		undelivered = fmt.Sprintf(", %d undelivered when the run ended", n)
	}
	line("reports", "%d numbered, %d stored, %s lost%s", f.Reports.Numbered, f.Reports.Stored, style.paintBad(f.Reports.Lost), undelivered)
	line("", "%s out of order, %s conflicting, %s illegal, %d sent again", style.paintBad(f.Reports.OutOfOrder),
		style.paintBad(f.Reports.Conflicting), style.paintBad(f.Reports.Illegal), f.Reports.Duplicate)
	if len(f.Codes) > 0 {
		line("failures reported", "%s", tallyLine(f.Codes))
	}
	if len(f.Refusals) > 0 {
		line("refusals", "%s", tallyLine(f.Refusals))
	}
	line("sessions", "%d opened, %s", f.Sessions, ota.Counted(f.PowerCuts, "power cut"))
	if v.Resources.PeakMemory > 0 {
		line("this process", "%s of memory at most, %s a device", ota.FormatSize(v.Resources.PeakMemory), ota.FormatSize(v.Resources.PeakMemory/int64(max(1, f.Devices))))
	}
	for _, text := range f.FirstViolations() {
		line("violation", "%s", style.paint(red, text))
	}
	for _, text := range v.Figures.Refused {
		line("order refused", "%s", text)
	}
	line("history", "%s", style.paint(dim, v.HistoryDigest))
}

// spanName says what a span is in a few words.
func spanName(span scenario.Span) string {
	switch span {
	case scenario.DecideSpan:
		return "plan to decision"
	case scenario.DownloadSpan:
		return "a download"
	case scenario.InstallSpan:
		return "an installation"
	}
	return "plan to upgraded"
}

// tallyLine lists counts, the largest first.
func tallyLine(counts map[string]int) string {
	var parts []string
	for _, key := range byCount(counts) {
		parts = append(parts, terminal.Sprintf("%d %s", counts[key], key))
	}
	return strings.Join(parts, ", ")
}

// byCount gives the keys, the one with the largest count first.
func byCount(counts map[string]int) []string {
	keys := sortedKeys(counts)
	slices.SortStableFunc(keys, func(a, b string) int { return counts[b] - counts[a] })
	return keys
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
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
	return fmt.Sprintf(", %s/s on average", ota.FormatSize(int64(float64(bytes)/d.Seconds())))
}

func (v *Verdict) writeFaults(b *strings.Builder, style Style) {
	if len(v.Figures.Faults) == 0 {
		return
	}
	fmt.Fprintf(b, "\nFaults\n")
	for i := range v.Figures.Faults {
		f := &v.Figures.Faults[i]
		fired := "fired " + ota.Counted(f.Fired, "time")
		if f.Fired == 0 {
			fired = style.paint(red, "never fired")
		}
		fmt.Fprintf(b, "  %-20s drawn for %s, %s", terminal.Escape(f.Name), ota.Counted(f.Drawn, "device"), fired)
		if f.Struck() > 0 {
			fmt.Fprintf(b, "  %s", style.paint(dim, "→ "+f.Outcomes.summary()))
		}
		b.WriteString("\n")
	}
}
