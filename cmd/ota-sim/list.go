package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/scenarios"
	"otafleet/simulator/preflight"
	"otafleet/simulator/scenario"
)

func listVerb() cli.Verb {
	return cli.Verb{
		Name:    "list",
		Summary: "list the bundled scenarios",
		Help: `Shows every bundled scenario with the number of its devices, the worlds in which
this machine can run it, and a sentence on what it proves. Run one by its name;
'ota-sim list NAME' prints its text, to start one of your own from.

Examples:
  ota-sim list
  ota-sim list happy`,
		Args:  "[NAME]",
		Words: scenarios.Names(),
		Flags: func(*pflag.FlagSet) cli.Action { return list },
	}
}

func list(_ context.Context, streams cli.Streams, args []string) error {
	if len(args) > 0 {
		name, err := cli.OneArg(args, "the name of a scenario")
		if err != nil {
			return err
		}
		s, err := readScenario(name)
		if err != nil {
			return err
		}
		_, err = streams.Out.Write(s.text)
		return err
	}
	machine, err := preflight.Look()
	if err != nil {
		return err
	}
	for _, name := range scenarios.Names() {
		s, err := readScenario(name)
		if err != nil {
			return err
		}
		worlds, err := worlds(s.Scenario, machine)
		if err != nil {
			return err
		}
		fmt.Fprintf(streams.Out, "%-20s %7d devices  %-13s  %s\n", name, s.Devices(), worlds, strings.TrimSpace(s.Description))
	}
	return nil
}

// worlds lists where a scenario can be run in one process.
func worlds(s *scenario.Scenario, machine preflight.Machine) (string, error) {
	all, err := (&choiceFlags{}).of(s)
	if err != nil {
		return "", err
	}
	if preflight.Examine(all.needs(&worldFlags{}, 0), machine).Fits() {
		return "real, virtual", nil
	}
	return "virtual", nil
}

func validateVerb() cli.Verb {
	return cli.Verb{
		Name:    "validate",
		Args:    "SCENARIO…",
		Words:   scenarios.Names(),
		Summary: "check scenarios without running them",
		Help: `Reports every mistake of every file at once, with line and column. Exit code 2
if there is any.`,
		Flags: func(*pflag.FlagSet) cli.Action { return validate },
	}
}

func validate(_ context.Context, streams cli.Streams, args []string) error {
	if len(args) == 0 {
		return cli.Exitf(cli.Usage, "want one scenario or more, and got none")
	}
	bad := 0
	for _, name := range args {
		s, err := readScenario(name)
		if err != nil {
			bad++
			fmt.Fprintln(streams.Err, err)
			continue
		}
		fmt.Fprintf(streams.Out, "%s: valid: %d devices, %d plans, %d faults\n", name, s.Devices(), len(s.Plans), len(s.Faults))
	}
	if bad > 0 {
		return &cli.Exit{Code: cli.Usage}
	}
	return nil
}
