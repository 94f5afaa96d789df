package main

import (
	"fmt"
	"os"
	"slices"
)

// study measures what some work costs at each of its sizes: as a whole, or its parts.
type study struct {
	name, unit string
	sizes      []int
	measure    func(s *site, units int) (cost, error)
	parts      []string // each a row of its own; nil for one row
	measureAll func(s *site, units int) ([]cost, error)
}

// rows makes the study at some sizes.
func (t *study) rows(s *site, sizes []int) ([]row, error) {
	rows := []row{{name: t.name, unit: t.unit, sizes: sizes}}
	for _, part := range t.parts {
		rows = append(rows, row{name: part, unit: t.unit, sizes: sizes})
	}
	for _, n := range sizes {
		costs, err := t.at(s, n)
		if err != nil {
			return nil, fmt.Errorf("%s, %d: %w", t.name, n, err)
		}
		for i, c := range costs {
			rows[i].costs = append(rows[i].costs, c)
			fmt.Fprintf(os.Stderr, "%s, %d: %.4f s, %.1f MiB\n", rows[i].name, n, c.cpu, c.memory)
		}
	}
	return rows, nil
}

func (t *study) at(s *site, n int) ([]cost, error) {
	if t.measureAll != nil {
		return t.measureAll(s, n)
	}
	c, err := t.measure(s, n)
	return []cost{c}, err
}

// studies are all that there are.
func studies() []study {
	devices := []int{1, 10, 100, 1000, 10_000}
	more := append(slices.Clone(devices), 100_000)
	few, many := []int{1, 2, 5, 10, 20}, []int{1, 3, 10, 30, 100}
	mib := []int{1, 4, 16, 64, 256}
	all := []study{
		virtual("virtual devices", "device", more, func(n int) scene { return scene{devices: n, components: 2} }),
		virtual("components of 5,000 virtual devices", "component", few,
			func(n int) scene { return scene{devices: 5000, components: n} }),
		virtual("plans, one after the other, of 5,000 virtual devices", "plan", many,
			func(n int) scene { return scene{devices: 5000, plans: n, hours: 100} }),
		virtual("image of 200 virtual devices", "MiB", many, func(n int) scene { return scene{devices: 200, mib: n} }),
		virtual("fleets of 20,000 virtual devices", "fleet", many,
			func(n int) scene { return scene{devices: 20_000, fleets: n} }),
		virtual("faults of 5,000 virtual devices", "fault", many,
			func(n int) scene { return scene{devices: 5000, faults: n} }),
		virtual("rules of 5,000 virtual devices", "rule", many, func(n int) scene { return scene{devices: 5000, rules: n} }),
		overSockets("real devices", "device", devices, func(n int) scene { return scene{devices: n, components: 2} }),
		overSockets("components of 50 real devices", "component", few,
			func(n int) scene { return scene{devices: 50, components: n} }),
		overSockets("image of 10 real devices", "MiB", many, func(n int) scene { return scene{devices: 10, mib: n} }),
		{name: "validate: fleets, plans, faults and rules, each", unit: "set", sizes: many, measure: (*site).validate},
		{name: "validate: devices of a file", unit: "device", sizes: more, measure: (*site).validateListed},
		{name: "report: devices", unit: "device", sizes: more, measure: (*site).report},
		{name: "merge: devices in 4 shards", unit: "device", sizes: more[1:],
			measure: func(s *site, n int) (cost, error) { return s.merge(n, 4) }},
		{name: "merge: shards of 2,000 devices", unit: "shard", sizes: []int{2, 8, 32, 128},
			measure: func(s *site, n int) (cost, error) { return s.merge(2000, n) }},
		{name: "compare: devices of two runs", unit: "device", sizes: more, measure: (*site).comparePair},
		{name: "compare: runs of 1,000 devices", unit: "run", sizes: []int{2, 4, 8, 16, 32}, measure: (*site).compare},
		{name: "pack: image", unit: "MiB", sizes: mib, measure: (*site).pack},
		{name: "ota-agent: image", unit: "MiB", sizes: mib, measure: (*site).agentImage},
		{name: "ota-agent: 200 plans of a size", unit: "KiB", sizes: []int{1, 4, 16, 64, 256, 1000},
			measure: (*site).planMessages},
		{name: "platform: devices that a plan names", unit: "device", sizes: more[2:], measure: (*site).listing},
	}
	pages := study{name: "platform: devices that it knows when it starts", unit: "device", sizes: more[2:],
		measureAll: (*site).platform}
	for _, p := range pagesOf(1) {
		pages.parts = append(pages.parts, "platform: "+p.name)
	}
	return append(all, pages)
}

// virtual is a study of scenes in virtual time.
func virtual(name, unit string, sizes []int, of func(int) scene) study {
	return study{name: name, unit: unit, sizes: sizes,
		measure: func(s *site, n int) (cost, error) { return s.scene(of(n), "--virtual") }}
}

// overSockets is a study of scenes in the real world. At a broker that keeps sessions the
// devices of each size are others.
func overSockets(name, unit string, sizes []int, of func(int) scene) study {
	return study{name: name, unit: unit, sizes: sizes, measure: func(s *site, n int) (cost, error) {
		if s.broker == "" {
			return s.scene(of(n))
		}
		return s.scene(of(n), "--broker", s.broker, "--fake-platform", "--key-prefix", fmt.Sprintf("%s%d-", unit, n))
	}}
}
