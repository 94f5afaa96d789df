package real

import (
	"crypto/hmac"
	"net/url"
	"time"

	"otafleet/simulator/model"
	"otafleet/simulator/platform/hawkbit"
)

// hawkBit is where devices meet their platform that speak hawkBit's dialect: the fake
// platform's face of it in this process.
type hawkBit struct {
	front

	// Immutable after newHawkBit.
	polled
	config hawkbit.Config
}

func newHawkBit(w *world) (*hawkBit, error) {
	h := &hawkBit{polled: polled{tokens: newTokens()}}
	h.config = hawkbit.Config{Sleep: model.PollPause(w.selected.Devices(), w.scenario.Duration),
		FileURL: w.platform.FileURL, Logger: w.log,
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

func (h *hawkBit) pace() time.Duration { return h.config.Sleep }
