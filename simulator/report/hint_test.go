package report_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/report"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// A second run on the keys of a first one finds that the platform has done with
// them: the text says so.
func TestTextSaysWhatNoPlanMeans(t *testing.T) {
	s := uplink(900, 100, "{}")
	h := verdicttest.NewScript(s)
	h.Connect("gateways-000001", "gateways").
		Add(verdict.Event{Kind: verdict.NoPlan, Device: "gateways-000001", Text: "no_plan"})
	var b strings.Builder
	v := verdict.New(s, 7, "real", h.Judge.Figures(verdict.Sizes(s)))
	require.NoError(t, report.WriteText(&b, v, report.Style{}))
	assert.Contains(t, b.String(),
		"not_upgraded: 1: the platform says no_plan (no plan is for such a device, "+
			"or the one for its key came to an end in an earlier run), such as gateways-000001\n")
}
