package differ_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
)

// dice draws a scenario. Everything that it draws is small and short.
type dice struct {
	*rand.Rand
	products map[string][]object // the components of a product's devices
	fleets   []fleetDrawn
	plans    []string
	asks     bool // some plan has conditions
}

// fleetDrawn is what the rest of a scenario has to know of a fleet.
type fleetDrawn struct {
	name, product string
	behind        bool
}

// draw is the scenario of a seed: the first of those that its dice give which is
// valid.
func draw(seed uint64) (object, *scenario.Scenario) {
	for try := uint64(0); ; try++ {
		d := &dice{Rand: rand.New(rand.NewPCG(seed, try)), products: map[string][]object{}}
		doc := d.scenario(seed)
		if s, err := doc.parse(); err == nil && model.Native.Check(s) == nil {
			return doc, s
		}
	}
}

// one is true once in n times.
func (d *dice) one(n int) bool { return d.IntN(n) == 0 }

// of gives one of some things.
func of[T any](d *dice, some ...T) T { return some[d.IntN(len(some))] }

// ms is a time of so many milliseconds at most.
func (d *dice) ms(most int) string { return fmt.Sprintf("%dms", 1+d.IntN(most)) }

// few is a whole number that is mostly small.
func (d *dice) few(most int) int { return 1 + min(d.IntN(most), d.IntN(most)) }

func (d *dice) scenario(seed uint64) object {
	doc := object{{"scenario", fmt.Sprint("differ-", seed)}, {"seed", fmt.Sprint(seed)}, {"duration", duration.String()}}
	var fleets, plans, events, faults []object
	for i := range d.few(3) {
		fleets = append(fleets, d.fleet(i))
	}
	for i := range d.few(3) {
		plans = append(plans, d.plan(i))
	}
	for range d.IntN(3) * d.IntN(2) {
		events = append(events, d.event()...)
	}
	for i := range d.IntN(5) {
		faults = append(faults, d.fault(i))
	}
	doc.add("fleet", fleets)
	for _, list := range []entry{{"plans", plans}, {"events", events}, {"faults", faults}} {
		if len(list.value.([]object)) > 0 {
			doc = append(doc, list)
		}
	}
	return doc
}

// duration is that of every scenario: much longer than anything that is drawn takes.
const duration = 30 * time.Second

func (d *dice) fleet(i int) object {
	f := fleetDrawn{name: string(rune('a' + i)), product: of(d, "gw", "gw", "pump")}
	if i > 0 && !d.fleets[0].behind && d.one(3) {
		f.behind = true
	}
	o := object{{"name", f.name}, {"count", fmt.Sprint(d.few(3))}, {"product", f.product}}
	if d.one(4) {
		o.add("hardware", of(d, "r1", "r2"))
	}
	if f.behind {
		o.add("behind", "a")
	}
	o.add("components", d.components(f.product))
	if d.one(3) {
		o.add("battery", fmt.Sprintf("%d..%d", 10*d.IntN(5), 50+10*d.IntN(5)))
	}
	if d.one(3) {
		o.add("rssi", fmt.Sprintf("-%d..-%d", 80+d.IntN(40), 50+d.IntN(30)))
	}
	if !f.behind {
		if d.one(3) {
			o.add("link", d.link())
		}
		if d.one(3) {
			o.add("arrive", of(d, object{{"after", d.ms(500)}}, object{{"over", d.ms(500)}},
				object{{"rate", fmt.Sprint(5+d.IntN(20), "/s")}}))
		}
	}
	install := object{{"time", of(d, "0", d.ms(100), "10ms..300ms")}}
	if d.one(2) {
		install.add("restart", of(d, "none", "process", "process", "system"))
	}
	o.add("install", install)
	d.fleets = append(d.fleets, f)
	return o
}

// components are those of a device. All of a product have the same ids and types, and
// run versions that plans know.
func (d *dice) components(product string) []object {
	if d.products[product] == nil {
		for i := range d.few(3) {
			d.products[product] = append(d.products[product],
				object{{"id", string("xyz"[i])}, {"type", of(d, "module", "module", "mcu")}})
		}
	}
	var all []object
	for i, c := range d.products[product] {
		if i > 0 && d.one(6) {
			continue
		}
		c = append(object{}, c...)
		c.add("version", of(d, `"1"`, `"1"`, `"1"`, `"2"`, `"0"`))
		if d.one(4) {
			c.add("release", fmt.Sprint(d.few(4)))
		}
		all = append(all, c)
	}
	return all
}

func (d *dice) link() object {
	var o object
	if d.one(2) {
		o.add("bandwidth", fmt.Sprintf("%dKiB/s", 20+d.IntN(100)))
	}
	if d.one(2) {
		o.add("latency", fmt.Sprintf("%dms", 5+d.IntN(20)))
		o.add("jitter", fmt.Sprintf("%dms", d.IntN(5)))
	}
	if d.one(4) {
		o.add("loss", fmt.Sprintf("%d%%", 1+d.IntN(10)))
	}
	return o
}

