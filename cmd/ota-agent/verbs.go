package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/agent/control"
	"otafleet/cmd/ota-agent/config"
	"otafleet/internal/cli"
	"otafleet/internal/terminal"
)

// target says which agent a verb talks to.
type target struct {
	config, socket string
	device         string // a sub-device; empty for the agent's own
}

func newTarget(flags *pflag.FlagSet) *target {
	t := &target{}
	flags.StringVar(&t.config, "config", defaultConfig, "the configuration `FILE` of the agent, which names its socket")
	flags.StringVar(&t.socket, "socket", "", "the `PATH` of the agent's control socket; overrides --config")
	flags.StringVar(&t.device, "device", "",
		"the sub-device that it is about, by its `KEY`; without it, the agent's own device")
	return t
}

func jsonFlag(flags *pflag.FlagSet) *bool { return flags.Bool("json", false, "print JSON") }

// client finds the agent for a verb that takes no arguments.
func (t *target) client(args []string) (*control.Client, error) {
	if err := cli.NoArgs(args); err != nil {
		return nil, err
	}
	return t.find()
}

func (t *target) find() (*control.Client, error) {
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
	case errors.As(err, &refused) && refused.Code != http.StatusUnprocessableEntity:
		return &cli.Exit{Code: exitRefused, Err: err}
	}
	return err
}

func printJSON(w io.Writer, document any) error {
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(terminal.EscapeJSON(text), '\n'))
	return err
}

// look makes a verb that shows a document of the running agent.
func look[T any](name, summary, help string, get func(*control.Client, context.Context) (T, error),
	show func(io.Writer, *T) error) cli.Verb {
	return cli.Verb{
		Name: name, Summary: summary, Help: help,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			t := newTarget(flags)
			asJSON := jsonFlag(flags)
			return t.telling(asJSON, func(ctx context.Context, streams cli.Streams, args []string) error {
				client, err := t.client(args)
				if err != nil {
					return err
				}
				document, err := get(client, ctx)
				switch {
				case err != nil:
					return talk(err)
				case *asJSON:
					return printJSON(streams.Out, document)
				}
				return show(streams.Out, &document)
			})
		},
	}
}

// order is what a verb does that asks the running agent for something.
type order struct {
	name, summary, help string
	reason              string // what --reason is for; empty for a verb without
	about               aspect // which plan it is about
	do                  func(ctx context.Context, c *control.Client, w words) (string, error)
}

// aspect is what an order says of the plan that it is about.
type aspect int

const (
	noPlan      aspect = iota // nothing
	thePlan                   // its id
	theQuestion               // its id, attempt and versions
)

// words are what an operator adds to an order.
type words struct {
	reason string
	control.Question
}

// flags defines those that an order takes.
func (o order) flags(flags *pflag.FlagSet, w *words) {
	if o.reason != "" {
		flags.StringVar(&w.reason, "reason", "", o.reason)
	}
	if o.about >= thePlan {
		flags.StringVar(&w.Plan, "plan", "", "do it only if the plan is still this one, by its `ID`")
	}
	if o.about == theQuestion {
		flags.IntVar(&w.Attempt, "attempt", 0, "do it only if the plan's attempt is still `N`")
		flags.Func("targets", "do it only if the plan still brings these `VERSIONS`, as 1.1.0,3_1", func(text string) error {
			w.Targets = strings.Split(text, ",")
			return nil
		})
	}
}

func (o order) verb() cli.Verb {
	return cli.Verb{
		Name: o.name, Summary: o.summary, Help: o.help,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			t := newTarget(flags)
			asJSON := jsonFlag(flags)
			var w words
			o.flags(flags, &w)
			return t.telling(asJSON, func(ctx context.Context, streams cli.Streams, args []string) error {
				client, err := t.client(args)
				if err != nil {
					return err
				}
				answer, err := o.do(ctx, client, w)
				if err != nil {
					return talk(err)
				}
				if *asJSON {
					return printJSON(streams.Out, map[string]string{"done": answer})
				}
				return cli.Show(streams.Out, terminal.Escape(answer)+"\n")
			})
		},
	}
}

// orders are the verbs by which an operator answers and steers.
func orders() []order {
	plain := func(do func(*control.Client, context.Context) (string, error)) func(context.Context, *control.Client,
		words) (string, error) {
		return func(ctx context.Context, c *control.Client, _ words) (string, error) { return do(c, ctx) }
	}
	return []order{
		{name: "check", summary: "ask the platform for a plan now", do: plain((*control.Client).Check),
			help: "The agent asks by itself at every connection; this asks in between. The plan, if\nthere is one, shows in " +
				"'ota-agent status'."},
		{name: "confirm", summary: "accept the plan that waits for an answer", about: theQuestion,
			do: func(ctx context.Context, c *control.Client, w words) (string, error) {
				return c.Confirm(ctx, w.Question)
			},
			help: "Only where the configuration says confirm: ask or confirm: command. The answer is\nkept: a plan that a " +
				"condition or a maintenance window holds back is taken up later\nwithout another question. Once it is, the " +
				"upgrade goes on to its end.\nThe flags, as 'ota-agent status' prints them, make the answer count only for " +
				"what you\nhave read. Without them it is for whatever waits, and says what that was."},
		{name: "refuse", summary: "decline the plan that waits for an answer", reason: "a `SENTENCE` for the platform's log",
			about: theQuestion,
			help:  "The platform hears of it, and may send the plan again later. The flags are those of confirm.",
			do: func(ctx context.Context, c *control.Client, w words) (string, error) {
				return c.Refuse(ctx, w.Question, w.reason)
			}},
		{name: "abandon", summary: "end the current plan before it switches anything",
			reason: "a `SENTENCE` for the platform's log", about: thePlan,
			help: "Components that wait or are being downloaded end as failed, with code plan_terminated,\nand the device is " +
				"free for another plan. What is being switched already goes on to\nits end; the verb is refused then.",
			do: func(ctx context.Context, c *control.Client, w words) (string, error) {
				return c.Abandon(ctx, w.Plan, w.reason)
			}},
		{name: "pause", summary: "let nothing new begin", reason: "a `SENTENCE` for whoever asks why",
			help: "No plan is accepted, a download stops where it is, nothing is switched. What is\nbeing switched already " +
				"goes on to its end. The pause lasts over restarts, until\n'ota-agent resume'. A gateway's sub-devices are " +
				"paused with it; with --device, one\nof them alone.",
			do: func(ctx context.Context, c *control.Client, w words) (string, error) {
				return c.Pause(ctx, w.reason)
			}},
		{name: "resume", summary: "go on after a pause", do: plain((*control.Client).Resume),
			help: "A plan that was refused because of the pause is asked for again."},
	}
}
