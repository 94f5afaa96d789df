package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/simulator"
)

// block is a run in the real world on a terminal, with rates from the moment of
// an earlier snapshot.
func block(x *screen, s, before simulator.Snapshot, width int) []string {
	upgraded, took := done(s), s.Elapsed-before.Elapsed
	all := shares(s)
	perSecond := func(n, was int) string { return x.paint(dim, shortRate(rate(int64(n), int64(was), took))) }
	tail := fmt.Sprintf("  %3d%%  %s", percent(upgraded, s.Devices), s.Elapsed.Round(time.Second))
	lines := []string{
		"  " + x.bar(all, min(longestBar, max(leastBar, width-2-len(tail)))) + tail,
		x.legend(all),
		fmt.Sprintf("  arrived %d of %d %s   upgraded %d %s   connected %d", s.Arrived, s.Devices,
			perSecond(s.Arrived, before.Arrived), upgraded, perSecond(upgraded, done(before)), s.Connected),
		fmt.Sprintf("  downloaded %s %s   reports %d %s   refusals %d   power cuts %d", ota.FormatSize(s.Bytes),
			x.paint(dim, ota.FormatSize(int64(rate(s.Bytes, before.Bytes, took)))+"/s"),
			s.Reports, perSecond(s.Reports, before.Reports), s.Refusals, s.PowerCuts),
	}
	if len(s.Faults) > 0 {
		lines = append(lines, tallies("  faults ", s.Faults, width))
	}
	if len(s.Failures) > 0 {
		lines = append(lines, x.paint(red, tallies("  errors ", s.Failures, width)))
	}
	if s.Windows > 0 {
		lines = append(lines, "  "+windowLine(&s))
	}
	return lines
}

// shares divides the devices of a run. Without colours, they differ by
// their glyphs.
func shares(s simulator.Snapshot) []share {
	all := []share{
		{"upgraded", done(s), "█", green},
		{"upgrading", s.Statuses[ota.DeviceUpgrading], "▒", cyan},
		{"failed", s.Statuses[ota.DeviceUpgradeFailed], "x", red},
		{"not upgraded", s.Devices, "░", dim},
	}
	for _, part := range all[:3] {
		all[3].n -= part.n
	}
	return all
}

// legend says what the glyphs of a bar are.
func (x *screen) legend(all []share) string {
	var parts []string
	for _, part := range all {
		parts = append(parts, fmt.Sprintf("%s %s %d", x.paint(part.color, part.glyph), part.name, part.n))
	}
	return "  " + strings.Join(parts, "   ")
}

// tallies lists what has happened, as much as fits into a line, and says how much
// does not.
func tallies(head string, all []simulator.Tally, width int) string {
	const more = len("   and 100 more")
	all = slices.DeleteFunc(slices.Clone(all), func(t simulator.Tally) bool { return t.N == 0 })
	if len(all) == 0 {
		return head + "  none yet"
	}
	whole := head
	for _, t := range all {
		whole += terminal.Sprintf("  %s %d", t.Name, t.N)
	}
	if len(whole) <= width {
		return whole
	}
	text := head
	for i, t := range all {
		next := terminal.Sprintf("  %s %d", t.Name, t.N)
		if len(text)+len(next)+more > width {
			return text + fmt.Sprintf("   and %d more", len(all)-i)
		}
		text += next
	}
	return text
}
