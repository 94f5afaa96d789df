package real

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

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
// error says why the platform lets none; nil with an embedded one, and of a hawkBit at
// which the run registers its devices. No fault strikes it.
func (w *World) Probe(ctx context.Context, s *scenario.Scenario, devices *selection.Selection) error {
	most := 1
	if len(w.Logins) > 0 {
		most = mostProbes
	}
	tried, first := 0, error(nil)
	for i := range s.Fleets {
		for n := 1; n <= s.Fleets[i].Count && tried < most && ctx.Err() == nil; n++ {
			id := s.Fleets[i].Identity(n)
			if s.Fleets[i].Behind != "" || !devices.Has(i, n) || !w.knows(id) {
				continue
			}
			err := w.probe(ctx, id)
			if err == nil {
				return nil
			}
			if tried++; first == nil {
				first = fmt.Errorf("%s: %w", id.Device, err)
			}
		}
	}
	if tried > 1 {
		return fmt.Errorf("none of %s that tried gets in; %w", ota.Counted(tried, "device"), first)
	}
	return first
}

// knows reports whether the platform is to know a device before the run.
func (w *World) knows(id ota.Identity) bool {
	if w.HawkBit != nil {
		return len(w.Logins[id.Device].Token) > 0
	}
	return w.BrokerURL != ""
}

func (w *World) probe(ctx context.Context, id ota.Identity) error {
	if w.HawkBit != nil {
		return w.HawkBit.poll(ctx, id.Device, w.Logins[id.Device].Token)
	}
	config := w.session(id)
	config.Deliver = func(agent.Input) {}
	return native.Probe(ctx, config)
}

// poll asks once what there is for a device. The answer is of no interest, but for
// whether there is one.
func (g *Staging) poll(ctx context.Context, device string, token []byte) error {
	address := g.Operator.URL().JoinPath(cmp.Or(g.Tenant, "DEFAULT"), "controller", "v1", device)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "TargetToken "+string(token))
	request.Header.Set("Accept", "application/hal+json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("cannot reach hawkBit: %w", err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return fmt.Errorf("hawkBit answers %s: does it have this target, and its token?", answer.Status)
	}
	return nil // whatever else is wrong may pass
}
