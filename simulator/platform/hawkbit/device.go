package hawkbit

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
)

// maxDevices bounds what anybody can have remembered here.
const maxDevices = 1 << 20

// What a device's attributes mean to the platform.
const (
	productAttribute = "product"
	versionAttribute = "version." // and the id of a component
)

// unansweredPolls is how many polls a device may leave the wish for its attributes unanswered
// before it counts as one that has none, as swupdate without an identity in its
// configuration.
const unansweredPolls = 2

// unknownVersion is what a device runs that says nothing of its versions.
const unknownVersion = "unknown"

// device is what is remembered of a device. None of it is missed after a restart.
type device struct {
	key string

	mu         sync.Mutex // guards the following, and one request at a time
	id         ota.Identity
	attributes map[string]string // nil before it has sent them
	ask        bool              // they are wanted
	asked      int               // polls that have said so
	online     bool
	seen       time.Time
	refused    string // the action whose cancellation it has refused
	action     string // the one that entries counts
	entries    int
}

// identify finds out which device of the platform it is; false if it must tell first.
func (d *device) identify(e *engine.Engine) bool {
	if d.id == (ota.Identity{}) {
		if id, known := e.Home(d.key); known {
			d.id = id
		}
	}
	return d.id != (ota.Identity{})
}

// tell takes attributes.
func (d *device) tell(known map[string]string, otherwise string) error {
	product := known[productAttribute]
	if product == "" {
		product = otherwise
	}
	if !ota.ValidKey(product) {
		return badBody("the attribute product: want 1 to 64 characters of [A-Za-z0-9_-]")
	}
	d.attributes, d.ask, d.asked = known, false, 0
	d.id = ota.Identity{Product: product, Device: d.key}
	return nil
}

// visit is the device's contact with the platform: it says what it runs, and asks for
// a plan unless it has one.
func (d *device) visit(t *platform.Talk) (engine.Assignment, bool) {
	d.seen = t.Now
	if !d.identify(t.Engine()) {
		return engine.Assignment{}, false
	}
	is, shown := t.Engine().Assigned(t.Now, d.id)
	settled := shown && is.State != engine.AwaitingUser
	if settled && d.online {
		t.Hear(d.id, &ota.Progress{Plan: is.Plan}) // it is there
		return is, true
	}
	d.online = true
	inventory := &ota.Inventory{
		Time:       t.Now,
		Agent:      d.attributes["agent"],
		Request:    !settled,
		Components: d.components(t.Engine()),
	}
	if settled && is.Accepted {
		inventory.Running = &ota.Running{Plan: is.Plan, Attempt: is.Attempt, Seq: is.Seq}
	}
	t.Hear(d.id, inventory)
	return t.Engine().Assigned(t.Now, d.id)
}

// refresh says what the device runs, because that may have changed.
func (d *device) refresh(t *platform.Talk) {
	d.online = false
	d.visit(t)
}

// components are what the device runs: as its attributes say; if they say nothing of
// versions, everything that there are packages of, in the version that it was last
// known to run.
func (d *device) components(e *engine.Engine) []ota.ComponentVersion {
	known, _ := e.Versions(d.id)
	kinds := offered(e, d.id.Product)
	var all []ota.ComponentVersion
	for _, key := range slices.Sorted(maps.Keys(d.attributes)) {
		id, is := strings.CutPrefix(key, versionAttribute)
		if version := d.attributes[key]; is && ota.ValidComponentID(id) && ota.ValidVersion(version) {
			for _, kind := range kindsOf(kinds, id) {
				all = append(all, ota.ComponentVersion{ID: id, Type: kind, Version: version})
			}
		}
	}
	if all == nil {
		all = slices.Clone(known)
		for _, k := range kinds {
			same := func(c ota.ComponentVersion) bool { return c.ID == k.ID && c.Type == k.Type }
			if d.attributes != nil && !slices.ContainsFunc(all, same) {
				all = append(all, ota.ComponentVersion{ID: k.ID, Type: k.Type, Version: unknownVersion})
			}
		}
	}
	return all[:min(len(all), ota.MaxInventory)]
}

// offered lists the components that there are packages of for a product. hawkBit does
// not say of which type a device's component is.
func offered(e *engine.Engine, product string) []ota.ComponentVersion {
	var all []ota.ComponentVersion
	for _, p := range e.Packages() {
		c := ota.ComponentVersion{ID: p.Component, Type: p.Type}
		if p.Product == product && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

func kindsOf(offered []ota.ComponentVersion, id string) []ota.ComponentType {
	var kinds []ota.ComponentType
	for _, c := range offered {
		if c.ID == id {
			kinds = append(kinds, c.Type)
		}
	}
	if kinds == nil {
		return []ota.ComponentType{ota.Module}
	}
	return kinds
}

// learn keeps the versions that reports name, which attributes follow late, if ever.
func (d *device) learn(messages []ota.Up) {
	for _, m := range messages {
		r, is := m.(*ota.Report)
		if !is || r.Version == "" {
			continue
		}
		if _, known := d.attributes[versionAttribute+r.Component]; known {
			d.attributes[versionAttribute+r.Component] = r.Version
		}
		d.ask = d.ask || r.Status == ota.UpgradeSucceeded
	}
}
