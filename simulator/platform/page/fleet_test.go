package page_test

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

// rowKeys are the devices of a table, in its order.
func rowKeys(text string) string {
	var keys []string
	for _, m := range regexp.MustCompile(`<tr data-device="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		keys = append(keys, m[1])
	}
	return strings.Join(keys, " ")
}

func (s *site) connects(product, key, via, version string) {
	s.platform.Hear(ota.Identity{Product: product, Device: key}, &ota.Inventory{Via: via,
		Components: []ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: version}}})
}

// TestFleet goes through the list of devices as a browser without a script does.
func TestFleet(t *testing.T) {
	s := open(t, "")
	_, text := s.get("/devices")
	assert.Contains(t, text, "No device has connected yet.")
	for n := range 12 {
		s.connects("gw", fmt.Sprintf("dev-%d", 12-n), "", "1")
	}
	s.connects("valve", "valve-1", "dev-2", "7")
	s.platform.Hear(ota.Identity{Product: "gw", Device: "dev-3"}, &ota.Offline{})
	_, text = s.get("/devices?limit=5")
	assert.Equal(t, "dev-1 dev-2 valve-1 dev-3 dev-4", rowKeys(text))
	assert.Contains(t, text, `<tr data-device="valve-1" class="beneath">`)
	assert.Contains(t, text, `1–5 of <b id="chosen">13</b> devices`)
	text = s.turn(text, "/devices", "next")
	assert.Equal(t, "dev-5 dev-6 dev-7 dev-8 dev-9", rowKeys(text))
	text = s.turn(text, "/devices", "next")
	assert.Equal(t, "dev-10 dev-11 dev-12", rowKeys(text))
	assert.NotContains(t, text, `rel="next"`)
	assert.Equal(t, "dev-5 dev-6 dev-7 dev-8 dev-9", rowKeys(s.turn(text, "/devices", "prev")))
	_, text = s.get("/devices?sort=-key")
	assert.Equal(t, "dev-12 dev-11 dev-10 dev-9 dev-8 dev-7 dev-6 dev-5 dev-4 dev-3 dev-2 valve-1 dev-1", rowKeys(text))
	assert.Contains(t, text, `aria-sort="descending"`)
	for query, want := range map[string]string{"search=VALVE": "valve-1", "online=false": "dev-3", "search=nothing": "",
		"product=valve": "valve-1"} {
		_, text = s.get("/devices?" + query)
		assert.Equal(t, want, rowKeys(text), query)
	}
	_, text = s.get("/devices?search=nothing")
	assert.Contains(t, text, "No device fits these filters.")
	status, _ := s.get("/devices?sort=size")
	assert.Equal(t, 422, status)
}

// turn follows a page's way to the page before or after.
func (s *site) turn(text, path, way string) string {
	s.t.Helper()
	link := regexp.MustCompile(`rel="` + way + `" href="\?([^#]*)#`).FindStringSubmatch(text)
	require.NotNil(s.t, link)
	_, text = s.get(path + "?" + html.UnescapeString(link[1]))
	return text
}

// TestMonitoringTurnsPages with its filters, and exports by them.
func TestMonitoringTurnsPages(t *testing.T) {
	s := open(t, "")
	s.upload("x")
	s.post("/new-plan", fields("Spring", s.packageID())...)
	s.post("/plans/spring/order", "order", "activate")
	for n := range 5 {
		s.connects("gw", fmt.Sprintf("dev-%d", n), "", "1")
	}
	s.connects("gw", "dev-99", "", "2")
	const path = "/plans/spring/monitoring"
	_, text := s.get(path + "?limit=2&status=not_upgraded&key=dev-")
	assert.Equal(t, "dev-0 dev-1", rowKeys(text))
	text = s.turn(text, path, "next")
	assert.Equal(t, "dev-2 dev-3", rowKeys(text))
	text = s.turn(text, path, "next")
	assert.Equal(t, "dev-4", rowKeys(text))
	assert.Equal(t, "dev-2 dev-3", rowKeys(s.turn(text, path, "prev")))
	export := regexp.MustCompile(`href="(/api/[^"]*)"`).FindStringSubmatch(text)
	_, csv := s.get(html.UnescapeString(export[1]))
	assert.Equal(t, 6, strings.Count(csv, "\n"), csv)
}

// TestEndForOneDevice ends a device's part of a plan, and its details show only
// what has happened.
func TestEndForOneDevice(t *testing.T) {
	s := open(t, "")
	s.upload("x")
	s.post("/new-plan", fields("Spring", s.packageID())...)
	s.post("/plans/spring/order", "order", "activate")
	s.connects("gw", "gw-1", "", "1")
	_, text := s.get("/plans/spring/devices/gw-1")
	assert.Contains(t, text, "End for this device")
	status, text := s.post("/plans/spring/devices/gw-1/end")
	require.Equal(t, 200, status)
	assert.Contains(t, text, "the operator ended the plan for this device")
	assert.Contains(t, text, "The operator ended the plan for this device", "the log")
	assert.NotContains(t, text, "End for this device")
	assert.Equal(t, 4, strings.Count(text, `<li class="skipped">`))
	assert.NotContains(t, text, `<li class="done">`)
	status, text = s.post("/plans/spring/devices/gw-1/end")
	assert.Equal(t, 409, status)
	assert.Contains(t, text, "its part is over")
}

// TestEarlierFailure: what has failed and was tried again with success is shown as
// what it is.
func TestEarlierFailure(t *testing.T) {
	s := open(t, "")
	s.upload("x")
	form := fields("Spring", s.packageID())
	form[slices.Index(form, "retries")+1] = "1"
	s.post("/new-plan", form...)
	s.post("/plans/spring/order", "order", "activate")
	s.fails("gw-1")
	_, text := s.get("/plans/spring/devices/gw-1")
	assert.Contains(t, text, `<p class="error"><b>boot_failed</b>`)
	s.connects("gw", "gw-1", "", "2") // it has come to its target all the same
	_, text = s.get("/plans/spring/devices/gw-1")
	if assert.NotContains(t, text, `class="error"`) {
		assert.Contains(t, text, `Earlier failure, attempt 1: <b>boot_failed</b>`)
	}
}
