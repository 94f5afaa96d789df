package real

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/agent/link/native"
	"otafleet/simulator/model"
	"otafleet/simulator/platform"
)

// face is how devices of one dialect reach their platform: what serves them beside the
// fake platform, and the sessions that they keep with it.
type face interface {
	// address is where devices reach it.
	address() string
	// pace is how long a device may take to look for what the platform has for it; 0
	// where it hears of it.
	pace() time.Duration
	// session makes the session of a device that has one of its own.
	session(d *device, deliver func(agent.Input), after func(func())) (link.Session, error)
	// run serves the devices of a fake platform until ctx ends.
	run(ctx context.Context, p *platform.Service) error
	// stop cuts every session, until start.
	stop(p *platform.Service) error
	start(p *platform.Service)
	close() error
}

// authorizer is a face from which downloads need more than their address.
type authorizer interface {
	// authorized carries a device's downloads.
	authorized(d *device) http.RoundTripper
}

// downloads is what carries a device's downloads, over its link.
func (w *world) downloads(d *device) http.RoundTripper {
	if a, is := w.face.(authorizer); is {
		return a.authorized(d)
	}
	return d.link
}

// Dialects lists those that the devices of this world speak.
func Dialects() []model.Dialect { return []model.Dialect{model.Native, model.HawkBit, model.QuecThing} }

// openFace opens what devices of the run's dialect reach.
func (w *world) openFace(ctx context.Context) (face, error) {
	switch w.dialect {
	case "", model.Native:
		url := w.settings.BrokerURL
		if w.platform != nil {
			url = w.platform.BrokerURL()
		}
		return broker{url, w.settings, &native.Buffers{}}, nil
	case model.HawkBit:
		if w.settings.HawkBit != nil {
			return newStaged(ctx, w)
		}
		return newHawkBit(w)
	case model.QuecThing:
		return newQuecThing(w)
	}
	return nil, fmt.Errorf("the real world has no devices that speak %s", w.dialect)
}
