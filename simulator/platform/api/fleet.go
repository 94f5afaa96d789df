package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// Fleet is one page of the devices that have connected.
type Fleet struct {
	Devices []FleetDevice `json:"devices"`
	Total   int           `json:"total"` // that the filters choose
	Offset  int           `json:"offset"`
	Limit   int           `json:"limit"`
}

// FleetDevice is a device that has connected.
type FleetDevice struct {
	Product string     `json:"product"`
	Key     string     `json:"key"`
	Gateway string     `json:"gateway"` // that speaks for it; empty for none
	Online  bool       `json:"online"`
	First   *time.Time `json:"first_contact"` // null if only an older version of the platform knows
	Last    *time.Time `json:"last_contact"`
	// Components are what it last said that it runs.
	Components []Installed `json:"components"`
}

// Installed is a component of a device.
type Installed struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Version string `json:"version"`
}

// maxSearch bounds a text that is searched for, in bytes.
const maxSearch = 100

// FleetFilterOf reads the filters, the order and the page of the list of devices
// from a query: product, key (the beginning of the device key), search, online, sort
// (key, first or last; with a - before it backwards), offset and limit.
func FleetFilterOf(query url.Values) (engine.FleetFilter, error) {
	f := engine.FleetFilter{
		Product: query.Get("product"), Prefix: query.Get("key"), Search: query.Get("search"), Limit: defaultLimit,
	}
	for _, text := range []struct {
		name, value string
		most        int
	}{{"product", f.Product, ota.MaxKey}, {"key", f.Prefix, ota.MaxKey}, {"search", f.Search, maxSearch}} {
		if len(text.value) > text.most {
			return f, Invalid(text.name, fmt.Sprintf("%s: at most %d characters", text.name, text.most))
		}
	}
	name, backwards := strings.CutPrefix(query.Get("sort"), "-")
	f.Sort, f.Backwards = engine.FleetOrder(name), backwards
	if name == "" && !backwards {
		f.Sort = engine.ByKey
	}
	if !f.Sort.Valid() {
		return f, Invalid("sort", "sort: want key, first or last, or -key, -first or -last")
	}
	var err error
	if f.Online, err = readOnline(query); err != nil {
		return f, err
	}
	return f, readPage(query, &f.Offset, &f.Limit)
}

func (a *API) listFleet(w http.ResponseWriter, r *http.Request) error {
	f, err := FleetFilterOf(r.URL.Query())
	if err != nil {
		return err
	}
	page := Fleet{Devices: []FleetDevice{}, Offset: f.Offset, Limit: f.Limit}
	var rows []engine.FleetRow
	a.platform.View(func(e *engine.Engine) { rows, page.Total = e.Fleet(f) })
	for i := range rows {
		page.Devices = append(page.Devices, fleetDeviceOf(&rows[i]))
	}
	return reply(w, http.StatusOK, page)
}

func fleetDeviceOf(r *engine.FleetRow) FleetDevice {
	d := FleetDevice{
		Product: r.Product, Key: r.Key, Gateway: r.Via, Online: r.Online,
		First: moment(r.First), Last: moment(r.Last), Components: []Installed{},
	}
	for _, c := range r.Components {
		d.Components = append(d.Components, Installed{c.ID, string(c.Type), c.Version})
	}
	return d
}

// exportFleet writes every device that the filters choose, without their pages.
func (a *API) exportFleet(w http.ResponseWriter, r *http.Request) error {
	f, err := FleetFilterOf(r.URL.Query())
	if err != nil {
		return err
	}
	f.Offset, f.Limit = 0, 0
	var rows []engine.FleetRow
	a.platform.View(func(e *engine.Engine) { rows, _ = e.Fleet(f) })
	table := newTable(w, "devices.csv", "ProductKey", "DeviceKey", "Gateway", "Device online status", "First contact",
		"Last contact", "Components")
	for i := range rows {
		r := &rows[i]
		table.row(r.Product, r.Key, r.Via, onlineName(r.Online), second(r.First), second(r.Last), VersionsText(r.Components))
	}
	table.end()
	return nil
}

// VersionsText lists components with their versions in one line.
func VersionsText(all []ota.ComponentVersion) string {
	var parts []string
	for _, c := range all {
		parts = append(parts, c.ID+" "+c.Version)
	}
	return strings.Join(parts, "; ")
}
