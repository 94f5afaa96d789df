//go:build compare

package compare_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestRealRuns holds ten runs against three baselines, which must find nothing, and three
// runs with the slower rule, which must be found.
func TestRealRuns(t *testing.T) {
	before := runs(t, programs.asIs, "before", 3)
	for _, run := range runs(t, programs.asIs, "again", 10) {
		c := compare(t, before, []string{run})
		assert.Empty(t, c.Regressed, c.text)
	}
	c := compare(t, before, runs(t, programs.slower, "after", 3))
	t.Log(c.text)
	// Which quantile is beyond its tolerance depends on how far apart the baselines are.
	assert.Contains(t, strings.Join(c.Regressed, " "), "time.download.p", c.text)
}
