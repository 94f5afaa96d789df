package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"otafleet/agent/control"
	"otafleet/internal/terminal"
)

// printSubDevices gives each sub-device a line: what it runs, and what it is at.
func printSubDevices(b *strings.Builder, subs []control.Status) {
	if len(subs) == 0 {
		return
	}
	fmt.Fprintln(b)
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SUB-DEVICE\tPRODUCT\tRUNS\t")
	for i := range subs {
		s := &subs[i]
		terminal.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Device, s.Product, versions(s.Components), doing(s))
	}
	table.Flush()
}

// versions are what the components run: "fw 1.0.0, table 3".
func versions(components []control.Component) string {
	var all []string
	for _, c := range components {
		runs := c.Version
		if runs == "" {
			runs = "?"
		}
		all = append(all, c.ID+" "+runs)
	}
	return strings.Join(all, ", ")
}

// doing is what a sub-device waits for or does, and what is wrong with it.
func doing(s *control.Status) string {
	text := s.Waiting
	if s.Pending > 0 {
		text += "; " + pending(s.Pending)
	}
	if s.StateFile.Trouble != "" {
		text += "; state: " + s.StateFile.Trouble
	}
	return text
}
