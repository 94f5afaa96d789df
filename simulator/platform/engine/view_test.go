package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

func TestSuccessRate(t *testing.T) {
	assert.InDelta(t, 68.18,
		engine.Tally{ota.DeviceUpgraded: 15, ota.DeviceUpgradeFailed: 7, ota.DeviceNotUpgraded: 99}.SuccessRate(), 1e-9)
	assert.InDelta(t, 100, engine.Tally{ota.DeviceUpgraded: 1, ota.DeviceNoUpdateRequired: 3}.SuccessRate(), 1e-9)
	assert.Zero(t, engine.Tally{}.SuccessRate())
}

// monitored is a plan with one device in each status.
func monitored(t *testing.T) *script {
	s := newScript(t)
	s.all(
		"plan p; d1 on; d2 on A2 B2; d3 ask; d4 ask; d5 ask; d3 take; d4 take; d5 take; d4 A+; d4 B+; d5 A!boot_failed; " +
			"d5 B:fail:skipped; d5 off",
	)
	return s
}

func TestMonitoring(t *testing.T) {
	s := monitored(t)
	want := engine.Tally{
		ota.DeviceNotUpgraded: 1, ota.DeviceUpgrading: 1, ota.DeviceUpgraded: 1,
		ota.DeviceUpgradeFailed: 1, ota.DeviceNoUpdateRequired: 1,
	}
	plan, found := s.engine.Plan("p")
	require.True(t, found)
	assert.Equal(t, want, plan.Devices)
	assert.Equal(t, engine.Upgrading, plan.Status)
	assert.Equal(t, want, s.engine.Totals())
	assert.InDelta(t, 50, plan.Devices.SuccessRate(), 1e-9)
	assert.Equal(t, []engine.PlanView{plan}, s.engine.Plans())
	checkCounts(t, s.engine)

	_, found = s.engine.Plan("q")
	assert.False(t, found)
	rows, chosen := s.engine.Devices("q", engine.Filter{})
	assert.Empty(t, rows)
	assert.Zero(t, chosen)
}

func TestRows(t *testing.T) {
	s := monitored(t)
	failed, online, offline := ota.DeviceUpgradeFailed, true, false
	for _, c := range []struct {
		filter engine.Filter
		keys   string
		chosen int
	}{
		{engine.Filter{}, "d1 d2 d3 d4 d5", 5},
		{engine.Filter{Prefix: "d3"}, "d3", 1},
		{engine.Filter{Prefix: "x"}, "", 0},
		{engine.Filter{Status: &failed}, "d5", 1},
		{engine.Filter{Online: &online}, "d1 d2 d3 d4", 4},
		{engine.Filter{Online: &offline}, "d5", 1},
		{engine.Filter{Online: &online, Status: &failed}, "", 0},
		{engine.Filter{Offset: 1, Limit: 2}, "d2 d3", 5},
		{engine.Filter{Offset: 9, Limit: 2}, "", 5},
	} {
		rows, chosen := s.engine.Devices("p", c.filter)
		var keys []string
		for _, r := range rows {
			keys = append(keys, r.Key)
		}
		assert.Equal(t, c.keys, strings.Join(keys, " "), "%+v", c.filter)
		assert.Equal(t, c.chosen, chosen, "%+v", c.filter)
	}
}

func TestStartAndEnd(t *testing.T) {
	s := newScript(t)
	s.all("plan p; d1 ask; at 10:05; d1 A:recv; d1 B:recv")
	view, _ := s.engine.Device("p", "d1")
	assert.True(t, view.Started.IsZero(), "empty before the confirmation")
	confirmed := s.now
	s.all("d1 yes; d1 A:conf; d1 B:conf; at 10:06; d1 A+")
	view, _ = s.engine.Device("p", "d1")
	assert.Equal(t, confirmed, view.Started)
	assert.True(t, view.Ended.IsZero())
	s.all("at 10:07; d1 B+")
	view, _ = s.engine.Device("p", "d1")
	assert.Equal(t, s.now, view.Ended)
	assert.Equal(t, 14, view.LastSeq)
}

