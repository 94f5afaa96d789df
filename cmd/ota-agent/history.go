package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"otafleet/agent/control"
	"otafleet/agent/eventlog"
	"otafleet/internal/cli"
	"otafleet/internal/terminal"
)

func historyVerb() cli.Verb {
	return cli.Verb{
		Name:    "history",
		Summary: "list the plans of the past, or everything that happened",
		Help: `Lists the current plan and those before it that the device remembers, the newest
last. With --events it prints the event log instead, for technicians: each step,
how long it took, and why what failed did. With --json each event is one line.

Examples:
  ota-agent history
  ota-agent history --events --json | grep '"code"'`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			t := newTarget(flags)
			asJSON := jsonFlag(flags)
			events := flags.Bool("events", false, "print the event log")
			return func(ctx context.Context, streams cli.Streams, args []string) error {
				client, err := t.client(args)
				switch {
				case err != nil:
					return err
				case *events:
					return showEvents(ctx, client, streams.Out, *asJSON)
				}
				return showPlans(ctx, client, streams.Out, *asJSON)
			}
		},
	}
}

func showPlans(ctx context.Context, client *control.Client, w io.Writer, asJSON bool) error {
	h, err := client.History(ctx)
	switch {
	case err != nil:
		return talk(err)
	case asJSON:
		return printJSON(w, h)
	case len(h.Plans) == 0:
		_, err := fmt.Fprintln(w, "no plan yet")
		return err
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PLAN\tTAKEN UP\tANSWER\tCOMPONENT\tFROM\tTO\tSTATUS\tAT\tWHY")
	for _, p := range h.Plans {
		for _, c := range p.Components {
			why := ""
			if c.Failure != nil {
				why = strings.TrimSpace(c.Failure.Code + " " + c.Failure.Detail)
			}
			terminal.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, dash(at(p.Taken)), p.Answer,
				c.ID, dash(c.From), c.Target, c.Status, dash(at(c.At)), dash(why))
		}
	}
	table.Flush()
	return cli.Show(w, b.String())
}

func showEvents(ctx context.Context, client *control.Client, w io.Writer, asJSON bool) error {
	log, err := client.Events(ctx)
	if err != nil {
		return talk(err)
	}
	var b strings.Builder
	for _, event := range log.Events {
		var line eventlog.Line
		switch err := json.Unmarshal(event, &line); {
		case err != nil:
			return fmt.Errorf("cannot understand the agent's answer: %w", err)
		case asJSON:
			fmt.Fprintf(&b, "%s\n", terminal.EscapeJSON(event))
		default:
			b.WriteString(describeEvent(&line) + "\n")
		}
	}
	if asJSON {
		_, err = io.WriteString(w, b.String())
		return err
	}
	return cli.Show(w, b.String())
}

// describeEvent shows an event in a line.
func describeEvent(e *eventlog.Line) string { return terminal.Escape(eventWords(e)) }

func eventWords(e *eventlog.Line) string {
	words := []string{e.Time.Local().Format(time.DateTime), fmt.Sprintf("%-12s", e.Kind)}
	if e.Plan != "" {
		words = append(words, "plan "+e.Plan)
	}
	if e.Attempt > 1 {
		words = append(words, fmt.Sprint("attempt ", e.Attempt))
	}
	for _, word := range []string{e.Component, e.Step, e.Code} {
		if word != "" {
			words = append(words, word)
		}
	}
	if e.TookMS > 0 {
		words = append(words, "after "+(time.Duration(e.TookMS)*time.Millisecond).String())
	}
	line := strings.Join(words, "  ")
	switch {
	case e.Detail == "":
		return strings.TrimRight(line, " ")
	case len(words) == 2:
		return line + "  " + e.Detail
	}
	return line + ": " + e.Detail
}
