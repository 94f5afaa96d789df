package verdict_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/verdict"
)

// A second run on the keys of a first one finds that the platform has done with
// them: the text says so.
func TestTextSaysWhatNoPlanMeans(t *testing.T) {
	s := spec(t, "{}")
	h := historyOf(s)
	h.connect("gateways-000001", "gateways").add(verdict.Event{Kind: verdict.NoPlan, Device: "gateways-000001", Text: "no_plan"})
	var b strings.Builder
	require.NoError(t, verdict.New(s, 7, "real", h.judge.Figures(verdict.Sizes(s))).WriteText(&b, verdict.Style{}))
	assert.Contains(t, b.String(), "not_upgraded: 1: the platform says no_plan (no plan is for such a device, or the one for its key came to an end in an earlier run)\n")
}
