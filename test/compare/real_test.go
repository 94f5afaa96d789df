//go:build compare

package compare_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/test/harness"
)

// TestRealRuns holds ten runs against three baselines, which must find nothing, and three
// runs with the slower rule, which must be found.
func TestRealRuns(t *testing.T) {
	pulse := harness.TakePulse(t)
	before := steady(t, pulse, programs.asIs, "before", 3)
	for _, run := range steady(t, pulse, programs.asIs, "again", 10) {
		c := compare(t, before, []string{run})
		assert.Empty(t, c.Regressed, c.text)
	}
	c := compare(t, before, steady(t, pulse, programs.slower, "after", 3))
	t.Log(c.text)
	// Which quantile is beyond its tolerance depends on how far apart the baselines are.
	assert.Contains(t, strings.Join(c.Regressed, " "), "time.download.p", c.text)
}

// mostLate is how often a run may be late before it is taken as it is.
const mostLate = 5

// steady gives runs in which the machine did not stand still: its doing that makes a run
// slow, and ota-sim is right to say so.
func steady(t *testing.T, pulse *harness.Pulse, program, name string, n int) (dirs []string) {
	t.Helper()
	for i := range n {
		for late := 0; ; late++ {
			pulse.Await()
			began := time.Now()
			dir := runs(t, program, name, 1)
			worst, is := pulse.Late(began)
			if !is || late == mostLate {
				dirs = append(dirs, dir...)
				break
			}
			t.Logf("%s-%d: the machine stood still for %s: again", name, i+1, worst.Round(time.Millisecond))
		}
	}
	return dirs
}