func (d *dice) plan(i int) object {
	name := fmt.Sprint("p", i+1)
	product := of(d, d.fleets...).product
	o := object{{"name", name}, {"product", product}}
	if d.one(5) {
		o.add(of(d, "only", "except"), "["+of(d, d.fleets...).name+"]")
	}
	o.add("components", d.packages(product))
	switch d.IntN(16) {
	case 0, 1, 2, 3:
		o.add("mode", "manual")
		o.add("users", object{{"confirm", fmt.Sprintf("%d%%", 50*d.IntN(3))}, {"after", of(d, "0", d.ms(500))}})
	case 4, 5, 6:
		o.add("push", "false")
	case 7, 8:
		o.add("window", of(d, "0-1", "23-2", "5-6", "1-5"))
	}
	if d.one(4) {
		o.add("starts", d.ms(1000))
	}
	if d.one(8) {
		o.add("ends", fmt.Sprint(1+d.IntN(6), "s"))
	}
	if d.one(3) {
		d.asks = true
		o.add("conditions", object{{"min_battery", fmt.Sprint(d.IntN(60))}, {"min_rssi", fmt.Sprint(-60 - d.IntN(50))}})
	}
	o.add("retries", fmt.Sprint(of(d, 0, 0, 1, 2, 5)))
	o.add("on_failure", of(d, "stop", "continue", "revert"))
	d.plans = append(d.plans, name)
	return o
}

// packages are the components of a plan, in any order.
func (d *dice) packages(product string) []object {
	var all []object
	has := d.products[product]
	for _, i := range d.Perm(len(has))[:d.few(len(has))] {
		o := object{has[i][0]}
		if d.one(4) {
			o.add("package", "delta")
			o.add("sources", of(d, `["1"]`, `["1"]`, `["0"]`))
		} else {
			o.add("package", "full")
			if d.one(3) {
				o.add("sources", of(d, `["1"]`, `["1", "0"]`, `["0"]`))
			}
		}
		o.add("target", of(d, `"2"`, `"2"`, `"2"`, `"3"`, `x/../2`, `"1"`))
		o.add("size", of(d, fmt.Sprint(1+d.IntN(600)), fmt.Sprintf("%dKiB", 1+d.IntN(20)), fmt.Sprint(1000+d.IntN(9000))))
		if d.one(3) {
			o.add("encoding", "zstd")
		}
		o.add("chunk", of(d, "512", "1KiB", "1000", "4KiB"))
		if d.one(5) {
			o.add("hardware", of(d, "[r1]", "[r1, r2]"))
		}
		if d.one(4) {
			o.add("release", fmt.Sprint(d.few(5)))
		}
		if d.one(8) {
			o.add("allow_downgrade", "true")
		}
		all = append(all, o)
	}
	return all
}

// event is something that happens, and what must come before it.
func (d *dice) event() []object {
	row := of(d, scenario.Actions()...)
	o := object{{"at", of(d, "0", d.ms(300), d.ms(2000), fmt.Sprint(2+d.IntN(5), "s"))}, {"do", string(row.Action)}}
	for _, param := range row.Needs {
		switch param {
		case scenario.ParamFor:
			o.add(param, d.ms(800))
		case scenario.ParamPlan:
			o.add(param, of(d, d.plans...))
		}
	}
	for _, param := range row.Params {
		switch {
		case d.one(2):
		case param == scenario.ParamFor:
			o.add(param, d.ms(800))
		case param == scenario.ParamFleet:
			o.add(param, of(d, d.fleets...).name)
		}
	}
	if row.Action == scenario.ResumePlan {
		return []object{{{"at", "0"}, {"do", string(scenario.SuspendPlan)}, o[2]}, o}
	}
	return []object{o}
}

func (d *dice) fault(i int) object {
	row := of(d, scenario.Kinds()...)
	at := of(d, row.Places...)
	o := object{{"name", fmt.Sprint("f", i+1)}, {"do", string(row.Kind)}, {"at", string(at)}}
	if d.one(4) {
		o.add("fleet", of(d, d.fleets...).name)
	}
	o.add(of(d, "chance", "chance", "exactly"), of(d, "100%", "100%", "50%"))
	for _, param := range row.Params {
		if needed := strings.Contains(strings.Join(row.Needs, " "), param); needed || d.one(3) {
			o.add(param, d.parameter(param, at))
		}
	}
	return o
}

// parameter is a value of a parameter of a fault.
func (d *dice) parameter(param string, at scenario.Place) string {
	switch param {
	case scenario.ParamComponent:
		return of(d, "x", "y")
	case scenario.ParamTimes:
		return of(d, "2", "3", "1..4", "5", "8", "20")
	case scenario.ParamAfter:
		if at == "downloading" || d.one(3) {
			return of(d, "30%", "50%", "99%", "10%..90%")
		}
		return d.ms(200)
	case scenario.ParamFor:
		return of(d, d.ms(50), d.ms(400), d.ms(1500))
	case scenario.ParamBy:
		return of(d, d.ms(50), d.ms(300), "1h", "-1h", "-40000h", "1s..90s")
	case scenario.ParamRate:
		return fmt.Sprintf("%dKiB/s", 4+d.IntN(60))
	case scenario.ParamRetryAfter:
		return "1s"
	case scenario.ParamStatus:
		return of(d, "400", "403", "404", "410", "416", "429", "500", "503")
	}
	return of(d, "battery_low", "signal_weak", "space_low", "busy")
}

// TestEverythingIsDrawn: every kind of fault and every event, among few seeds.
func TestEverythingIsDrawn(t *testing.T) {
	t.Parallel()
	faults, actions := map[scenario.Kind]bool{}, map[scenario.Action]bool{}
	for seed := range uint64(400) {
		_, s := draw(seed)
		for i := range s.Faults {
			faults[s.Faults[i].Kind] = true
		}
		for i := range s.Events {
			actions[s.Events[i].Do] = true
		}
	}
	for _, row := range scenario.Kinds() {
		if row.Kind == scenario.TokenExpired {
			continue // the native platform is not polled
		}
		assert.True(t, faults[row.Kind], "no seed has the fault %s", row.Kind)
	}
	for _, row := range scenario.Actions() {
		assert.True(t, actions[row.Action], "no seed has the event %s", row.Action)
	}
}
