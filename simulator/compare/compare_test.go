package compare_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/compare"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// run is a run of a hundred devices in a world, of which something is changed.
func run(name, world string, change func(*compare.Run)) compare.Run {
	return runOf(100, name, world, change)
}

func runOf(devices int, name, world string, change func(*compare.Run)) compare.Run {
	s := verdicttest.Parse(verdicttest.Fleets(devices))
	v := verdicttest.Judge(s, 42)
	v.World = world
	v.Resources = verdict.Resources{PeakMemory: 100 << 20, Sockets: 2000, CPU: 30 * time.Second, CPUs: 2,
		System: "linux/amd64"}
	r := compare.Run{About: compare.About{Name: name, Scenario: s, Seed: 42, World: world, Dialect: "native"}, Verdict: v}
	if change != nil {
		change(&r)
	}
	return r
}

// held compares, by the rules of the scenario.
func held(t *testing.T, baselines, runs []compare.Run, rules *scenario.Compare) *compare.Comparison {
	t.Helper()
	if rules == nil {
		rules = &scenario.Compare{Spread: scenario.DefaultSpread}
	}
	c, err := compare.New(baselines, runs, rules)
	require.NoError(t, err)
	return c
}

func names(figures []*compare.Figure) (all []string) {
	for _, f := range figures {
		all = append(all, f.Name)
	}
	return all
}

// sessions makes a run of so many sessions.
func sessions(n int) func(*compare.Run) {
	return func(r *compare.Run) { r.Verdict.Figures.Sessions = n }
}

func TestARunIsLikeItself(t *testing.T) {
	for _, world := range []string{"real", "virtual"} {
		c := held(t, []compare.Run{run("a", world, nil)}, []compare.Run{run("b", world, nil)}, nil)
		assert.True(t, c.Held())
		assert.True(t, c.Identical())
		assert.Len(t, c.Of(compare.Same), len(c.Figures))
		assert.Empty(t, c.Gaps)
		assert.Greater(t, len(c.Figures), 40)
		for _, f := range c.Figures {
			assert.NotEmpty(t, f.Measure.Worse, "%s is not in the table", f.Name)
		}
	}
}

// TestEveryRowOfTheTableIsRead: what the table lists some run has.
func TestEveryRowOfTheTableIsRead(t *testing.T) {
	b := runOf(1000, "b", "real", func(r *compare.Run) {
		r.Verdict.Figures.Codes["http_error"], r.Verdict.Figures.Refusals["busy"] = 3, 2
	})
	c := held(t, []compare.Run{runOf(1000, "a", "real", nil)}, []compare.Run{b}, nil)
	read := map[string]bool{}
	for _, f := range c.Figures {
		read[f.Measure.Figure] = true
	}
	for _, m := range scenario.Measures() {
		assert.True(t, read[m.Figure], m.Figure)
	}
}

// TestEachFigureGetsWorseInItsDirection: of each sort of figure, a change for the worse
// is a regression, and the opposite an improvement.
func TestEachFigureGetsWorseInItsDirection(t *testing.T) {
	for figure, worsen := range map[string]func(*compare.Run){
		"devices.upgraded": func(r *compare.Run) { r.Verdict.Figures.Classes[scenario.Upgraded]-- },
		"devices.refused":  func(r *compare.Run) { r.Verdict.Figures.Classes[scenario.Refused]++ },
		"time.download.max": func(r *compare.Run) {
			r.Verdict.Figures.Times.Download.Add(time.Hour)
		},
		"codes.http_error":     func(r *compare.Run) { r.Verdict.Figures.Codes["http_error"]++ },
		"refusals.busy":        func(r *compare.Run) { r.Verdict.Figures.Refusals["busy"]++ },
		"reports.lost":         func(r *compare.Run) { r.Verdict.Figures.Reports.Lost++ },
		"violations":           func(r *compare.Run) { r.Verdict.Figures.Violations++ },
		"resources.downloaded": func(r *compare.Run) { r.Verdict.Figures.Bytes++ },
		"resources.memory":     func(r *compare.Run) { r.Verdict.Resources.PeakMemory *= 2 },
		"resources.cpu":        func(r *compare.Run) { r.Verdict.Resources.CPU *= 4 },
		"resources.sockets":    func(r *compare.Run) { r.Verdict.Resources.Sockets *= 2 },
		"expectations.invariants held": func(r *compare.Run) {
			for i := range r.Verdict.Expectations {
				if e := &r.Verdict.Expectations[i]; e.Name == "invariants held" {
					e.Held = false
				}
			}
		},
	} {
		good, bad := run("good", "virtual", nil), run("bad", "virtual", worsen)
		c := held(t, []compare.Run{good}, []compare.Run{bad}, nil)
		assert.Contains(t, names(c.Of(compare.Regressed)), figure)
		assert.False(t, c.Held())
		c = held(t, []compare.Run{bad}, []compare.Run{good}, nil)
		assert.Contains(t, names(c.Of(compare.Improved)), figure)
		assert.Empty(t, c.Of(compare.Regressed), "an improvement is no failure")
	}
}

// TestOtherStrikesAreARegressionEitherWay: what was struck by less was tested by less.
func TestOtherStrikesAreARegressionEitherWay(t *testing.T) {
	for _, by := range []int{-1, 1} {
		other := run("other", "virtual", func(r *compare.Run) {
			r.Verdict.Figures.Faults[0].Outcomes[scenario.Upgraded] += by
		})
		c := held(t, []compare.Run{run("a", "virtual", nil)}, []compare.Run{other}, nil)
		assert.Equal(t, []string{"faults." + other.Verdict.Figures.Faults[0].Name}, names(c.Of(compare.Regressed)))
	}
}

