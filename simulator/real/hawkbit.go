package real

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	dialect "otafleet/agent/link/hawkbit"
	"otafleet/simulator/model"
	"otafleet/simulator/platform/hawkbit"
)

// hawkBit is where devices meet their platform that speak hawkBit's dialect: the fake
// platform's face of it in this process.
type hawkBit struct {
	front

	// Immutable after newHawkBit.
	url    *url.URL
	config hawkbit.Config
	tokens tokens
}

func newHawkBit(w *world) (*hawkBit, error) {
	h := &hawkBit{tokens: newTokens()}
	h.config = hawkbit.Config{Sleep: model.PollPause(w.selected.Devices(), w.scenario.Duration), FileURL: w.platform.FileURL,
		Logger: w.log,
		Credentials: func(device, token string) bool {
			return hmac.Equal([]byte(h.tokens.of(device)), []byte(token))
		}, GatewayToken: h.tokens.of("")}
	err := h.open(func(address string) (server, error) { return hawkbit.Listen(address, h.config) })
	if err != nil {
		return nil, err
	}
	h.url, err = url.Parse(h.server.URL())
	return h, err
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

func (h *hawkBit) address() string     { return h.url.String() }
func (h *hawkBit) pace() time.Duration { return h.config.Sleep }

func (h *hawkBit) session(d *device, deliver func(agent.Input), after func(func())) (link.Session, error) {
	members := d.members()
	name := d.ID.Device
	if len(members) > 0 {
		name = "" // a gateway speaks for all of them
	}
	token := h.tokens.of(name)
	attributes := map[string]string{}
	if revision := d.Fleet.Revision(d.N); revision != "" {
		attributes["hardware"] = revision
	}
	return dialect.New(dialect.Config{
		Device: link.Device{Identity: d.ID, Deliver: deliver, After: after}, Members: members, URL: h.url,
		Token: func() (string, error) { return token, nil }, Gateway: name == "",
		OnFailure: model.OnFailure(d.world.scenario, d.Fleet), Attributes: attributes, UserAgent: "ota-sim",
		Transport: requests{d}, Draw: d.world.random, Logger: d.world.log,
	})
}
