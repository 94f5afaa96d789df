package page

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"

	"otafleet/simulator/platform/api"
	"otafleet/simulator/platform/engine"
)

// fleetPage lists the devices that have connected.
type fleetPage struct {
	Search, Online string
	Sort           string
	Heads          []sortHead
	Rows           []engine.FleetRow
	Filtered       bool
	pager
	Export template.URL // query of the table
}

// sortHead is the head of a column by which the list can be sorted.
type sortHead struct {
	Name  string
	Query template.URL // that sorts by it; the other way round if the list is so already
	State string       // ascending, descending or none
}

func (h *handler) showFleet(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	filter, err := api.FleetFilterOf(query)
	if err != nil {
		return err
	}
	p := fleetPage{Search: filter.Search, Online: query.Get("online"), Sort: query.Get("sort")}
	p.Filtered = filter.Search != "" || filter.Prefix != "" || filter.Product != "" || filter.Online != nil
	kept := url.Values{}
	for _, name := range []string{"product", "key", "search", "online", "sort"} {
		if value := query.Get(name); value != "" {
			kept.Set(name, value)
		}
	}
	p.Export = queryOf(kept)
	h.platform.View(func(e *engine.Engine) { p.Rows, p.Total = e.Fleet(filter) })
	p.turn(kept, filter.Offset, filter.Limit, len(p.Rows))
	for _, c := range []struct {
		name string
		by   engine.FleetOrder
	}{{"DeviceKey", engine.ByKey}, {"First contact (UTC)", engine.ByFirst}, {"Last contact (UTC)", engine.ByLast}} {
		p.Heads = append(p.Heads, headOf(c.name, c.by, filter, kept))
	}
	return h.show(w, http.StatusOK, "fleet", view{Title: "Devices", Here: "fleet", Events: "kind=plan", Data: p})
}

func headOf(name string, by engine.FleetOrder, f engine.FleetFilter, kept url.Values) sortHead {
	head, next := sortHead{Name: name, State: "none"}, string(by)
	switch {
	case f.Sort == by && f.Backwards:
		head.State = "descending"
	case f.Sort == by:
		head.State, next = "ascending", "-"+next
	}
	query := url.Values{}
	for key, values := range kept {
		query[key] = values
	}
	query.Set("sort", next)
	head.Query = queryOf(query)
	return head
}

// pager says which rows of a table a page shows, and leads to the others.
type pager struct {
	Total  int // that the filters choose
	First  int // number of the first row, from 1
	Last   int
	Before template.URL // query of the page before; empty for none
	After  template.URL
}

// queryOf is a query for a link: it is escaped already, and templates leave it so.
func queryOf(values url.Values) template.URL { return template.URL(values.Encode()) } //nolint:gosec // Encode escapes

// turn finds the ways to the pages before and after one of so many rows. The query
// is that of the filters.
func (p *pager) turn(query url.Values, offset, limit, rows int) {
	p.First, p.Last = offset+1, offset+rows
	query.Set("limit", strconv.Itoa(limit))
	at := func(offset int) template.URL {
		query.Set("offset", strconv.Itoa(offset))
		return queryOf(query)
	}
	if offset > 0 {
		p.Before = at(max(0, offset-limit))
	}
	if p.Last < p.Total && rows > 0 {
		p.After = at(offset + limit)
	}
	query.Del("limit")
	query.Del("offset")
}
