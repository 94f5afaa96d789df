package real

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	dialect "otafleet/agent/link/hawkbit"
	"otafleet/internal/address"
	"otafleet/simulator/model"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/hawkbit"
)

// hawkBit is where devices meet their platform that speak hawkBit's dialect: the fake
// platform's face of it in this process.
type hawkBit struct {
	// Immutable after newHawkBit.
	url    *url.URL
	config hawkbit.Config
	tokens tokens
	place  address.Kept
	again  chan struct{} // has one when the server is to listen again

	mu     sync.Mutex // guards the following
	server *hawkbit.Server
	kill   context.CancelFunc // of what serves; nil if nothing does
}

func newHawkBit(w *world) (*hawkBit, error) {
	h := &hawkBit{tokens: newTokens(), again: make(chan struct{}, 1)}
	h.config = hawkbit.Config{Sleep: model.PollPause(w.selected.Devices(), w.scenario.Duration), FileURL: w.platform.FileURL,
		Logger: w.log,
		Credentials: func(device, token string) bool {
			return hmac.Equal([]byte(h.tokens.of(device)), []byte(token))
		}, GatewayToken: h.tokens.of("")}
	var err error
	if h.place, err = address.Keep("127.0.0.1:0"); err != nil {
		return nil, err
	}
	if h.server, err = hawkbit.Listen(h.place.String(), h.config); err != nil {
		h.place.Release()
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

// run serves devices, again and again if it is stopped between.
func (h *hawkBit) run(ctx context.Context, p *platform.Service) error {
	for {
		serving, cancel := context.WithCancel(ctx)
		h.mu.Lock()
		server := h.server
		h.kill = cancel
		h.mu.Unlock()
		err := server.Run(serving, p)
		cancel()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.again:
		}
		fresh, err := hawkbit.Listen(h.place.String(), h.config)
		if err != nil {
			return err
		}
		h.mu.Lock()
		h.server = fresh
		h.mu.Unlock()
	}
}

// stop kills the server with every request that it answers.
func (h *hawkBit) stop(*platform.Service) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kill == nil {
		return errors.New("cannot stop hawkBit's face: it does not run")
	}
	h.kill()
	return nil
}

// start lets it serve again.
func (h *hawkBit) start(*platform.Service) {
	select {
	case h.again <- struct{}{}:
	default:
	}
}

func (h *hawkBit) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.place.Release()
	if err := h.server.Close(); err != nil {
		return fmt.Errorf("cannot close hawkBit's face: %w", err)
	}
	return nil
}
