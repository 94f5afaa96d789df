package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/terminal"
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
'ota-sim list NAME' prints its text, to start one of your own from. With --resolved
it is one text by itself, as a history keeps it: with what its variables, its parts
and its traces stand for; also of a scenario of yours.

Examples:
  ota-sim list
  ota-sim list happy
  ota-sim list regions --resolved --set devices=20`,
		Args:  "[NAME]",
		Words: scenarios.Names(),
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f listFlags
			flags.BoolVar(&f.resolved, "resolved", false, "print the scenario as one text by itself")
			f.defineSet(flags)
			return f.list
		},
	}
}

type listFlags struct {
	deviceFlags
	resolved bool
}

func (f *listFlags) list(_ context.Context, streams cli.Streams, args []string) error {
	if len(args) == 0 && (f.resolved || len(f.set) > 0) {
		return cli.Exitf(cli.Usage, "--resolved and --set go with the name of a scenario")
	}
	if len(args) > 0 {
		name, err := cli.OneArg(args, "the name of a scenario")
		if err != nil {
			return err
		}
		s, err := readScenario(name, &f.deviceFlags)
		if err != nil {
			return err
		}
		text := s.given
		if f.resolved {
			text = s.text
		}
		_, err = streams.Out.Write(text)
		return err
	}
	machine, err := preflight.Look()
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, name := range scenarios.Names() {
		s, err := readScenario(name, &deviceFlags{})
		if err != nil {
			return err
		}
		worlds, err := worlds(s.Scenario, machine)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%-20s %15s  %-13s  %s\n", name, ota.Counted(s.Devices(), "device"), worlds,
			strings.TrimSpace(s.Description))
	}
	return cli.Show(streams.Out, b.String())
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
if there is any. What can never happen, such as a fault at a place that no device
reaches, is a warning and does not change the exit code. Of a directory, every file
whose name ends in .yaml or .yml is checked; - is standard input. With --platform it is
also a mistake to need what that platform cannot say; without it, a warning.`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			var f deviceFlags
			platform := flags.String("platform", "", platformUsage)
			f.defineSet(flags)
			return func(_ context.Context, streams cli.Streams, args []string) error {
				return validate(streams, args, *platform, &f)
			}
		},
	}
}

func validate(streams cli.Streams, args []string, platform string, devices *deviceFlags) error {
	if len(args) == 0 {
		return cli.Exitf(cli.Usage, "want one scenario or more, and got none")
	}
	bad := 0
	names, err := scenariosIn(args)
	if err != nil {
		return &cli.Exit{Code: cli.Usage, Err: err}
	}
	for _, name := range names {
		s, err := readScenario(name, devices)
		if err == nil {
			err = s.checkPlatform(platform)
		}
		if err != nil {
			bad++
			_ = cli.Show(streams.Err, terminal.EscapeLines(err.Error())+"\n")
			continue
		}
		s.warn(streams.Err)
		said := terminal.Sprintf("%s: valid: %s, %s, %s\n", name, ota.Counted(s.Devices(), "device"),
			ota.Counted(len(s.Plans), "plan"), ota.Counted(len(s.Faults), "fault"))
		if err := cli.Show(streams.Out, said); err != nil {
			return err
		}
	}
	if bad > 0 {
		return &cli.Exit{Code: cli.Usage}
	}
	return nil
}

// checkPlatform says what the platform cannot say that the scenario needs: by a warning
// if it is the one that is used when none is named.
func (s *source) checkPlatform(flag string) error {
	_, err := dialectOf(flag, s.Scenario)
	if err != nil && flag == "" {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			s.Warnings = append(s.Warnings, s.name+": "+line)
		}
		return nil
	}
	return err
}

// scenariosIn puts the files of a directory, in their order, in its place.
func scenariosIn(args []string) (names []string, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			names = append(names, arg)
			continue
		}
		files, err := os.ReadDir(arg)
		if err != nil {
			return nil, err
		}
		before := len(names)
		for _, file := range files {
			if end := filepath.Ext(file.Name()); !file.IsDir() && (end == ".yaml" || end == ".yml") {
				names = append(names, filepath.Join(arg, file.Name()))
			}
		}
		if len(names) == before {
			return nil, fmt.Errorf("%s has no file whose name ends in .yaml or .yml", arg)
		}
	}
	return names, nil
}
