package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"otafleet/internal/cli"
	"otafleet/internal/terminal"
	"otafleet/internal/yamlform"
	"otafleet/scenarios"
	"otafleet/simulator/scenario"
)

// source is a scenario and where it comes from.
type source struct {
	name string // the path or the bundled name, as the user gave it
	text []byte // by itself: with what its parts and variables stand for
	*scenario.Scenario
	given []byte // as it was read
}

// scenarioOf reads the one scenario that a verb was given, and prints its warnings.
func scenarioOf(streams cli.Streams, args []string, devices *deviceFlags) (*source, error) {
	name, err := cli.OneArg(args, "the scenario")
	if err != nil {
		return nil, err
	}
	s, err := readScenario(name, devices)
	if err == nil {
		s.warn(streams.Err)
	}
	return s, err
}

// warn prints what can never happen.
func (s *source) warn(w io.Writer) {
	for _, warning := range s.Warnings {
		_ = cli.Show(w, "warning: "+terminal.Escape(warning)+"\n")
	}
}

// scenarioText is that of a file, of a bundled scenario, or of standard input (-).
func scenarioText(name string) ([]byte, error) {
	if name == "-" {
		name = "/dev/stdin"
	}
	return scenarios.Read(name)
}

// readScenario reads and parses; every problem is of the user's input.
func readScenario(name string, devices *deviceFlags) (*source, error) {
	text, err := scenarioText(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Exitf(cli.Usage,
			"there is no scenario %s: neither a file nor a bundled one%s\n'ota-sim list' shows the bundled ones",
			name, yamlform.Suggest(name, scenarios.Names()))
	}
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	from, err := devices.from(name)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	s, resolved, err := scenario.Compose(name, text, from)
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: fmt.Errorf("the scenario is not valid:\n%w", err)}
	}
	return &source{name: name, text: resolved, Scenario: s, given: text}, nil
}
