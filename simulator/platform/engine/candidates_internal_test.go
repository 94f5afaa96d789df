package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
)

// TestOffersLeaveMisfitsOut: what a device is not asked about of many plans has nothing to
// say to it, whatever lists, sources and parts there are.
func TestOffersLeaveMisfitsOut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	version := func() string { return fmt.Sprint(random.IntN(6)) }
	e := New()
	left, offered := 0, 0
	for range 200 {
		pr := &product{byKey: map[string]*device{}}
		d := &device{product: pr, key: "gw"}
		d.components = []installed{{"app", version(), ota.Module}, {"mcu", version(), ota.MCU}}
		var all []*plan
		for n := range 40 {
			p := &plan{product: pr, activation: n + 1, status: ToBeUpgraded}
			p.spec = PlanSpec{End: now.Add(time.Hour), Mode: ota.Silent}
			first := ota.PlanComponent{ID: []string{"app", "mcu", "none"}[random.IntN(3)], Package: ota.Full, Target: version()}
			if first.Type = ota.Module; first.ID == "mcu" {
				first.Type = ota.MCU
			}
			for range random.IntN(3) {
				first.Sources = append(first.Sources, version())
			}
			p.components = []ota.PlanComponent{first}
			switch random.IntN(8) {
			case 0:
				p.black = set([]string{"gw"})
			case 1:
				p.white = set([]string{"other"})
			case 2:
				p.status = Finished
			}
			all = append(all, p)
			pr.setActive(p)
			if random.IntN(3) == 0 {
				part := &task{device: d, plan: p}
				if random.IntN(2) == 0 {
					part.offered, part.status = 1, []ota.DeviceStatus{ota.DeviceUpgraded, ota.DeviceUpgradeFailed}[random.IntN(2)]
				}
				d.take(part)
			}
		}
		for range random.IntN(36) { // as few are left as need no looking up, or more
			gone := all[random.IntN(len(all))]
			pr.drop(gone)
		}
		asked := map[*plan]bool{}
		last := 0
		for _, p := range e.offers(d) {
			assert.Greater(t, p.activation, last, "in order, each once")
			asked[p], last = true, p.activation
			offered++
		}
		for _, p := range pr.active {
			if asked[p] {
				continue
			}
			part := d.task(p)
			left++
			assert.Equal(t, misfit, p.fit(d))
			assert.Equal(t, ota.NoPlanNone, p.mayHave(now, d, part))
			assert.True(t, part == nil || !part.untouched())
		}
	}
	assert.NotZero(t, left)
	assert.NotZero(t, offered)
}
