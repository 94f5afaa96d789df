package real

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"

	"otafleet/agent"
	"otafleet/agent/link"
	dialect "otafleet/agent/link/hawkbit"
	"otafleet/simulator/model"
)

// polled is a hawkBit as devices reach it, whosever it is.
type polled struct {
	url    *url.URL
	tenant string
	tokens tokens
	logins map[string]Login
}

// tokens are the secrets of a run's devices, of which none says anything of another.
type tokens []byte

func newTokens() tokens {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// of is the token of a device, in 32 characters as hawkBit's own have; that of the
// gateways without a name.
func (t tokens) of(device string) string {
	h := hmac.New(sha256.New, t)
	h.Write([]byte(device))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// token is that of a device: its own, or one of the run's.
func (p *polled) token(device string) string {
	return cmp.Or(string(p.logins[device].Token), p.tokens.of(device))
}

func (p *polled) address() string { return p.url.String() }

// config is how a device speaks with hawkBit.
func (p *polled) config(d *device) dialect.Config {
	token, members := p.token(d.ID.Device), d.members()
	if len(members) > 0 {
		token = p.tokens.of("") // a gateway speaks for all of them
	}
	attributes := map[string]string{}
	if revision := d.Fleet.Revision(d.N); revision != "" {
		attributes["hardware"] = revision
	}
	return dialect.Config{Members: members, URL: p.url, Tenant: p.tenant,
		Token: func() (string, error) { return token, nil }, Gateway: len(members) > 0,
		OnFailure: model.OnFailure(d.world.scenario, d.Fleet), Attributes: attributes, UserAgent: "ota-sim",
		Transport: requests{d}, Draw: d.world.random, Logger: d.world.log}
}

func (p *polled) session(d *device, deliver func(agent.Input), after func(func())) (link.Session, error) {
	c := p.config(d)
	c.Device = link.Device{Identity: d.ID, Deliver: deliver, After: after}
	return dialect.New(c)
}

// authorized lets requests for artifacts of hawkBit's own server carry the device's token.
func (p *polled) authorized(d *device) http.RoundTripper { return authorized{p.config(d), d} }

type authorized struct {
	config dialect.Config
	device *device
}

// RoundTrip sends one request.
func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if err := a.config.Authorize(r); err != nil {
		return nil, fmt.Errorf("cannot ask for an artifact: %w", err)
	}
	return a.device.link.RoundTrip(r)
}
