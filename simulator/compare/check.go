package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// About says what a run is of.
type About struct {
	Name     string // by which the user knows it: its directory
	Scenario *scenario.Scenario
	Seed     uint64
	World    string // real or virtual
	Part     string // which devices of the scenario, as a person says it; empty for all
	Dialect  string // in which its devices spoke with the platform
	Flags    []string
}

// Run is a run that has ended.
type Run struct {
	About
	Verdict *verdict.Verdict
}

// Check says why runs cannot be compared with the first of them: one line for each
// reason. nil means that they can.
func Check(runs []About) error {
	var problems []error
	for i := 1; i < len(runs); i++ {
		problems = append(problems, runs[0].apart(&runs[i])...)
	}
	return errors.Join(problems...)
}

// apart lists why two runs cannot be compared.
func (a *About) apart(b *About) (problems []error) {
	differ := func(what, x, y string) {
		if x != y {
			problems = append(problems, fmt.Errorf("%s has %s %s, and %s has %s", a.Name, what, x, b.Name, y))
		}
	}
	if keys := a.Scenario.Differences(b.Scenario); len(keys) > 0 {
		problems = append(problems, fmt.Errorf("%s and %s are not of the same scenario: what differs is %s",
			a.Name, b.Name, strings.Join(keys, ", ")))
	}
	differ("the world", a.World, b.World)
	differ("the devices of", a.part(), b.part())
	differ("the platform", a.Dialect, b.Dialect)
	if a.World == "virtual" && b.World == "virtual" {
		differ("the seed", fmt.Sprint(a.Seed), fmt.Sprint(b.Seed))
		differ("the key prefix", a.prefix(), b.prefix())
	}
	return problems
}

func (a *About) part() string {
	if a.Part == "" {
		return "the whole run"
	}
	return a.Part
}

func (a *About) prefix() string { return fmt.Sprintf("%q", a.Scenario.KeyPrefix()) }

// notes says what differs from a run and makes it no other one.
func (a *About) notes(b *About) (notes []string) {
	if a.World == "real" && (a.Seed != b.Seed || a.prefix() != b.prefix()) {
		notes = append(notes, fmt.Sprintf("%s and %s have other seeds or keys, so that faults strike other devices",
			a.Name, b.Name))
	}
	if !slices.Equal(a.Flags, b.Flags) {
		notes = append(notes, fmt.Sprintf("%s ran with %s, and %s with %s", a.Name, flags(a.Flags), b.Name, flags(b.Flags)))
	}
	return notes
}

func flags(all []string) string {
	if len(all) == 0 {
		return "no flags"
	}
	return strings.Join(all, " ")
}
