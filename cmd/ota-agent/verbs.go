package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"otafleet/agent/control"
	"otafleet/cmd/ota-agent/config"
	"otafleet/internal/cli"
)

// target says which agent a verb talks to.
type target struct {
	config, socket string
	device         string // a sub-device; empty for the agent's own
}

func (t *target) flags(flags *pflag.FlagSet) {
	flags.StringVar(&t.config, "config", defaultConfig, "the configuration file of the agent, which names its socket")
	flags.StringVar(&t.socket, "socket", "", "the agent's control socket; overrides --config")
	flags.StringVar(&t.device, "device", "", "the sub-device that it is about, by its `key`; the agent's own device without it")
}

func (t *target) client() (*control.Client, error) {
	if t.socket != "" {
		return &control.Client{Path: t.socket, Device: t.device}, nil
	}
	cfg, err := config.Load(t.config)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("%w\n(give --socket to do without the configuration)", err)}
	}
	return &control.Client{Path: cfg.ControlSocket, Device: t.device}, nil
}

// talk gives an error of the control socket its exit code.
func talk(err error) error {
	var unreachable *control.Unreachable
	var refused *control.Refused
	switch {
	case errors.As(err, &unreachable):
		return &cli.Exit{Code: exitUnreachable, Err: err}
	case errors.As(err, &refused):
		return &cli.Exit{Code: exitRefused, Err: err}
	}
	return err
}

// order makes a verb that asks the running agent to do something.
func order(name, summary, help string, flags func(*pflag.FlagSet), do func(context.Context, *control.Client) (string, error)) cli.Verb {
	return cli.Verb{
		Name: name, Summary: summary, Help: help,
		Flags: func(set *pflag.FlagSet) cli.Action {
			var t target
			t.flags(set)
			if flags != nil {
				flags(set)
			}
			return func(ctx context.Context, streams cli.Streams, args []string) error {
				if err := cli.NoArgs(args); err != nil {
					return err
				}
				client, err := t.client()
				if err != nil {
					return err
				}
				answer, err := do(ctx, client)
				if err != nil {
					return talk(err)
				}
				_, err = fmt.Fprintln(streams.Out, answer)
				return err
			}
		},
	}
}

func checkVerb() cli.Verb {
	return order("check", "ask the platform for a plan now",
		"The agent asks by itself at every connection; this asks in between. The plan, if\nthere is one, shows in 'ota-agent status'.", nil,
		func(ctx context.Context, c *control.Client) (string, error) { return c.Check(ctx) })
}

func confirmVerb() cli.Verb {
	return order("confirm", "agree to the plan that waits for an answer",
		"Only where the configuration says confirm: ask or confirm: command. From here on\nthe upgrade goes on to its end.", nil,
		func(ctx context.Context, c *control.Client) (string, error) { return c.Confirm(ctx) })
}

func refuseVerb() cli.Verb {
	var reason string
	return order("refuse", "decline the plan that waits for an answer",
		"The platform is told, and may send the plan again later.",
		func(flags *pflag.FlagSet) {
			flags.StringVar(&reason, "reason", "", "a sentence for the platform's log")
		},
		func(ctx context.Context, c *control.Client) (string, error) { return c.Refuse(ctx, reason) })
}

func statusVerb() cli.Verb {
	return cli.Verb{
		Name:    "status",
		Summary: "say what the agent does, and what it waits for",
		Help: `Of a gateway's sub-devices it says what each is at; with --device, everything of one.

Examples:
  ota-agent status --socket /run/ota-agent.sock --json
  ota-agent status --device meter-1`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var t target
			t.flags(flags)
			asJSON := flags.Bool("json", false, "print JSON")
			return func(ctx context.Context, streams cli.Streams, args []string) error {
				if err := cli.NoArgs(args); err != nil {
					return err
				}
				client, err := t.client()
				if err != nil {
					return err
				}
				status, err := client.Status(ctx)
				if err != nil {
					return talk(err)
				}
				if *asJSON {
					out := json.NewEncoder(streams.Out)
					out.SetIndent("", "  ")
					return out.Encode(status)
				}
				return printStatus(streams.Out, &status)
			}
		},
	}
}

func printStatus(w io.Writer, s *control.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of product %s, %s, up %s\n", s.Device, s.Product, s.Agent, time.Duration(s.Uptime)*time.Second)
	switch {
	case s.Connected && s.Since != nil:
		fmt.Fprintf(&b, "connected since %s\n", s.Since.Local().Format(time.DateTime))
	case s.Connected:
		fmt.Fprintln(&b, "connected")
	default:
		fmt.Fprintln(&b, "not connected")
	}
	fmt.Fprintf(&b, "%s\n\n", s.Waiting)
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
	fmt.Fprintf(b, "\nplan %s, attempt %d, %s, ends %s\n", p.ID, p.Attempt, p.Answer, p.Ends.Local().Format(time.DateTime))
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
