package report_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/report"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// TestDeferred: every form says of an expectation that a part of a run leaves it to
// all parts together.
func TestDeferred(t *testing.T) {
	for _, expect := range []string{
		`{devices: {upgraded: 990}}`, `{devices: {refused: "< 3"}}`, `{devices: {cameras: {upgraded: "> 50%"}}}`,
		`{reports: {lost: 0}}`,
		`{reports: {lost: "< 1%"}}`, `{time: {upgrade: {max: "< 80s"}}}`, `{faults: {fired: all}}`,
		`{faults: {brown-out: "< 9"}}`,
		`{never: [{event: connected, fleet: cameras}]}`,
	} {
		s := uplink(900, 100, expect)
		script := verdicttest.NewScript(s).Arrive("gateways-000001", "gateways")
		v := verdict.New(s, 1, "real", script.Judge.Figures([]verdict.FleetSize{{Name: "gateways", Devices: 1}}))
		e := v.Expectations[len(v.Expectations)-1]
		require.True(t, e.Held && e.Deferred, "%s: %s", e.Name, e.Measured)
		var b bytes.Buffer
		require.NoError(t, report.WriteText(&b, v, report.Style{}))
		assert.Contains(t, b.String(), "  · "+e.Name)
		b.Reset()
		require.NoError(t, report.WriteJSON(&b, v))
		assert.Contains(t, b.String(), `"deferred": true`)
		b.Reset()
		require.NoError(t, report.WriteJUnit(&b, v))
		assert.Contains(t, b.String(), "<skipped></skipped>")
		assert.Contains(t, b.String(), `skipped="`)
	}
}

// TestChosenDevices: the text says that what a few devices cannot decide is not judged.
func TestChosenDevices(t *testing.T) {
	const d = "gateways-000001"
	s := uplink(3, 1, `{time: {upgrade: {max: "< 1m"}}}`)
	script := verdicttest.NewScript(s).Connect(d, "gateways").Upgrade(d)
	f := script.Judge.Figures([]verdict.FleetSize{{Name: "gateways", Devices: 1}})
	f.Chosen = true
	var b bytes.Buffer
	require.NoError(t, report.WriteText(&b, verdict.New(s, 1, "real", f), report.Style{}))
	assert.Contains(t, b.String(),
		"HELD: 4 of 5 expectations, and the others are not judged, since only all devices can tell")
}
