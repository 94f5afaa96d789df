// Package catalogue_test holds the bundled scenarios: each holds, whatever the
// seed, in virtual time and on real sockets alike, and each of its expectations
// can fail.
//
// One flow through it: the scenarios are read as ota-sim reads them; each is run
// in both worlds, and the verdicts are held against each other; then its world is
// spoilt in one way after the other, by faults that it does not have or by
// defects of the machine, until every expectation has been seen to fail.
//
// How a scenario file looks is for the tests beside the files. What a fault, a
// world or the judge does in detail is for theirs.
package catalogue_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/scenarios"
	"otafleet/simulator"
	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
	"otafleet/test/harness"
)

// programs are built once.
var programs harness.Programs

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run lets more tests run at once than there are processors: a run on real sockets
// mostly waits.
func run(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "ota-catalogue-")
	if err == nil {
		defer os.RemoveAll(dir)
		programs, err = harness.Build(dir, "catalogue")
	}
	if err == nil {
		err = flag.Set("test.parallel", "12")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// virtualOnly names the scenarios that are not run on real sockets here, and why.
func virtualOnly() map[string]string {
	return map[string]string{
		"explore":                  "its device is explored in virtual time, with installations of seconds",
		"half-open":                "it takes the time-outs of keep-alives",
		"hundred-thousand":         "it is for brokers beside several processes",
		"line-away-twice":          "it takes half an hour; TestOutagesOnRealSockets has it in a minute",
		"long-download":            "it takes longer than an address is valid",
		"million":                  "no machine has so many sockets",
		"night-window":             "it takes a night",
		"rejection-period":         "it takes hours of refusals",
		"soak-week":                "it takes a week; make soak has a shorter one",
		"storage-away-ten-minutes": "it takes a quarter of an hour; TestOutagesOnRealSockets has it in half a minute",
		"ten-thousand":             "it is for a broker beside ota-sim",
		"thousand":                 "it takes most of a minute: make run runs it",
	}
}

// fewer is how many devices the first fleet gets here of scenarios that are about
// many.
func fewer() map[string]int {
	return map[string]int{"hundred-thousand": 500, "million": 1000, "soak-week": 10, "ten-thousand": 500}
}

// parse reads a bundled scenario.
func parse(t *testing.T, name string) *scenario.Scenario {
	t.Helper()
	s, _ := compose(t, name)
	if n, is := fewer()[name]; is {
		s.Fleets[0].Count = n
	}
	return s
}

// compose reads a bundled scenario, and gives the text that it is by itself.
func compose(t *testing.T, name string) (*scenario.Scenario, []byte) {
	t.Helper()
	text, err := scenarios.Read(name)
	require.NoError(t, err)
	s, text, err := scenario.Compose(name, text, &scenario.Beside{Read: scenarios.Beside(name)})
	require.NoError(t, err)
	return s, text
}

// each runs a test for every bundled scenario, several at once.
func each(t *testing.T, test func(*testing.T, string)) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name)
		})
	}
}

// virtually runs a scenario in virtual time.
func virtually(t *testing.T, s *scenario.Scenario, seed uint64) *verdict.Verdict {
	t.Helper()
	v, err := simulator.Simulate(t.Context(), virtual.World{Workers: 1}, simulator.Options{Scenario: s, Seed: seed,
		Memory: level})
	require.NoError(t, err)
	return v
}

// level is the memory of a run that takes the same all the time: what this process takes, all
// tests that run at once decide.
func level() int64 { return 1 << 20 }

// held shows the whole verdict where it does not hold.
func held(t *testing.T, v *verdict.Verdict) {
	t.Helper()
	if !v.Held {
		var b strings.Builder
		require.NoError(t, report.WriteText(&b, v, report.Style{}))
		require.Fail(t, fmt.Sprintf("not held in the %s world with seed %d", v.World, v.Seed), b.String())
	}
}

// longest is how long a test may wait for a run on real sockets.
const longest = 2 * time.Minute
