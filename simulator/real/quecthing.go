package real

import (
	"net/url"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	dialect "otafleet/agent/link/quecthing"
	"otafleet/simulator/model"
	"otafleet/simulator/platform/quecthing"
)

// quecThing is where devices meet their platform that speak quecthing's dialect: the
// fake platform's face of it in this process.
type quecThing struct {
	front

	// Immutable after newQuecThing.
	url    *url.URL
	tokens tokens // products' secrets
}

func newQuecThing(w *world) (*quecThing, error) {
	q := &quecThing{tokens: newTokens()}
	config := quecthing.Config{Products: map[string]string{}, Logger: w.log, Patience: quecthing.Patience{
		// The agent tells a failure once, and nothing of it when it waits for another address.
		Hold: time.Second,
	}}
	for i := range w.scenario.Fleets {
		product := w.scenario.Fleets[i].Product
		config.Products[product] = q.tokens.of(product)
	}
	err := q.open(func(address string) (server, error) { return quecthing.Listen(address, config) })
	if err != nil {
		return nil, err
	}
	q.url, err = url.Parse(q.server.URL())
	return q, err
}

func (q *quecThing) address() string     { return q.url.String() }
func (q *quecThing) pace() time.Duration { return 0 }

func (q *quecThing) session(d *device, deliver func(agent.Input), after func(func())) (link.Session, error) {
	secret := q.tokens.of(d.ID.Product)
	return dialect.New(dialect.Config{
		Device: link.Device{Identity: d.ID, Deliver: deliver, After: after}, URL: q.url,
		ProductSecret: func() (string, error) { return secret, nil }, Secrets: d, WantSHA256: true,
		OnFailure: model.OnFailure(d.world.scenario, d.Fleet), Model: "ota-sim",
		Dial: d.link.Dial, Draw: d.world.random, Logger: d.world.log,
	})
}

// Secret is the device's own, which the platform has given it (quecthing.Secrets).
func (d *device) Secret(string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.secret, nil
}

// KeepSecret keeps it over restarts and power cuts.
func (d *device) KeepSecret(_, secret string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.secret = secret
	return nil
}