// TestTheRealWorldIsNeverExact: there a session more makes no difference, in virtual time
// it does; and a tolerance that is given counts in both.
func TestTheRealWorldIsNeverExact(t *testing.T) {
	compared := func(world string, more int, rules *scenario.Compare) compare.Outcome {
		c := held(t, []compare.Run{run("a", world, sessions(1000))},
			[]compare.Run{run("b", world, sessions(1000+more))}, rules)
		return of(c, "resources.sessions").Outcome
	}
	assert.Equal(t, compare.Within, compared("real", 100, nil))
	assert.Equal(t, compare.Regressed, compared("real", 101, nil))
	assert.Equal(t, compare.Improved, compared("real", -101, nil))
	assert.Equal(t, compare.Regressed, compared("virtual", 1, nil))
	wide := &scenario.Compare{Allowed: map[string]scenario.Tolerance{"resources": {Share: 20}}}
	assert.Equal(t, compare.Within, compared("virtual", 200, wide))
	assert.Equal(t, compare.Regressed, compared("virtual", 201, wide))
}

func of(c *compare.Comparison, name string) *compare.Figure {
	for i := range c.Figures {
		if c.Figures[i].Name == name {
			return &c.Figures[i]
		}
	}
	return nil
}

// TestSeveralBaselinesGiveTheSpread: what lies as far off as a few times the farthest of
// them makes no difference, and medians are compared, so that one odd run decides nothing.
func TestSeveralBaselinesGiveTheSpread(t *testing.T) {
	all := func(name string, numbers ...int) (runs []compare.Run) {
		for _, n := range numbers {
			runs = append(runs, run(name, "real", sessions(n)))
		}
		return runs
	}
	for _, test := range []struct {
		baselines, runs []int
		allowed         float64
		outcome         compare.Outcome
	}{
		{[]int{1000}, []int{1101}, 100, compare.Regressed},
		{[]int{1000, 925, 1040}, []int{1149}, 150, compare.Within},
		{[]int{1000, 925, 1040}, []int{1151}, 150, compare.Regressed},
		{[]int{1000, 925, 1040}, []int{1151, 1100, 9000}, 150, compare.Regressed},
		{[]int{1000, 925, 1040}, []int{1100, 1100, 9000}, 150, compare.Within},
		{[]int{990, 1010}, []int{1100}, 100, compare.Within},
	} {
		f := of(held(t, all("before", test.baselines...), all("after", test.runs...), nil), "resources.sessions")
		assert.Equal(t, test.outcome, f.Outcome, "%v", test)
		assert.InDelta(t, test.allowed, f.Allowed, 1e-9, "%v", test)
		assert.Equal(t, test.allowed > 100, f.BySpread, "%v", test)
	}
	none := &scenario.Compare{Spread: 0}
	f := of(held(t, all("before", 1000, 925, 1040), all("after", 1101), none), "resources.sessions")
	assert.Equal(t, compare.Regressed, f.Outcome, "a spread that is not to count")
}

func TestWhatCannotBeComparedIsSaid(t *testing.T) {
	a := run("a", "real", nil)
	b := run("b", "real", func(r *compare.Run) {
		r.Verdict.Figures.Times.Install = verdict.Distribution{}
		r.Verdict.Resources.CPUs = 4
		r.Flags, r.Seed = []string{"--broker=mqtt://staging"}, 43
		r.Verdict.Expectations = r.Verdict.Expectations[:2]
	})
	c := held(t, []compare.Run{a}, []compare.Run{b}, nil)
	assert.True(t, c.Held())
	assert.Contains(t, c.Gaps, compare.Gap{Figure: "time.install.p50", Why: "b has none"})
	assert.Contains(t, c.Gaps, compare.Gap{Figure: "resources.memory",
		Why: "a ran on 2 processors of linux/amd64, and b on 4 processors of linux/amd64"})
	assert.Contains(t, c.Notes, "a ran with no flags, and b with --broker=mqtt://staging")
	assert.Contains(t, c.Notes, "a and b have other seeds or keys, so that faults strike other devices")
	assert.Contains(t, c.Gaps, compare.Gap{Figure: "expectations." + a.Verdict.Expectations[2].Name, Why: "b has none"})
}

func TestRunsThatCannotBeCompared(t *testing.T) {
	parse := func(text string) func(*compare.Run) {
		return func(r *compare.Run) { r.Scenario = verdicttest.Parse(text) }
	}
	for why, change := range map[string]func(*compare.Run){
		"a and b are not of the same scenario: what differs is fleet": parse(verdicttest.Fleets(99)),
		"a has the world virtual, and b has real":                     func(r *compare.Run) { r.World = "real" },
		"a has the devices of the whole run, and b has shard 1/2":     func(r *compare.Run) { r.Part = "shard 1/2" },
		"a has the platform native, and b has hawkbit":                func(r *compare.Run) { r.Dialect = "hawkbit" },
		"a has the seed 42, and b has 43":                             func(r *compare.Run) { r.Seed = 43 },
	} {
		_, err := compare.New([]compare.Run{run("a", "virtual", nil)}, []compare.Run{run("b", "virtual", change)},
			&scenario.Compare{})
		require.EqualError(t, err, why)
	}
	_, err := compare.New([]compare.Run{run("a", "real", nil)}, []compare.Run{run("b", "real",
		func(r *compare.Run) { r.Seed = 43 })}, &scenario.Compare{})
	require.NoError(t, err, "in the real world a seed is no more than a draw")
}
