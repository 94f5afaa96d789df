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

func statusVerb() cli.Verb {
	return look("status", "say what runs, and what the agent does",
		"Of a gateway's sub-devices it says what each is at; with --device, everything of one.\n\nExamples:\n"+
			"  ota-agent status --socket /run/ota-agent.sock --json\n  ota-agent status --device meter-1",
		(*control.Client).Status, printStatus)
}

func printStatus(w io.Writer, s *control.Status) error {
	var b strings.Builder
	terminal.Fprintf(&b, "%s of product %s, %s, up %s\n", s.Device, s.Product, s.Agent,
		time.Duration(s.Uptime)*time.Second)
	printConnection(&b, s)
	if s.Paused != nil {
		terminal.Fprintf(&b, "paused since %s%s\n", at(&s.Paused.Since), inBrackets(s.Paused.Reason))
	}
	terminal.Fprintf(&b, "%s\n", s.Waiting)
	for _, remedy := range remedies(s.Remedy) {
		terminal.Fprintf(&b, "  %s\n", remedy)
	}
	fmt.Fprintln(&b)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tTYPE\tRUNS\tRELEASE")
	for _, c := range s.Components {
		terminal.Fprintf(table, "%s\t%s\t%s\t%d\n", c.ID, c.Type, runs(&c, s.Plan), c.Release)
	}
	table.Flush()
	for _, c := range s.Components {
		if c.Silent != "" {
			terminal.Fprintf(&b, "%s does not answer, and is asked again: %s\n", c.ID, c.Silent)
		}
	}
	if s.Plan != nil {
		printPlan(&b, s.Plan)
	}
	if s.Pending > 0 {
		fmt.Fprintf(&b, "\n%s\n", pending(s.Pending))
	}
	printSubDevices(&b, s.SubDevices)
	for _, trouble := range []string{s.StateFile.Trouble, s.StateFile.Worn} {
		if trouble != "" {
			terminal.Fprintf(&b, "\nstate: %s\n", trouble)
		}
	}
	return cli.Show(w, b.String())
}

// printConnection says whether the platform is reached, and what is wrong with that.
func printConnection(b *strings.Builder, s *control.Status) {
	switch {
	case s.Connected && s.Since != nil:
		fmt.Fprintf(b, "connected since %s\n", at(s.Since))
	case s.Connected:
		fmt.Fprintln(b, "connected")
	case s.Unreached != "":
		terminal.Fprintf(b, "not connected: %s\n", s.Unreached)
	default:
		fmt.Fprintln(b, "not connected")
	}
	if s.Unusable != "" {
		terminal.Fprintf(b, "trouble with the platform: %s\n", s.Unusable)
	}
}

// runs is what a component runs, as far as it says so: "1.0.0, on trial 1.1.0".
func runs(c *control.Component, p *control.Plan) string {
	text := c.Version
	if text == "" {
		text = "(does not answer)"
	}
	if p == nil {
		return text
	}
	for _, part := range p.Components {
		if part.ID == c.ID && part.OnTrial {
			text += ", on trial " + part.Target
		}
	}
	return text
}

// remedies has a line for each thing that can be done: a command must be typed as
// it stands.
func remedies(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ", or ")
}

// pending says how many reports have not been acknowledged.
func pending(n int) string {
	if n == 1 {
		return "1 report waits for the platform"
	}
	return fmt.Sprintf("%d reports wait for the platform", n)
}

func printPlan(b *strings.Builder, p *control.Plan) {
	if p.Local != "" {
		terminal.Fprintf(b, "\nplan %s, the package %s, %s\n", p.ID, p.Local, p.Answer)
	} else {
		terminal.Fprintf(b, "\nplan %s, attempt %d, %s, ends %s\n", p.ID, p.Attempt, p.Answer, at(&p.Ends))
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, c := range p.Components {
		terminal.Fprintf(table, "  %s\t%s\tto %s", c.ID, c.Status, c.Target)
		if c.Total > 0 {
			fmt.Fprintf(table, "\t%d %%", 100*c.Done/c.Total)
		}
		if c.Failure != nil {
			terminal.Fprintf(table, "\t%s %s", c.Failure.Code, c.Failure.Detail)
		}
		fmt.Fprintln(table)
	}
	table.Flush()
}

// at shows a time on the device's clock; nothing for one that is not known.
func at(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}
