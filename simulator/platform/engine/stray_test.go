package engine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// TestStrayedDevice: a device that was upgraded and runs another version is not up
// to date, is shown as such, and may be tried again.
func TestStrayedDevice(t *testing.T) {
	s := newScript(t)
	s.all("d1 on A1; plan p of=A; d1 take; d1 A+; d1 on A2")
	row := func() engine.DeviceRow {
		rows, _ := s.engine.Devices("p", engine.Filter{})
		require.Len(t, rows, 1)
		return rows[0]
	}
	require.Equal(t, ota.DeviceUpgraded, row().Status)
	require.False(t, row().Strayed)
	require.ErrorContains(t, s.engine.MayRetry(s.now, "p", "d1"), "it has not failed")
	s.trace = nil
	s.all("d1 ask A1")
	assert.NotContains(t, s.trace, "d1<none:up_to_date")
	require.Len(t, s.trace, 1)
	assert.Contains(t, s.trace[0], string(ota.NoPlanNone))
	assert.True(t, row().Strayed)
	require.NoError(t, s.engine.MayRetry(s.now, "p", "d1"))
	s.all("retry p d1")
	assert.False(t, row().Strayed)
	s.all("d1 take; d1 A+; d1 on A2")
	assert.Equal(t, ota.DeviceUpgraded, row().Status)
	assert.False(t, row().Strayed)
	s.trace = nil
	s.all("d1 ask A2")
	assert.Contains(t, s.trace[0], string(ota.NoPlanUpToDate))
}
