package report_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/report"
)

// TestBeliefs are shown if the scenario asks for them, with how often they are wrong.
func TestBeliefs(t *testing.T) {
	text := func(name string, mistaken int) string {
		v := verdicts(t)[name]
		v.Figures.Mistaken = mistaken
		var b bytes.Buffer
		require.NoError(t, report.WriteText(&b, v, report.Style{}))
		return b.String()
	}
	assert.Contains(t, text("broken", 2), "\nThe platform believes\n  of all               2 Not Upgraded, 1 Upgraded, "+
		"1 Upgrade Failed\n  wrongly              2 devices that run another version\n")
	assert.NotContains(t, text("held", 0), "The platform believes")
}