func TestComponentDetails(t *testing.T) {
	s := newScript(t)
	s.all(
		"plan p delta retries=2; d1 ask; d1 take; d1 A!boot_failed; d1 B:fail:skipped; d1 A:ready; d1 A:down; d1 progress " +
			"A 42",
	)
	view, found := s.engine.Device("p", "d1")
	require.True(t, found)
	assert.Equal(t, []engine.ComponentView{
		{
			ID: "A", Type: ota.Module, Source: "1", Target: "2", Running: "1", Status: ota.Downloading,
			Stage: ota.StageDownload, Progress: 42, Times: 2, Earlier: &ota.Failure{Code: ota.BootFailed}, EarlierIn: 1,
			Reached: ota.Downloading,
		},
		{
			ID: "B", Type: ota.MCU, Target: "2", Running: "1", Status: ota.UpgradeFailed, Stage: ota.StageEnd,
			Failure: &ota.Failure{Code: ota.Skipped}, FailedIn: 2, Reached: ota.UpgradeConfirmed,
		},
	}, view.Components)
	s.all("d1 progress A 1000; d1 progress X 5")
	view, _ = s.engine.Device("p", "d1")
	assert.Equal(t, 100, view.Components[0].Progress)

	_, found = s.engine.Device("p", "d9")
	assert.False(t, found)
	_, found = s.engine.Device("q", "d1")
	assert.False(t, found)
}

func TestUntouchedDeviceHasDetails(t *testing.T) {
	s := newScript(t)
	s.all("plan p; d1 on; terminate p; d2 on")
	view, found := s.engine.Device("p", "d1")
	require.True(t, found)
	assert.Equal(t, ota.DeviceUpgradeFailed, view.Status)
	assert.Equal(t, ota.UpgradeFailed, view.Components[0].Status)
	_, found = s.engine.Device("p", "d2")
	assert.False(t, found, "unknown when the plan was terminated")
	checkCounts(t, s.engine)
}

func TestWhiteListMakesDevicesKnown(t *testing.T) {
	s := newScript(t)
	s.all("plan p white=d1,d2,d3 black=d3; d1 on; d9 on")
	plan, _ := s.engine.Plan("p")
	assert.Equal(t, engine.Tally{ota.DeviceNotUpgraded: 2}, plan.Devices)
	checkCounts(t, s.engine)
}

func TestLog(t *testing.T) {
	s := newScript(t)
	s.all(
		"plan p of=A retries=1; d1 ask; wait 1s; d1 A:recv; d1 no; wait 1s; d1 ask; d1 yes; d1 A:conf; d1 " +
			"A:fail:space_low; d1 A:ok; d1 A:ready",
	)
	view, _ := s.engine.Device("p", "d1")
	var lines []string
	for _, l := range view.Log {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", l.At.Format("05"), l.Component, l.Text)))
	}
	assert.Equal(t, []string{
		"00  Device asked for an upgrade plan; versions: A 1, B 1",
		"00  Plan issued, attempt 1",
		"01 A Status: Plan Received",
		"01  Device refused the upgrade: battery_low",
		"02  Device asked for an upgrade plan; versions: A 1, B 1",
		"02  Plan issued, attempt 1",
		"02  Device confirmed the upgrade",
		"02 A Package address issued (next)",
		"02 A Status: Upgrade Confirmed",
		"02 A Status: Upgrade Failed (space_low)",
		"02 A Upgrade failed, the platform tries again: attempt 2",
		"02 A Package address issued (retry)",
		"02 A Report out of order, not counted: Upgrade Succeeded",
		"02 A Status: Ready to Download",
	}, lines)
}

func TestLogIsBounded(t *testing.T) {
	s := newScript(t)
	s.all("plan p; d1 ask; d1 take")
	for range 500 {
		s.all("d1 fetch A")
	}
	view, _ := s.engine.Device("p", "d1")
	assert.Len(t, view.Log, 128)
	assert.Equal(t, "Package address issued (asked)", view.Log[0].Text)
}

func TestVersionsAndArrivals(t *testing.T) {
	s := newScript(t)
	s.all("plan p; d1 ask A3; d1 #1 A:recv; d1 #1 A:recv; d1 #3 A:conf; d1 #4 X:conf; d1 #2 B:recv")
	versions, found := s.engine.Versions(identity("d1"))
	require.True(t, found)
	assert.Equal(t,
		[]ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: "3"}, {ID: "B", Type: ota.MCU, Version: "1"}}, versions)
	_, found = s.engine.Versions(identity("d2"))
	assert.False(t, found)
	_, found = s.engine.Versions(ota.Identity{Product: "other", Device: "d1"})
	assert.False(t, found)

	arrivals := s.engine.Arrivals()
	assert.Equal(t, 3, arrivals[engine.Stored])
	assert.Equal(t, 2, arrivals[engine.Early])
	assert.Equal(t, 1, arrivals[engine.Duplicate])
	assert.Equal(t, 1, arrivals[engine.Illegal])
	assert.Equal(t, "illegal", engine.Illegal.String())
}
