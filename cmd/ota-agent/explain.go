package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"otafleet/agent/control"
	"otafleet/internal/cli"
	"otafleet/internal/terminal"
)

func explainVerb() cli.Verb {
	return look("explain", "say what the agent waits for, since when, and when it looks again",
		"It ends with what the device measures, beside what the current plan asks for.",
		(*control.Client).Explain, printExplanation)
}

func printExplanation(w io.Writer, e *control.Explanation) error {
	var b strings.Builder
	terminal.Fprintf(&b, "%s\n", e.Sentence)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range []struct {
		label string
		when  *time.Time
	}{{"since", e.Since}, {"looks again", e.Again}, {"until", e.Deadline}} {
		if line.when != nil {
			fmt.Fprintf(table, "  %s\t%s\n", line.label, at(line.when))
		}
	}
	table.Flush()
	for _, remedy := range remedies(e.Remedy) {
		terminal.Fprintf(&b, "  %s\n", remedy)
	}
	fmt.Fprintln(&b)
	table = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CONDITION\tHOLDS\tMEASURED\tNEEDED")
	for _, c := range e.Checks {
		holds := "no"
		if c.Holds {
			holds = "yes"
		}
		terminal.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Name, holds, dash(c.Have), dash(c.Need))
	}
	table.Flush()
	return cli.Show(w, b.String())
}

// dash stands where a table has nothing to show.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
