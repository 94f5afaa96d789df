package native

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// Defaults of a Config's zero values.
const (
	DefaultKeepAlive      = 60 * time.Second
	DefaultSessionExpiry  = 24 * time.Hour
	DefaultReceiveMaximum = link.MaxUnhandled / 2
	DefaultConnectTimeout = 30 * time.Second
	DefaultGoodbyeTimeout = 2 * time.Second
	DefaultFirstDelay     = time.Second
	DefaultMaxDelay       = 60 * time.Second
)

// longestKeepAlive is what MQTT carries as two bytes of seconds.
const longestKeepAlive = 65535 * time.Second

// Config says which session to keep. A Link keeps a copy.
type Config struct {
	Identity ota.Identity
	Members  []link.Device // other devices that the session serves; at most link.MaxMembers
	URLs     []string      // mqtt://host[:port] or mqtts://host[:port], tried in turn
	Username string        // empty for none
	// Password is asked at every connect, so that a changed file works at once;
	// nil for none.
	Password func() ([]byte, error)
	// TLS gives the settings for mqtts, at each connection anew, since certificates
	// are renewed; nil for the system's roots and no client certificate.
	TLS    func() (*tls.Config, error)
	Prefix string // of the topics; empty for ota/v1

	// ConnectTimeout is for one try, from the first packet on the line to the
	// accepted subscription; 0 for 30 s.
	ConnectTimeout time.Duration
	// GoodbyeTimeout is for the last messages, when Run's context ends; 0 for 2 s.
	GoodbyeTimeout time.Duration
	KeepAlive      time.Duration // whole seconds up to 18 h; 0 for 60 s
	SessionExpiry  time.Duration // whole seconds; how long the broker keeps messages; 0 for 24 h
	// ReceiveMaximum is how many messages the broker may send ahead of their
	// acknowledgement; 0 for 8. It may send twice as many to a session with members,
	// of which one device takes at most a quarter.
	ReceiveMaximum uint16

	// Deliver takes Connected, Disconnected, Received, BadPlan and BadPackage, one at a
	// time. Nothing is read meanwhile. It takes CheckRequested, at any time, when
	// messages were dropped because the device did not keep up, and it has caught up.
	Deliver func(agent.Input)
	// Decode reads a message of a kind from the platform; nil for wire.DecodeDown, whose
	// answers it must give.
	Decode func(kind string, payload []byte) (ota.Down, error)
	// After calls back when everything that was delivered before has been handled,
	// or never if the device ends before. A message is acknowledged then, so that
	// MQTT's Receive Maximum bounds what waits, and what a cut takes is sent again.
	// Nil acknowledges what was delivered at once.
	After func(then func())
	// Buffers lends the memory to read and write; nil takes it anew each time. The
	// sessions of a process share it.
	Buffers *Buffers
	// Dial opens the TCP connection; nil for a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Jitter draws from [0, 1); nil for a source of the process.
	Jitter func() float64
	// The n-th reconnect waits for a random part of FirstDelay * 2^n, at most
	// MaxDelay. Zero for 1 s and 60 s; FirstDelay is at most 1 s.
	FirstDelay, MaxDelay time.Duration

	Logger *slog.Logger // nil discards
}

// Validate says everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !ota.ValidKey(c.Identity.Product) {
		wrong("product %q must be 1 to 64 characters of [A-Za-z0-9_-]", c.Identity.Product)
	}
	if !ota.ValidKey(c.Identity.Device) {
		wrong("device %q must be 1 to 64 characters of [A-Za-z0-9_-]", c.Identity.Device)
	}
	if len(c.URLs) == 0 {
		wrong("no broker URL is configured")
	}
	for _, u := range c.URLs {
		if _, err := parseBroker(u); err != nil {
			problems = append(problems, err)
		}
	}
	if err := (wire.Topics{Prefix: c.Prefix}).Validate(); err != nil {
		problems = append(problems, err)
	}
	if c.Deliver == nil {
		wrong("the link has no device to deliver to")
	}
	problems = append(problems, c.validateMembers()...)
	return errors.Join(append(problems, c.validateTimes()...)...)
}

func (c *Config) validateTimes() []error {
	var problems []error
	if c.KeepAlive < 0 || c.KeepAlive > longestKeepAlive || c.KeepAlive%time.Second != 0 {
		problems = append(problems, fmt.Errorf("keep-alive %v must be whole seconds up to %v", c.KeepAlive, longestKeepAlive))
	}
	if c.SessionExpiry < 0 || c.SessionExpiry/time.Second > 1<<32-1 || c.SessionExpiry%time.Second != 0 {
		problems = append(problems, fmt.Errorf("session expiry %v must be whole seconds", c.SessionExpiry))
	}
	if c.ConnectTimeout < 0 {
		problems = append(problems, fmt.Errorf("connect time-out %v must not be negative", c.ConnectTimeout))
	}
	if c.GoodbyeTimeout < 0 {
		problems = append(problems, fmt.Errorf("goodbye time-out %v must not be negative", c.GoodbyeTimeout))
	}
	if c.FirstDelay < 0 || c.FirstDelay > DefaultFirstDelay {
		problems = append(problems, fmt.Errorf("first reconnect delay %v must be at most %v", c.FirstDelay,
			DefaultFirstDelay))
	}
	if c.MaxDelay < 0 || (c.MaxDelay > 0 && c.MaxDelay < c.FirstDelay) {
		problems = append(problems, fmt.Errorf("longest reconnect delay %v must not be shorter than the first one",
			c.MaxDelay))
	}
	return problems
}

// withDefaults fills the zero values that have a meaning.
func (c Config) withDefaults() Config {
	fill := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	fill(&c.ConnectTimeout, DefaultConnectTimeout)
	fill(&c.GoodbyeTimeout, DefaultGoodbyeTimeout)
	fill(&c.KeepAlive, DefaultKeepAlive)
	fill(&c.SessionExpiry, DefaultSessionExpiry)
	fill(&c.FirstDelay, DefaultFirstDelay)
	fill(&c.MaxDelay, DefaultMaxDelay)
	if c.ReceiveMaximum == 0 {
		c.ReceiveMaximum = DefaultReceiveMaximum
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	if c.Decode == nil {
		c.Decode = wire.DecodeDown
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// dialTCP switches TCP's keep-alive off: MQTT has its own, and TCP's probes would
// wake a sleeping radio every 15 s.
func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, address)
}

// broker is where a URL leads.
type broker struct {
	host    string // for the certificate
	address string // host:port
	secure  bool
}

func parseBroker(raw string) (broker, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The URL itself stays out of the text: it may hold a password.
		return broker{}, errors.New("a broker URL cannot be parsed: want mqtt://host:port or mqtts://host:port")
	}
	ports := map[string]string{"mqtt": "1883", "mqtts": "8883"}
	port, known := ports[u.Scheme]
	switch {
	case !known:
		return broker{}, fmt.Errorf("broker URL %s: the scheme must be mqtt or mqtts", u.Redacted())
	case u.Hostname() == "":
		return broker{}, fmt.Errorf("broker URL %s: the host is missing", u.Redacted())
	case u.User != nil:
		return broker{}, fmt.Errorf("broker URL %s: give user name and password in their own settings", u.Redacted())
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "":
		return broker{}, fmt.Errorf("broker URL %s: nothing may follow the port", u.Redacted())
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return broker{host: u.Hostname(), address: net.JoinHostPort(u.Hostname(), port), secure: u.Scheme == "mqtts"}, nil
}
