package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"otafleet/agent/control"
	"otafleet/internal/cli"
)

func statusVerb() cli.Verb {
	return look("status", "say what runs, and what the agent does",
		"Of a gateway's sub-devices it says what each is at; with --device, everything of one.\n\nExamples:\n"+
			"  ota-agent status --socket /run/ota-agent.sock --json\n  ota-agent status --device meter-1",
		(*control.Client).Status, printStatus)
}

func printStatus(w io.Writer, s *control.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of product %s, %s, up %s\n", s.Device, s.Product, s.Agent, time.Duration(s.Uptime)*time.Second)
	switch {
	case s.Connected && s.Since != nil:
		fmt.Fprintf(&b, "connected since %s\n", at(s.Since))
	case s.Connected:
		fmt.Fprintln(&b, "connected")
	default:
		fmt.Fprintln(&b, "not connected")
	}
	if s.Paused != nil {
		fmt.Fprintf(&b, "paused since %s%s\n", at(&s.Paused.Since), inBrackets(s.Paused.Reason))
	}
	fmt.Fprintln(&b, s.Waiting)
	if s.Remedy != "" {
		fmt.Fprintln(&b, "  "+s.Remedy)
	}
	fmt.Fprintln(&b)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tTYPE\tRUNS\tRELEASE")
	for _, c := range s.Components {
		runs := c.Version
		if runs == "" {
			runs = "(does not answer)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\n", c.ID, c.Type, runs, c.Release)
	}
	table.Flush()
	if s.Plan != nil {
		printPlan(&b, s.Plan)
	}
	if s.Pending > 0 {
		fmt.Fprintf(&b, "\n%d reports wait for the platform\n", s.Pending)
	}
	printSubDevices(&b, s.SubDevices)
	for _, trouble := range []string{s.Journal.Trouble, s.Journal.Worn} {
		if trouble != "" {
			fmt.Fprintf(&b, "\nstate: %s\n", trouble)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printPlan(b *strings.Builder, p *control.Plan) {
	if p.Local != "" {
		fmt.Fprintf(b, "\nplan %s, the package %s, %s\n", p.ID, p.Local, p.Answer)
	} else {
		fmt.Fprintf(b, "\nplan %s, attempt %d, %s, ends %s\n", p.ID, p.Attempt, p.Answer, at(&p.Ends))
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, c := range p.Components {
		fmt.Fprintf(table, "  %s\t%s\tto %s", c.ID, c.Status, c.Target)
		if c.Total > 0 {
			fmt.Fprintf(table, "\t%d %%", 100*c.Done/c.Total)
		}
		if c.Failure != nil {
			fmt.Fprintf(table, "\t%s %s", c.Failure.Code, c.Failure.Detail)
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
