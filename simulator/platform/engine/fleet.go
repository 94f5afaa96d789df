package engine

import (
	"slices"
	"strings"
	"time"

	"otafleet/internal/ota"
)

// meet notes that a device has been heard of. What ends its session is no contact.
func (e *Engine) meet(d *device, m ota.Up) {
	if _, gone := m.(*ota.Offline); gone || m == nil {
		return
	}
	d.last = secondOf(e.now)
	if d.met() {
		return
	}
	d.first = d.last
	fact := Appeared{Device: d.identity()}
	if in, is := m.(*ota.Inventory); is {
		fact.Via, fact.Components = in.Via, in.Components
	}
	e.emit(fact)
}

// met reports whether a device has ever been heard of. A record of an older version
// tells by the versions alone.
func (d *device) met() bool { return d.first != 0 || len(d.components) > 0 }

// order gives the product's devices by their keys. Those that are new are sorted
// in when a view is asked for.
func (p *product) order() []*device {
	if len(p.ordered) == len(p.devices) {
		return p.ordered
	}
	byKey := func(a, b *device) int { return ota.CompareKeys(a.key, b.key) }
	fresh := slices.SortedFunc(slices.Values(p.devices[len(p.ordered):]), byKey)
	known := p.ordered
	p.ordered = make([]*device, 0, len(p.devices))
	for len(known) > 0 && len(fresh) > 0 {
		from := &known
		if byKey(fresh[0], known[0]) < 0 {
			from = &fresh
		}
		p.ordered = append(p.ordered, (*from)[0])
		*from = (*from)[1:]
	}
	p.ordered = append(append(p.ordered, known...), fresh...)
	return p.ordered
}

// FleetRow is one line of the list of devices that have connected.
type FleetRow struct {
	Product, Key string
	Via          string // the gateway that speaks for it; empty for none
	Beneath      bool   // it stands beneath the row of its gateway, or would without the filter
	Online       bool
	First, Last  time.Time // when it was first and last heard of, to the second; zero if only an older version knows
	Components   []ota.ComponentVersion
}

// FleetOrder is what the list is sorted by.
type FleetOrder string

// The orders. Devices behind a gateway stand beneath it in each of them, in the same
// order among themselves.
const (
	ByKey   FleetOrder = "key" // product and key
	ByFirst FleetOrder = "first"
	ByLast  FleetOrder = "last"
)

// Valid reports whether o is one of the three.
func (o FleetOrder) Valid() bool { return o == ByKey || o == ByFirst || o == ByLast }

// FleetFilter chooses rows and sorts them. The zero value chooses all, by key.
type FleetFilter struct {
	Product       string // empty for any
	Prefix        string // of the device key
	Search        string // stands in the key, the gateway's key or a version; without regard to case
	Online        *bool  // nil for both
	Sort          FleetOrder
	Backwards     bool
	Offset, Limit int // of the rows chosen; a limit of 0 means all
}

// Fleet lists the devices that have been heard of, and says how many the filter
// chooses without its limit.
func (e *Engine) Fleet(f FleetFilter) (rows []FleetRow, chosen int) {
	search := strings.ToLower(f.Search)
	show := func(d *device, beneath bool) {
		if !f.admits(d, search) {
			return
		}
		if chosen >= f.Offset && (f.Limit <= 0 || len(rows) < f.Limit) {
			rows = append(rows, d.fleetRow(beneath))
		}
		chosen++
	}
	for _, g := range e.families(f) {
		show(g.head, false)
		for _, d := range g.behind {
			show(d, true)
		}
	}
	return rows, chosen
}

func (f *FleetFilter) admits(d *device, search string) bool {
	if f.Product != "" && f.Product != d.product.key || !strings.HasPrefix(d.key, f.Prefix) ||
		f.Online != nil && *f.Online != d.online {
		return false
	}
	if search == "" || strings.Contains(strings.ToLower(d.key), search) ||
		strings.Contains(strings.ToLower(d.via), search) {
		return true
	}
	return slices.ContainsFunc(d.components,
		func(c installed) bool { return strings.Contains(strings.ToLower(c.version), search) })
}

