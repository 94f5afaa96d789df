package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// say lets a device of a product say an inventory.
func (s *script) say(product, key, via, version string) {
	s.engine.Handle(s.now, engine.Message{Device: ota.Identity{Product: product, Device: key}, Message: &ota.Inventory{
		Components: []ota.ComponentVersion{{ID: "app", Type: ota.Module, Version: version}}, Via: via}})
	s.now = s.now.Add(time.Minute)
}

func (s *script) fleet(f engine.FleetFilter) string {
	rows, _ := s.engine.Fleet(f)
	var keys []string
	for _, r := range rows {
		if r.Beneath {
			r.Key = ">" + r.Key
		}
		keys = append(keys, r.Key)
	}
	return strings.Join(keys, " ")
}

func TestFleet(t *testing.T) {
	s := newScript(t)
	s.all("plan p white=never")
	began := s.now
	s.say("valve", "valve-10", "gw-2", "1.0.0")
	s.say("gw", "gw-10", "", "2.0.0-RC1")
	s.say("gw", "gw-2", "", "1.9.0")
	s.say("valve", "valve-2", "gw-2", "1.0.1")
	s.say("lamp", "lamp-1", "gw-10", "3")
	s.say("lamp", "lonely", "gw-9", "3")
	s.say("gw", "gw-1", "", "1.9.0")
	s.engine.Handle(s.now, engine.Message{Device: identity("gw-10"), Message: &ota.Offline{}})
	online, offline := true, false
	for _, c := range []struct {
		filter engine.FleetFilter
		want   string
	}{
		{engine.FleetFilter{}, "gw-1 gw-2 >valve-2 >valve-10 gw-10 >lamp-1 lonely"},
		{engine.FleetFilter{Sort: engine.ByKey, Backwards: true}, "lonely gw-10 >lamp-1 gw-2 >valve-10 >valve-2 gw-1"},
		{engine.FleetFilter{Sort: engine.ByFirst}, "gw-10 >lamp-1 gw-2 >valve-10 >valve-2 lonely gw-1"},
		{engine.FleetFilter{Sort: engine.ByLast, Backwards: true}, "gw-1 lonely gw-2 >valve-2 >valve-10 gw-10 >lamp-1"},
		{engine.FleetFilter{Product: "valve"}, ">valve-2 >valve-10"},
		{engine.FleetFilter{Prefix: "gw-1"}, "gw-1 gw-10"},
		{engine.FleetFilter{Search: "GW-2"}, "gw-2 >valve-2 >valve-10"},
		{engine.FleetFilter{Search: "rc"}, "gw-10"},
		{engine.FleetFilter{Search: "1.0."}, ">valve-2 >valve-10"},
		{engine.FleetFilter{Online: &offline}, "gw-10"},
		{engine.FleetFilter{Online: &online, Product: "gw"}, "gw-1 gw-2"},
		{engine.FleetFilter{Offset: 1, Limit: 2}, "gw-2 >valve-2"},
		{engine.FleetFilter{Offset: 99}, ""},
	} {
		assert.Equal(t, c.want, s.fleet(c.filter), "%+v", c.filter)
	}
	rows, chosen := s.engine.Fleet(engine.FleetFilter{Offset: 4, Limit: 1})
	assert.Equal(t, 7, chosen, "one that a list names and that never came is none")
	require.Len(t, rows, 1)
	assert.Equal(
		t,
		engine.FleetRow{Product: "gw", Key: "gw-10", First: began.Add(time.Minute), Last: began.Add(time.Minute),
			Components: []ota.ComponentVersion{{ID: "app", Type: ota.Module, Version: "2.0.0-RC1"}}},
		rows[0],
	)
	s.say("gw", "gw-10", "", "2.0.0")
	rows, _ = s.engine.Fleet(engine.FleetFilter{Prefix: "gw-10"})
	assert.True(t, rows[0].Online)
	assert.Equal(t, began.Add(time.Minute), rows[0].First)
	assert.Equal(t, began.Add(7*time.Minute), rows[0].Last)
	assert.Equal(t, "2.0.0", rows[0].Components[0].Version)
}

// TestGatewaysInACircle: devices that say that they speak for each other are shown.
func TestGatewaysInACircle(t *testing.T) {
	s := newScript(t)
	s.say("gw", "a", "b", "1")
	s.say("gw", "b", "a", "1")
	s.say("gw", "c", "c", "1")
	assert.Equal(t, "a b c", s.fleet(engine.FleetFilter{}))
}

// TestAppeared: a device's first contact is a fact once, over lives of the platform.
func TestAppeared(t *testing.T) {
	s, kept := newKeptScript(t), recordsInMemory{}
	in := &ota.Inventory{Via: "gw-1", Components: []ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: "1"}}}
	out := s.engine.Handle(s.now, engine.Message{Device: identity("d1"), Message: in})
	assert.Equal(t, []engine.Output{engine.Appeared{Device: identity("d1"), Via: "gw-1", Components: in.Components}}, out)
	assert.Empty(t, s.engine.Handle(s.now, engine.Message{Device: identity("d2"), Message: &ota.Offline{}}))
	s.restart(kept)
	assert.Empty(t, s.engine.Handle(s.now, engine.Message{Device: identity("d1"), Message: in}))
	rows, chosen := s.engine.Fleet(engine.FleetFilter{})
	assert.Equal(t, 1, chosen)
	assert.Equal(t, "gw-1", rows[0].Via)
	assert.Equal(t, s.now, rows[0].First)
}

// TestDevicesAreListedByKey, in whatever order and however late they come.
func TestDevicesAreListedByKey(t *testing.T) {
	s := newScript(t)
	s.all("plan p")
	draw := rand.New(rand.NewPCG(1, 2))
	keys := func() string {
		rows, _ := s.engine.Devices("p", engine.Filter{})
		var all []string
		for _, r := range rows {
			all = append(all, r.Key)
		}
		return strings.Join(all, " ")
	}
	for round := range 3 {
		var want []string
		for _, n := range draw.Perm(20) {
			s.all(fmt.Sprintf("dev-%d on", 3*n+round))
		}
		for n := range 60 {
			if n%3 <= round {
				want = append(want, fmt.Sprintf("dev-%d", n))
			}
		}
		assert.Equal(t, strings.Join(want, " "), keys())
	}
}

func BenchmarkListOfTheFleet(b *testing.B) {
	s := newScript(b)
	for i := range 10_000 {
		via := ""
		if i%10 > 0 {
			via = fmt.Sprintf("dev-%d", i/10*10)
		}
		s.say("gw", fmt.Sprintf("dev-%d", i), via, "1.0.0")
	}
	for _, f := range []engine.FleetFilter{{Limit: 50}, {Limit: 50, Search: "99"},
		{Limit: 50, Sort: engine.ByLast, Backwards: true}, {}} {
		b.Run(fmt.Sprintf("%+v", f), func(b *testing.B) {
			for b.Loop() {
				s.engine.Fleet(f)
			}
		})
	}
}

// A page shows few of the devices, however many there are: what is allocated for it does not
// grow with them, but for the lists as wholes.
func TestFleetAllocatesLittleForEachDevice(t *testing.T) {
	const devices, most = 5000, 300
	s := newScript(t)
	for i := range devices {
		via := ""
		if i%10 > 0 {
			via = fmt.Sprint("gw-", i-i%10)
		}
		s.say("gw", fmt.Sprint("gw-", i), via, "1")
	}
	allocated := testing.AllocsPerRun(5, func() { s.engine.Fleet(engine.FleetFilter{Sort: engine.ByLast, Limit: 50}) })
	assert.Less(t, allocated, float64(most))
}
