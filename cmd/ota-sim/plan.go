package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/scenarios"
	"otafleet/simulator/preflight"
)

type planFlags struct {
	choiceFlags
	deviceFlags
	worldFlags
	changed *pflag.FlagSet
}

func planVerb() cli.Verb {
	return cli.Verb{
		Name:    "plan",
		Args:    "SCENARIO",
		Words:   scenarios.Names(),
		Summary: "show what a scenario will do, and whether it fits this machine",
		Help: `Shows when devices arrive, which plans they get, and what goes wrong: for each
fault, on how many devices it is drawn and how often it strikes them at most.
These are the draws of the run itself, not estimates: the same seed gives the
same. Nothing is run.

It takes the flags of 'ota-sim run' that say which devices there are and what
they run against, and holds what the run needs (open files, ports, memory)
against what this machine has. If the run does not fit, the exit code is 3, and
the commands are shown with which it does.

Examples:
  ota-sim plan thousand
  ota-sim plan my.yaml --seed 7 --shard 1/4
  ota-sim plan my.yaml --broker mqtt://staging:1883 --trust staging.pub`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			f := planFlags{changed: flags}
			f.choiceFlags.define(flags)
			f.deviceFlags.define(flags)
			f.worldFlags.define(flags)
			return f.run
		},
	}
}

func (f *planFlags) run(_ context.Context, streams cli.Streams, args []string) error {
	s, err := scenarioOf(streams, args, &f.deviceFlags)
	if err != nil {
		return err
	}
	c, err := f.of(s.Scenario)
	if err != nil {
		return err
	}
	world, err := f.real(c, f.devices)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	if err := f.checkVirtual(f.changed); err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	var b strings.Builder
	writeOutlook(&b, c)
	command := commandOf(s, f.broker, f.changed)
	if f.virtual {
		fmt.Fprintln(&b)
		fmt.Fprintf(&b, "In virtual time it takes no sockets:\n\n  %s\n", command.inFile(&b))
		return cli.Show(streams.Out, program().Retell(b.String(), streams, ""))
	}
	machine, err := preflight.Look()
	if err != nil {
		return err
	}
	result := preflight.Examine(c.needs(&f.worldFlags, len(world.Sources)), machine)
	fmt.Fprintf(&b, "\nThis machine\n")
	writeChecks(&b, result)
	fmt.Fprintf(&b, "    %-14s %d; at most %s in a second\n\n", "processors", machine.Processors,
		ota.Counted(c.busiest(), "arrival"))
	if result.Fits() {
		fmt.Fprintf(&b, "It fits:\n\n  %s\n", command.inFile(&b))
	} else {
		fmt.Fprintf(&b, "%s.\n", c.tooMany())
		writeMend(&b, result, command)
	}
	if err := cli.Show(streams.Out, program().Retell(b.String(), streams, "")); err != nil || result.Fits() {
		return err
	}
	return &cli.Exit{Code: exitPreflight}
}

// changed are the flags that the user gave, as --name=value.
func changed(flags *pflag.FlagSet) (all []string) {
	flags.Visit(func(f *pflag.Flag) {
		if list, is := f.Value.(pflag.SliceValue); is {
			for _, value := range list.GetSlice() {
				all = append(all, "--"+f.Name+"="+value)
			}
			return
		}
		all = append(all, "--"+f.Name+"="+f.Value.String())
	})
	return all
}
