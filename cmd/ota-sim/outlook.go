package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/terminal"
	"otafleet/internal/yamlform"
	"otafleet/simulator/fault"
	"otafleet/simulator/scenario"
)

// writeOutlook says what a run of the chosen devices will do.
func writeOutlook(b *strings.Builder, c *choice) {
	s := c.scenario
	part := ""
	if !c.selected.Whole() {
		part = fmt.Sprintf(" (%s, of %d)", c.selected, s.Devices())
	}
	fmt.Fprintf(b, "%s: %s%s, seed %d, at most %s\n", s.Name, ota.Counted(c.selected.Devices(), "device"), part, c.seed,
		yamlform.FormatDuration(s.Duration))
	if s.Description != "" {
		fmt.Fprintf(b, "%s\n", terminal.EscapeLines(strings.TrimSpace(s.Description)))
	}
	fmt.Fprintf(b, "\nFleets\n")
	for i := range s.Fleets {
		fmt.Fprintf(b, "  %-16s %8d  %s\n", s.Fleets[i].Name, c.selected.Count(i), fleetLine(&s.Fleets[i]))
	}
	c.writeArrivals(b)
	if len(s.Plans) > 0 {
		fmt.Fprintf(b, "\nPlans\n")
	}
	for i := range s.Plans {
		fmt.Fprintf(b, "  %-16s %s\n", s.Plans[i].Name, planLine(&s.Plans[i]))
	}
	if len(s.Events) > 0 {
		fmt.Fprintf(b, "\nEvents\n")
	}
	for _, e := range slices.SortedStableFunc(slices.Values(s.Events),
		func(a, b scenario.Event) int { return cmp.Compare(a.At, b.At) }) {
		fmt.Fprintf(b, "  %-16s %s\n", yamlform.FormatDuration(e.At), eventLine(&e))
	}
	c.writeDraws(b)
}

func fleetLine(f *scenario.Fleet) string {
	var runs []string
	for i, c := range f.Components {
		runs = append(runs, c.ID+" "+someOf(f.Versions(i)))
	}
	text := f.Product + " with " + strings.Join(runs, ", ")
	if f.Behind != "" {
		return text + ", behind " + f.Behind
	}
	if f.Link.Bandwidth > 0 {
		text += ", " + yamlform.FormatSize(f.Link.Bandwidth) + "/s"
	}
	if t := f.Link.Trace; t != nil {
		text += ", on a trace of " + yamlform.FormatDuration(t.Length())
	}
	if f.Link.Latency > 0 {
		text += ", " + yamlform.FormatDuration(f.Link.Latency) + " away"
	}
	return text
}

// someOf names the first of a few versions, and counts the others.
func someOf(versions []string) string {
	if more := len(versions) - 1; more > 0 {
		return fmt.Sprintf("%s and %s", versions[0], ota.Counted(more, "other version"))
	}
	return versions[0]
}

func planLine(p *scenario.Plan) string {
	var steps []string
	for i := range p.Components {
		c := &p.Components[i]
		steps = append(steps, fmt.Sprintf("%s to %s (%s, %s)", c.ID, c.Target, c.Package, ota.FormatSize(c.Size)))
	}
	text := fmt.Sprintf("%s: %s; %s, %s", p.Product, strings.Join(steps, ", then "), p.Mode,
		ota.Counted(p.Retries, "retry"))
	text = strings.Replace(text, "retrys", "retries", 1)
	if p.Conditions.MinBattery != nil {
		text += fmt.Sprintf(", battery from %d%%", *p.Conditions.MinBattery)
	}
	if p.Conditions.MinRSSI != nil {
		text += fmt.Sprintf(", signal from %d dBm", *p.Conditions.MinRSSI)
	}
	switch {
	case p.Users != nil:
		text += fmt.Sprintf(", %s of users confirm, %s cancel", p.Users.Confirm, p.Users.Cancel)
	case p.Mode == ota.Manual:
		text += ", no one answers"
	case !p.Push:
		text += ", for devices that ask"
	}
	if p.Starts > 0 {
		text += ", from " + yamlform.FormatDuration(p.Starts)
	}
	if p.Ends > 0 {
		text += ", until " + yamlform.FormatDuration(p.Ends)
	}
	if r := p.Repeat; r != nil {
		text += fmt.Sprintf(", every %s, %s, versions %s", yamlform.FormatDuration(r.Every), ota.Counted(r.Rounds, "round"),
			r.Versions)
	}
	return text
}

