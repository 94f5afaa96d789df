package ota_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

// rules is the protocol's section 4, word for word: the first that holds gives
// the device status.
func rules(components []ota.ComponentState) ota.DeviceStatus {
	every := func(holds func(ota.ComponentState) bool) bool {
		return !slices.ContainsFunc(components, func(c ota.ComponentState) bool { return !holds(c) })
	}
	some := func(holds func(ota.ComponentState) bool) bool { return slices.ContainsFunc(components, holds) }
	is := func(statuses ...ota.Status) func(ota.ComponentState) bool {
		return func(c ota.ComponentState) bool { return slices.Contains(statuses, c.Status) }
	}
	failed := is(ota.DownloadFailed, ota.UpgradeFailed)
	switch {
	case len(components) == 0:
		return ota.DeviceNotUpgraded
	case every(is(ota.NoUpdateRequired)):
		return ota.DeviceNoUpdateRequired
	case some(is(ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading)),
		some(func(c ota.ComponentState) bool { return failed(c) && c.RetryLeft }):
		return ota.DeviceUpgrading
	case some(failed):
		return ota.DeviceUpgradeFailed
	case every(is(ota.UpgradeSucceeded, ota.NoUpdateRequired)):
		return ota.DeviceUpgraded
	case some(is(ota.UpgradeSucceeded)):
		return ota.DeviceUpgrading
	}
	return ota.DeviceNotUpgraded
}

// Every device of up to three components is judged by the rules: 11,155 of them.
func TestTheDeviceStatusFollowsTheRules(t *testing.T) {
	var states []ota.ComponentState
	for _, row := range ota.Statuses() {
		states = append(states, ota.ComponentState{Status: row.Status},
			ota.ComponentState{Status: row.Status, RetryLeft: true})
	}
	devices := 0
	var judge func(components []ota.ComponentState)
	judge = func(components []ota.ComponentState) {
		devices++
		require.Equal(t, rules(components), ota.ComputeDevice(components), "%v", components)
		if len(components) == 3 {
			return
		}
		for _, s := range states {
			judge(append(slices.Clip(components), s))
		}
	}
	judge(nil)
	assert.Equal(t, 1+22+22*22+22*22*22, devices)
}

func TestTheDeviceStatus(t *testing.T) {
	states := func(statuses ...ota.Status) []ota.ComponentState {
		out := make([]ota.ComponentState, len(statuses))
		for i, s := range statuses {
			out[i].Status = s
		}
		return out
	}
	retried := ota.ComponentState{Status: ota.DownloadFailed, RetryLeft: true}
	cases := []struct {
		name       string
		components []ota.ComponentState
		want       string
	}{
		{"no components", nil, "Not Upgraded"},
		{"nothing heard", states(ota.PlanNotReceived, ota.PlanNotReceived), "Not Upgraded"},
		{"refused", states(ota.PlanReceived, ota.PlanReceived), "Not Upgraded"},
		{"nothing to do", states(ota.NoUpdateRequired, ota.NoUpdateRequired), "No Update Required"},
		{"nothing to do for one, the other waits", states(ota.NoUpdateRequired, ota.PlanReceived), "Not Upgraded"},
		{"one at work", states(ota.Downloading, ota.PlanReceived), "Upgrading"},
		{"one failed, another at work", states(ota.UpgradeFailed, ota.Downloading), "Upgrading"},
		{"one failed, a retry is left", append(states(ota.UpgradeSucceeded), retried), "Upgrading"},
		{"one failed at last, a retry is left for the other", append(states(ota.UpgradeFailed), retried), "Upgrading"},
		{"one failed at last, another succeeded", states(ota.UpgradeSucceeded, ota.DownloadFailed), "Upgrade Failed"},
		{"one failed at last, another waits", states(ota.PlanReceived, ota.UpgradeFailed), "Upgrade Failed"},
		{"all succeeded", states(ota.UpgradeSucceeded, ota.UpgradeSucceeded), "Upgraded"},
		{"succeeded, or nothing to do", states(ota.UpgradeSucceeded, ota.NoUpdateRequired), "Upgraded"},
		{"one succeeded, another waits", states(ota.UpgradeSucceeded, ota.PlanReceived), "Upgrading"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, ota.ComputeDevice(c.components).Name())
		})
	}
}

func TestDeviceStatusesHaveNames(t *testing.T) {
	for status, want := range map[ota.DeviceStatus][2]string{
		ota.DeviceNotUpgraded:      {"not_upgraded", "Not Upgraded"},
		ota.DeviceUpgrading:        {"upgrading", "Upgrading"},
		ota.DeviceUpgraded:         {"upgraded", "Upgraded"},
		ota.DeviceUpgradeFailed:    {"upgrade_failed", "Upgrade Failed"},
		ota.DeviceNoUpdateRequired: {"no_update_required", "No Update Required"},
		77:                         {"device_status(77)", "device_status(77)"},
	} {
		assert.Equal(t, want, [2]string{status.String(), status.Name()})
	}
}
