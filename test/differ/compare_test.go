package differ_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/test/harness"
)

// comparer compares the worlds, and counts what it has compared.
type comparer struct {
	pulse *harness.Pulse

	mu      sync.Mutex // guards the following
	devices int
	timed   map[string]int // things that timing decides, by what they are about
	late    int            // runs that were too late to say anything
	left    []string       // scenarios of which no run was in time and the worlds agreed
	flaky   []string       // disagreements that did not come again, though nothing was late
}

// newComparer takes the machine's pulse for as long as the test runs.
func newComparer(t *testing.T) *comparer {
	return &comparer{pulse: harness.TakePulse(t), timed: map[string]int{}}
}

const (
	// tries is how often a disagreement must come to be one.
	tries = 3
	// mostLate is how often a run may be too late to say anything, before the scenario
	// is left.
	mostLate = 10
)

// disagreement compares the worlds. It gives what is otherwise each time that it is
// tried.
func (c *comparer) disagreement(ctx context.Context, s *scenario.Scenario) (lines []string, err error) {
	x, err := expect(ctx, s)
	if err != nil {
		return nil, err
	}
	c.count(x)
	tooLate, first := 0, ""
	for try := 0; try < tries; {
		if tooLate == mostLate {
			c.skip(s.Name)
			return nil, nil
		}
		c.pulse.Await()
		began := time.Now()
		r, err := recordIn(ctx, &real.World{}, s)
		if err != nil {
			return nil, err
		}
		lines = x.judge(outcomeOf(s, r))
		worst, late := c.pulse.Late(began)
		switch {
		case len(lines) == 0:
			c.note(tooLate, first)
			return nil, nil
		case late:
			tooLate++
		default:
			try++
			first = fmt.Sprintf("%s (late by %s at most):\n%s\n%s", s.Name, worst.Round(time.Millisecond),
				strings.Join(lines, "\n"), first)
		}
	}
	c.note(tooLate, "")
	return lines, nil
}

func (c *comparer) count(x *expected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.devices += len(x.outcome)
	for _, keys := range x.timing {
		if len(keys) > 0 {
			c.timed["devices"]++
		}
		for key := range keys {
			word, _, _ := strings.Cut(key, " ")
			c.timed[word]++
		}
	}
}

// skip leaves a scenario.
func (c *comparer) skip(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = append(c.left, name)
}

func (c *comparer) note(late int, flaky string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late += late
	if flaky != "" {
		c.flaky = append(c.flaky, flaky)
	}
}

// counts are in words what was compared.
func (c *comparer) counts() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d devices; timing decides %v; %d runs came too late, and left %d scenarios undecided %v; %d "+
		"disagreements did not come again\n%s",
		c.devices, c.timed, c.late, len(c.left), c.left, len(c.flaky), strings.Join(c.flaky, "\n"))
}