func eventLine(e *scenario.Event) string {
	text := string(e.Do)
	for _, about := range []string{e.Plan, e.Fleet} {
		if about != "" {
			text += " " + about
		}
	}
	if e.For > 0 {
		text += " for " + yamlform.FormatDuration(e.For)
	}
	return text
}

// curve is the length of the curve of arrivals, in characters.
const curve = 40

// writeArrivals draws how many devices arrive over time.
func (c *choice) writeArrivals(b *strings.Builder) {
	var last time.Duration
	c.each(func(fleet, n int) { last = max(last, c.arrival(fleet, n)) })
	fmt.Fprintf(b, "\nArrivals\n")
	if last == 0 {
		fmt.Fprintf(b, "  all at once\n")
		return
	}
	var buckets [curve]int
	c.each(func(fleet, n int) {
		buckets[min(curve-1, int(c.arrival(fleet, n)*curve/last))]++
	})
	most := 0
	for _, n := range buckets {
		most = max(most, n)
	}
	fmt.Fprintf(b, "  0s %s %s, at most %d within a second\n", spark(buckets[:], most),
		yamlform.FormatDuration(last.Round(100*time.Millisecond)), c.busiest())
}

func (c *choice) arrival(fleet, n int) time.Duration {
	return c.scenario.Arrival(&c.scenario.Fleets[fleet], n)
}

// busiest is how many devices arrive in the second in which most do.
func (c *choice) busiest() int {
	seconds, most := map[time.Duration]int{}, 0
	c.each(func(fleet, n int) {
		second := c.arrival(fleet, n).Truncate(time.Second)
		seconds[second]++
		most = max(most, seconds[second])
	})
	return most
}

// spark draws numbers as columns. What is not nothing is at least a line.
func spark(numbers []int, most int) string {
	columns := []rune(" ▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, n := range numbers {
		height := 0
		if n > 0 {
			height = max(1, n*(len(columns)-1)/most)
		}
		b.WriteRune(columns[height])
	}
	return b.String()
}

// drawn is what is drawn of a fault in a fleet.
type drawn struct{ devices, strikes int }

// writeDraws lists the faults with the draws of the seed.
func (c *choice) writeDraws(b *strings.Builder) {
	s := c.scenario
	if len(s.Faults) == 0 {
		return
	}
	set := fault.NewSet(s, c.seed, func(string, string) {})
	draws := make([][]drawn, len(s.Faults)) // by fault and fleet
	for i := range draws {
		draws[i] = make([]drawn, len(s.Fleets))
	}
	c.each(func(fleet, n int) {
		for i := range s.Faults {
			if strikes := set.Strikes(&s.Faults[i], &s.Fleets[fleet], n); strikes > 0 {
				draws[i][fleet].devices++
				draws[i][fleet].strikes += strikes
			}
		}
	})
	fmt.Fprintf(b, "\n%-28s %-36s %-14s %10s %10s\n", "Faults", "", "draw", "devices", "strikes")
	for i := range s.Faults {
		writeDraw(b, s, &s.Faults[i], draws[i])
	}
}

// writeDraw writes a fault's line and, if it can strike several fleets, a line
// for each.
func writeDraw(b *strings.Builder, s *scenario.Scenario, f *scenario.Fault, byFleet []drawn) {
	how := "chance " + f.Chance.String()
	if f.Exactly > 0 {
		how = "exactly " + f.Exactly.String()
	}
	var all drawn
	covered := 0
	for i, d := range byFleet {
		all.devices += d.devices
		all.strikes += d.strikes
		if f.Covers(&s.Fleets[i]) {
			covered++
		}
	}
	fmt.Fprintf(b, "  %-26s %-36s %-14s %10d %10d\n", f.Name, string(f.Kind)+" at "+string(f.At), how, all.devices,
		all.strikes)
	if covered < 2 {
		return
	}
	for i, d := range byFleet {
		if d.devices > 0 {
			fmt.Fprintf(b, "    %-76s %10d %10d\n", s.Fleets[i].Name, d.devices, d.strikes)
		}
	}
}
