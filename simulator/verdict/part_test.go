package verdict_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// TestPartsOfARun leave to all parts together what they cannot tell: counts add
// up, shares stand for the whole.
func TestPartsOfARun(t *testing.T) {
	const held, failed, deferred = "held", "failed", "deferred"
	type figures = verdict.Figures
	for _, tt := range []struct {
		expect string
		change func(f *figures)
		want   string
	}{
		{`{devices: {upgraded: ">= 99%"}}`, func(*figures) {}, held},
		{`{devices: {upgraded: ">= 99%"}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 9 }, failed},
		{`{devices: {upgraded: 990}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 500 }, deferred},
		{`{devices: {upgraded: 990}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 990 }, deferred},
		{`{devices: {upgraded: 990}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 991 }, failed},
		{`{devices: {upgraded: ">= 600"}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 599 }, deferred},
		{`{devices: {upgraded: ">= 600"}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 600 }, held},
		{`{devices: {upgraded: "> 600"}}`, func(f *figures) { f.Classes[scenario.Upgraded] = 600 }, deferred},
		{`{devices: {refused: "< 3"}}`, func(f *figures) { f.Classes[scenario.Refused] = 2 }, deferred},
		{`{devices: {refused: "< 3"}}`, func(f *figures) { f.Classes[scenario.Refused] = 3 }, failed},
		{`{devices: {refused: "<= 3"}}`, func(f *figures) { f.Classes[scenario.Refused] = 3 }, deferred},
		{`{devices: {refused: 0}}`, func(f *figures) { f.Classes[scenario.Refused] = 0 }, deferred},
		{`{components: {motor: {upgrade_failed: 0}}}`, func(f *figures) { f.Components["motor"]["upgrade_failed"] = 1 }, failed},
		{`{reports: {lost: 0}}`, func(*figures) {}, deferred},
		{`{reports: {lost: 0}}`, func(f *figures) { f.Reports.Lost = 1 }, failed},
		{`{time: {upgrade: {max: "< 80s"}}}`, func(*figures) {}, held},
		{`{time: {upgrade: {max: "< 80s"}}}`, func(f *figures) { f.Times.Upgrade = verdict.Distribution{} }, deferred},
		{`{faults: {fired: all}}`, func(*figures) {}, held},
		{`{faults: {fired: all}}`, func(f *figures) { f.Faults[0].Fired = 0 }, deferred},
		{`{faults: {brown-out: ">= 50"}}`, func(f *figures) { f.Faults[1].Fired = 49 }, deferred},
	} {
		s, f := spec(t, tt.expect), good()
		f.Devices = s.Devices() / 2
		for class := range f.Classes {
			f.Classes[class] /= 2
		}
		tt.change(f)
		v := verdict.New(s, 1, "real", f)
		e := v.Expectations[len(v.Expectations)-1]
		got := map[[2]bool]string{{true, false}: held, {false, false}: failed, {true, true}: deferred}[[2]bool{e.Held, e.Deferred}]
		assert.Equal(t, tt.want, got, "%s: %s", tt.expect, e.Measured)
		assert.Equal(t, tt.want != failed, v.Held)
		if got == deferred {
			showsDeferred(t, v, e)
		}
	}
}

// showsDeferred looks for it in every form.
func showsDeferred(t *testing.T, v *verdict.Verdict, e verdict.Expectation) {
	t.Helper()
	assert.Contains(t, e.Measured, " in this part; to be judged over all")
	var b bytes.Buffer
	require.NoError(t, v.WriteText(&b, verdict.Style{}))
	assert.Contains(t, b.String(), "  · "+e.Name)
	b.Reset()
	require.NoError(t, v.WriteJSON(&b))
	assert.Contains(t, b.String(), `"deferred": true`)
	b.Reset()
	require.NoError(t, v.WriteJUnit(&b))
	assert.Contains(t, b.String(), "<skipped></skipped>")
	assert.Contains(t, b.String(), `skipped="1"`)
}