func (d *device) fleetRow(beneath bool) FleetRow {
	return FleetRow{Product: d.product.key, Key: d.key, Via: d.via, Beneath: beneath, Online: d.online,
		First: d.first.time(), Last: d.last.time(), Components: d.versions()}
}

func (d *device) versions() []ota.ComponentVersion {
	versions := make([]ota.ComponentVersion, 0, len(d.components))
	for _, c := range d.components {
		versions = append(versions, ota.ComponentVersion{ID: c.id, Type: c.kind, Version: c.version})
	}
	return versions
}

// family is a device that speaks for itself, and those that it speaks for.
type family struct {
	head   *device
	behind []*device
}

// families gives the devices that have been heard of in the filter's order. A page shows
// few of them, so that little is made for each: those behind gateways share one array.
func (e *Engine) families(f FleetFilter) []family {
	var heads, behind []*device
	for _, p := range e.productsByKey() {
		for _, d := range p.order() {
			switch {
			case !d.met():
			case d.via != "":
				behind = append(behind, d)
			default:
				heads = append(heads, d)
			}
		}
	}
	all, at := make([]family, len(heads)), make(map[*device]*family, len(heads))
	for i, d := range heads {
		all[i].head = d
		at[d] = &all[i]
	}
	of, sizes := e.gatewaysOf(behind), make(map[*family]int, len(heads))
	for _, g := range of {
		sizes[at[g]]++
	}
	room := make([]*device, len(behind))
	var orphans []family
	for i, d := range behind {
		g := at[of[i]]
		switch {
		case g == nil: // its gateway has said nothing itself
			orphans = append(orphans, family{head: d})
			continue
		case g.behind == nil:
			g.behind, room = room[:0:sizes[g]], room[sizes[g]:]
		}
		g.behind = append(g.behind, d)
	}
	all = append(all, orphans...)
	f.sort(all, len(orphans) > 0)
	return all
}

// gatewaysOf finds the gateway of each device; nil for one that is not known. Those behind
// one gateway mostly follow each other.
func (e *Engine) gatewaysOf(behind []*device) []*device {
	all := make([]*device, len(behind))
	for i, d := range behind {
		if i > 0 && d.via == behind[i-1].via && d.product == behind[i-1].product {
			all[i] = all[i-1]
		} else {
			all[i] = e.gatewayOf(d)
		}
	}
	return all
}

// sort puts families, which come by key, into the filter's order. mixed says that some
// devices follow whose gateway is not known.
func (f *FleetFilter) sort(all []family, mixed bool) {
	byKey := func(a, b *device) int {
		if order := strings.Compare(a.product.key, b.product.key); order != 0 {
			return order
		}
		return ota.CompareKeys(a.key, b.key)
	}
	compare := byKey
	switch f.Sort {
	case ByFirst:
		compare = func(a, b *device) int { return int(int64(a.first) - int64(b.first)) }
	case ByLast:
		compare = func(a, b *device) int { return int(int64(a.last) - int64(b.last)) }
	default:
		if !mixed && !f.Backwards {
			return
		}
	}
	if f.Backwards {
		forwards := compare
		compare = func(a, b *device) int { return forwards(b, a) }
	}
	slices.SortStableFunc(all, func(a, b family) int { return compare(a.head, b.head) })
	for _, g := range all {
		slices.SortStableFunc(g.behind, compare)
	}
}

func (e *Engine) productsByKey() []*product {
	all := make([]*product, 0, len(e.products))
	for _, p := range e.products {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *product) int { return strings.Compare(a.key, b.key) })
	return all
}

// gatewayOf finds the gateway of a device behind one: of its own product, else of
// another one, since a message names it by its key alone. Nil if none is known.
func (e *Engine) gatewayOf(d *device) *device {
	if g := d.product.byKey[d.via]; g != nil && g.via == "" {
		return g
	}
	for _, p := range e.productsByKey() {
		if g := p.byKey[d.via]; g != nil && g.via == "" && g.met() {
			return g
		}
	}
	return nil
}
