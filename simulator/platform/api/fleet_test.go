package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/api"
)

// fleet looks at the devices that have connected.
func (s *stand) fleet() {
	s.platform.Hear(
		ota.Identity{Product: "valve", Device: "valve-1"},
		&ota.Inventory{Via: "gw-2", Components: []ota.ComponentVersion{
			{ID: "app", Type: ota.Module, Version: "7.1"}, {ID: "motor", Type: ota.MCU, Version: "3_1"}}},
	)
	all := must[api.Fleet](s, "GET", "/devices", "")
	assert.Equal(s.t, "gw-1 gw-2 valve-1 gw-3 gw-4 gw-6 tester", keysOf(all), "gw-5 has said nothing yet")
	assert.Equal(s.t, 7, all.Total)
	valve := all.Devices[2]
	assert.Equal(s.t, []api.Installed{{"app", "module", "7.1"}, {"motor", "mcu", "3_1"}}, valve.Components)
	assert.Equal(s.t, "gw-2", valve.Gateway)
	assert.True(s.t, valve.Online)
	assert.NotNil(s.t, valve.First)
	assert.False(s.t, valve.Last.Before(*valve.First))
	for query, want := range map[string]string{
		"sort=-key&product=gw": "tester gw-6 gw-4 gw-3 gw-2 gw-1", "online=false": "gw-6", "search=7.1": "valve-1",
		"key=gw-&offset=2&limit=2": "gw-3 gw-4", "product=x": "",
	} {
		assert.Equal(s.t, want, keysOf(must[api.Fleet](s, "GET", "/devices?"+query, "")), query)
	}
	for _, query := range []string{"sort=size", "sort=-", "online=x", "limit=0", "offset=-1", "key=" +
		strings.Repeat("k", 65), "product=" + strings.Repeat("p", 65),
		"search=" + strings.Repeat("s", 101)} {
		name, _, _ := strings.Cut(query, "=")
		assert.Equal(s.t, name, s.refused(422, "GET", "/devices?"+query, "").Errors[0].Field)
		assert.Equal(s.t, name, s.refused(422, "GET", "/devices.csv?"+query, "").Errors[0].Field)
	}
	_, csv := s.call("GET", "/devices.csv?search=valve&limit=1", "")
	lines := strings.Split(strings.TrimSpace(csv), "\n")
	require.Len(s.t, lines, 2)
	assert.Equal(s.t, "ProductKey,DeviceKey,Gateway,Device online status,First contact,Last contact,Components", lines[0])
	assert.Regexp(s.t, `^valve,valve-1,gw-2,Online,\d.*Z,\d.*Z,app 7.1; motor 3_1$`, lines[1])
}

func keysOf(f api.Fleet) string {
	var keys []string
	for _, d := range f.Devices {
		keys = append(keys, d.Key)
	}
	return strings.Join(keys, " ")
}

// TestTablesAreNoFormulas: what a device says is text in a spreadsheet.
func TestTablesAreNoFormulas(t *testing.T) {
	s := start(t)
	for _, id := range []string{"=1", "-1"} {
		s.platform.Hear(ota.Identity{Product: "gw", Device: "d" + id[1:] + "x"},
			&ota.Inventory{Components: []ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: id}}})
	}
	s.platform.Hear(ota.Identity{Product: "gw", Device: "-2"},
		&ota.Inventory{Components: []ota.ComponentVersion{{ID: "-1+2", Type: ota.Module, Version: "1"}}})
	_, csv := s.call("GET", "/devices.csv", "")
	assert.Contains(t, csv, "gw,'-2,")
	assert.Contains(t, csv, ",'-1+2 1\n")
}

// TestEndOfOneDevice: a device that was removed for good does not keep its plan
// under way.
func TestEndOfOneDevice(t *testing.T) {
	s := start(t)
	must[api.Package](s, "POST", "/packages", packageFile(t, "A", "2"))
	must[api.PlanDetails](s, "POST", "/plans", planForm("p", ""))
	must[api.PlanDetails](s, "POST", "/plans/p/activate", "")
	s.asks("gone", "1")
	s.reports("p", "gone", ota.PlanReceived)
	s.says("gone", &ota.Decision{Plan: "p", Attempt: 1, Accept: true})
	s.reports("p", "gone", ota.UpgradeConfirmed, ota.ReadyToDownload)
	s.says("gone", &ota.Offline{})
	must[api.PlanDetails](s, "POST", "/plans/p/terminate", "")
	assert.Equal(t, 1, must[api.PlanDetails](s, "GET", "/plans/p", "").Devices.Upgrading, "it has accepted")

	d := must[api.DeviceDetails](s, "POST", "/plans/p/devices/gone/end", "")
	assert.Equal(t, "upgrade_failed", d.Status)
	assert.Equal(t, &api.FieldCause{Code: "plan_terminated", Detail: "the operator ended the plan for this device"},
		d.Components[0].Error)
	assert.Equal(
		t,
		[]api.Step{
			{"Start", "done"}, {"Confirm", "done"}, {"Download", "failed"}, {"Upgrading", "skipped"},
			{"Success/Fail", "failed"},
		},
		d.Components[0].Steps,
	)
	assert.Equal(t, "The operator ended the plan for this device", d.Log[len(d.Log)-1].Text)
	assert.Zero(t, must[api.PlanDetails](s, "GET", "/plans/p", "").Devices.Upgrading)
	assert.Contains(t, s.refused(409, "POST", "/plans/p/devices/gone/end", "").Detail, "its part is over")
	s.refused(404, "POST", "/plans/p/devices/nobody/end", "")
	s.refused(404, "POST", "/plans/q/devices/gone/end", "")
}

// TestFailureThatIsOver: after a retry that has succeeded, the failure is history in
// the table, the list and the details.
func TestFailureThatIsOver(t *testing.T) {
	s := start(t)
	must[api.Package](s, "POST", "/packages", packageFile(t, "A", "2"))
	must[api.PlanDetails](s, "POST", "/plans", planForm("p", ""))
	must[api.PlanDetails](s, "POST", "/plans/p/activate", "")
	s.upgrades("p", "gw-1", ota.UpgradeFailed)
	s.reports("p", "gw-1", ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading,
		ota.UpgradeSucceeded)
	d := must[api.DeviceDetails](s, "GET", "/plans/p/devices/gw-1", "")
	assert.Equal(t, "upgraded", d.Status)
	assert.Nil(t, d.Components[0].Error)
	assert.Equal(t, &api.Earlier{1, api.FieldCause{Code: "boot_failed", Detail: "no sign of life"}},
		d.Components[0].Earlier)
	row := must[api.Devices](s, "GET", "/plans/p/devices", "").Devices[0]
	assert.Empty(t, row.Failures)
	assert.Equal(t, []api.DeviceFailure{{"A", 1, api.FieldCause{Code: "boot_failed", Detail: "no sign of life"}}},
		row.Earlier)
	_, csv := s.call("GET", "/plans/p/devices.csv", "")
	assert.Regexp(t, `,Upgraded,Online,2,,A: boot_failed: no sign of life \(attempt 1\)\n$`, csv)
}
