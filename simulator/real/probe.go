package real

import (
	"context"
	"fmt"

	"otafleet/agent"
	"otafleet/agent/link/native"
	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
)

// mostProbes is how many devices with logins of their own try before all of them are
// taken to be refused.
const mostProbes = 16

// Probe opens the session of the first device that has one of its own, and ends it
// again. Of devices with logins of their own others try, too, until one is let in. The
// error says why the broker lets none; nil with the embedded one. No fault strikes it.
func (w *World) Probe(ctx context.Context, s *scenario.Scenario, devices *selection.Selection) error {
	if w.BrokerURL == "" {
		return nil
	}
	most := 1
	if len(w.Logins) > 0 {
		most = mostProbes
	}
	tried, first := 0, error(nil)
	for i := range s.Fleets {
		for n := 1; s.Fleets[i].Behind == "" && n <= s.Fleets[i].Count && tried < most && ctx.Err() == nil; n++ {
			if !devices.Has(i, n) {
				continue
			}
			err := w.probe(ctx, s.Fleets[i].Identity(n))
			if err == nil {
				return nil
			}
			if tried++; first == nil {
				first = fmt.Errorf("%s: %w", s.Fleets[i].Device(n), err)
			}
		}
	}
	if tried > 1 {
		return fmt.Errorf("none of %s that tried gets in; %w", ota.Counted(tried, "device"), first)
	}
	return first
}

func (w *World) probe(ctx context.Context, id ota.Identity) error {
	config := w.session(id)
	config.Deliver = func(agent.Input) {}
	return native.Probe(ctx, config)
}
