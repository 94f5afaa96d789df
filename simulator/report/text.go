package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
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
func WriteText(w io.Writer, v *verdict.Verdict, style Style) error {
	t := &text{v: v, style: style}
	t.head()
	t.devices()
	t.series()
	t.components()
	t.beliefs()
	t.figures()
	t.windows()
	t.faults()
	t.looks()
	t.expectations()
	_, err := io.WriteString(w, t.String())
	return err
}

// text is a verdict while it is written for a person.
type text struct {
	strings.Builder
	v     *verdict.Verdict
	style Style
}

func (t *text) head() {
	facts := []string{fmt.Sprintf("seed %d", t.v.Seed), t.v.World + " world",
		ota.Counted(t.v.Figures.Devices, "device"), verdict.Seconds(t.v.Figures.Duration)}
	if t.v.Part != "" {
		facts = append(facts, t.v.Part)
	}
	fmt.Fprintf(t, "\n%s  %s\n", t.style.paint(bold, t.v.Scenario.Name), t.style.paint(dim, strings.Join(facts, " · ")))
	if t.v.Scenario.Description != "" {
		fmt.Fprintf(t, "%s\n", terminal.EscapeLines(t.v.Scenario.Description))
	}
}

func (t *text) devices() {
	fmt.Fprintf(t, "\nDevices\n")
	for _, class := range scenario.Classes() {
		n := t.v.Figures.Classes[class]
		if n == 0 && class != scenario.Upgraded && class != scenario.UpgradeFailed && class != scenario.Unaccounted {
			continue
		}
		color := green
		if class != scenario.Upgraded && class != scenario.NoUpdateRequired {
			color = red
		}
		fmt.Fprintf(t, "  %-20s %8d", class, n)
		if n > 0 {
			fmt.Fprintf(t, "  %s", t.style.paint(color, bar(n, t.v.Figures.Devices)))
		}
		t.WriteString("\n")
	}
	for _, line := range idleLines(t.v) {
		fmt.Fprintf(t, "  %s\n", t.style.paint(dim, line))
	}
	if len(t.v.Figures.Fleets) < 2 {
		return
	}
	for _, fleet := range t.v.Figures.Fleets {
		fmt.Fprintf(t, "  %s\n", t.style.paint(dim, fmt.Sprintf("%s: %s", fleet.Name, fleet.Classes)))
	}
}

// series draws how many devices showed which status over time.
func (t *text) series() {
	moments := t.v.Figures.Series.Moments(t.v.Figures.Devices)
	if len(moments) < 3 {
		return
	}
	head := fmt.Sprintf("\nOver %s\n", verdict.Seconds(t.v.Figures.Duration))
	for _, status := range []ota.DeviceStatus{
		ota.DeviceUpgrading, ota.DeviceUpgraded, ota.DeviceUpgradeFailed, ota.DeviceNoUpdateRequired,
	} {
		state := verdict.State(status)
		most := 0
		for i := range moments {
			most = max(most, moments[i].Devices[state])
		}
		if most == 0 {
			continue
		}
		line := spark(moments, func(m *verdict.Moment) int { return m.Devices[state] }, most)
		fmt.Fprintf(t, "%s  %-20s %s  %s\n", head, state.Name(), line, t.style.paint(dim, fmt.Sprintf("at most %d", most)))
		head = ""
	}
}

func (t *text) components() {
	ids := sortedKeys(t.v.Figures.Components)
	if len(ids) == 0 {
		return
	}
	fmt.Fprintf(t, "\nComponents\n")
	for _, id := range ids {
		var parts []string
		for _, row := range ota.Statuses() {
			if n := t.v.Figures.Components[id][row.Wire]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, t.style.paint(dim, row.Name)))
			}
		}
		fmt.Fprintf(t, "  %-20s %s\n", terminal.Escape(id), strings.Join(parts, ", "))
	}
}

func (t *text) figures() {
	f := t.v.Figures
	fmt.Fprintf(t, "\nFigures\n")
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %-20s %s\n", name, fmt.Sprintf(format, args...))
	}
	for _, span := range scenario.Spans() {
		if d := f.Times.Of(span); d.Count() > 0 {
			line(spanName(span), "p50 %-9s p95 %-9s p99 %-9s max %s",
				verdict.Seconds(d.At(scenario.P50)), verdict.Seconds(d.At(scenario.P95)),
				verdict.Seconds(d.At(scenario.P99)), verdict.Seconds(d.At(scenario.Max)))
		}
	}
	line("downloaded", "%s verified%s", ota.FormatSize(f.Bytes), rate(f.Bytes, f.Duration))
	undelivered := ""
	if n := f.Reports.Undelivered; n > 0 {
		undelivered = fmt.Sprintf(", %d undelivered when the run ended", n)
	}
	line("reports", "%d numbered, %d stored, %s lost%s",
		f.Reports.Numbered, f.Reports.Stored, t.style.paintBad(f.Reports.Lost), undelivered)
	line("", "%s out of order, %s conflicting, %s illegal, %d sent again", t.style.paintBad(f.Reports.OutOfOrder),
		t.style.paintBad(f.Reports.Conflicting), t.style.paintBad(f.Reports.Illegal), f.Reports.Duplicate)
	if len(f.Codes) > 0 {
		line("failures reported", "%s", tallyLine(f.Codes))
	}
	if len(f.Refusals) > 0 {
		line("refusals", "%s", tallyLine(f.Refusals))
	}
	line("sessions", "%d opened, %s", f.Sessions, ota.Counted(f.PowerCuts, "power cut"))
	if peak := t.v.Resources.PeakMemory; peak > 0 {
		line("this process", "%s of memory at most, %s a device",
			ota.FormatSize(peak), ota.FormatSize(peak/int64(max(1, f.Devices))))
	}
	if t.v.Starts.Processes > 0 {
		line("starts", "%s", startsWords(&t.v.Starts))
	}
	for _, text := range f.FirstViolations() {
		line("violation", "%s", t.style.paint(red, text))
	}
	for _, text := range f.Refused {
		line("order refused", "%s", text)
	}
	line("history", "%s", t.style.paint(dim, t.v.HistoryDigest))
	if t.v.KeptUntil > 0 {
		line("", "kept up to its limit; the first event that it lacks is of %s", verdict.Seconds(t.v.KeptUntil))
	}
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

func (t *text) faults() {
	if len(t.v.Figures.Faults) == 0 {
		return
	}
	fmt.Fprintf(t, "\nFaults\n")
	for i := range t.v.Figures.Faults {
		f := &t.v.Figures.Faults[i]
		fired := "fired " + ota.Counted(f.Fired, "time")
		if f.Fired == 0 {
			fired = t.style.paint(red, "never fired")
		}
		fmt.Fprintf(t, "  %-20s drawn for %s, %s", terminal.Escape(f.Name), ota.Counted(f.Drawn, "device"), fired)
		if f.Struck() > 0 {
			fmt.Fprintf(t, "  %s", t.style.paint(dim, "→ "+f.Outcomes.String()))
		}
		t.WriteString("\n")
	}
}
