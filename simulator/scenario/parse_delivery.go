package scenario

import (
	"errors"
	"slices"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
)

// readLists reads which fleets of the product the plan is for.
func readLists(m *yamlform.Map, p *Plan, s *Scenario) {
	var fleets []string
	for i := range s.Fleets {
		if f := &s.Fleets[i]; f.Product == p.Product && f.Name != "" {
			fleets = append(fleets, f.Name)
		}
	}
	known := func(name string) error {
		if len(fleets) == 0 || slices.Contains(fleets, name) {
			return nil
		}
		return errors.New("no fleet of this product is called " + name + yamlform.Suggest(name, fleets))
	}
	m.Texts("only", &p.Only, 1, MaxFleets, known)
	m.Texts("except", &p.Except, 1, MaxFleets, known)
	left := slices.ContainsFunc(s.Fleets, func(f Fleet) bool { return p.Covers(&f) })
	if len(fleets) > 0 && len(p.Except) > 0 && !left {
		m.Problemf("except", "leaves no fleet for which the plan is")
	}
}

// readPeriod reads when the plan is in effect.
func readPeriod(m *yamlform.Map, p *Plan, s *Scenario) {
	m.Duration("starts", &p.Starts, 0, MaxDuration)
	m.Duration("ends", &p.Ends, time.Second, MaxDuration)
	run := yamlform.FormatDuration(s.Duration)
	switch {
	case s.Duration == 0:
	case p.Starts >= s.Duration:
		m.Problemf("starts", "is when the run is over, after %s", run)
	case p.Ends >= s.Duration:
		m.Problemf("ends", "is when the run is over, after %s; remove it for a plan that outlasts the run", run)
	}
	if p.Ends > 0 && p.Ends <= p.Starts {
		m.Problemf("ends", "is not after the start of the plan, after %s", yamlform.FormatDuration(p.Starts))
	}
}

// readPush reads how the platform brings the plan to the devices. Only a silent
// plan is brought at all: a manual one waits for its user.
func readPush(m *yamlform.Map, p *Plan) {
	m.Bool("push", &p.Push)
	yamlform.Value(m, "window", &p.Window, parseWindow)
	m.Duration("rejection", &p.Rejection, ota.ShortestQuiet, ota.LongestQuiet)
	if p.Rejection%time.Minute != 0 {
		m.Problemf("rejection", "want whole minutes")
	}
	for _, key := range []string{"push", "window", "rejection"} {
		switch {
		case !m.Has(key):
		case p.Mode == ota.Manual:
			m.Problemf(key, "is for silent plans; a manual one waits for its user")
		case !p.Push && key != "push":
			m.Problemf(key, "is for plans that are pushed; this one waits until the device asks")
		}
	}
	if p.Mode == ota.Manual || !p.Push {
		p.Rejection = 0
	}
}

// readUsers reads who answers a manual plan.
func readUsers(m *yamlform.Map, p *Plan) {
	users := m.Map("users")
	var u Users
	yamlform.Value(users, "confirm", &u.Confirm, parsePercent)
	yamlform.Value(users, "cancel", &u.Cancel, parsePercent)
	yamlform.Value(users, "after", &u.After, ranged(0, MaxDuration, yamlform.ParseDuration))
	if !users.Given() {
		if p.Mode == ota.Manual {
			m.Warnf("mode", "no one answers this plan; give it users, of whom confirm: 0%% says that none does")
		}
		return
	}
	p.Users = &u
	switch {
	case p.Mode != ota.Manual:
		m.Problemf("users", "are for manual plans; a silent one asks no one")
	case !users.Has("confirm") && !users.Has("cancel"):
		m.Problemf("users", "do nothing; give confirm or cancel, each a share of the users")
	case u.Confirm+u.Cancel > 100:
		users.Problemf("cancel", "is more than is left: with confirm it makes %s of the users", u.Confirm+u.Cancel)
	}
}

func readConditions(m *yamlform.Map) Conditions {
	var c Conditions
	optionalInt(m, "min_battery", &c.MinBattery, 0, 100)
	optionalInt(m, "min_rssi", &c.MinRSSI, ota.LowestRSSI, 0)
	return c
}

// optionalInt reads a number whose absence means something.
func optionalInt(m *yamlform.Map, key string, dst **int, lo, hi int) {
	var n int
	m.Int(key, &n, lo, hi)
	if m.Has(key) {
		*dst = &n
	}
}
