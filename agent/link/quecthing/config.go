package quecthing

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

	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/internal/quecthing"
)

// The times of a connection.
const (
	DefaultConnectTimeout = 30 * time.Second
	DefaultAckTimeout     = 20 * time.Second
	goodbyeTimeout        = 2 * time.Second
	pingEvery             = (quecthing.KeepAlive - 20) * time.Second
	pingTimeout           = 10 * time.Second
)

// Secrets keeps what a device must not lose, on disk. Its methods may be called from
// several goroutines.
type Secrets interface {
	// Secret is the device's own, empty if there is none yet.
	Secret(device string) (string, error)
	// KeepSecret makes it durable before it returns.
	KeepSecret(device, secret string) error
}

// Config says which session to keep. A Session keeps a copy.
type Config struct {
	Device  link.Device
	Members []link.Device // devices behind it, each with a connection of its own
	URL     *url.URL      // mqtt://host[:port] or mqtts://host[:port]
	// Username is sent beside the password; empty for none, as the SDK does, which MQTT
	// 3.1.1 forbids and the platform expects.
	Username string
	// ProductSecret gives the product's secret, at each connect anew.
	ProductSecret func() (string, error)
	Secrets       Secrets
	// Product is the product key, if the devices have another one to the agent.
	Product string
	// SessionKey, WantSHA256, OnFailure, Model and ICCID are those of Settings.
	SessionKey, WantSHA256 bool
	OnFailure              ota.OnFailure
	Model, ICCID           string
	// TLS gives the settings for mqtts, at each connect anew; nil for the system's
	// authorities.
	TLS func() (*tls.Config, error)
	// Dial opens connections; nil for net.Dialer's.
	Dial           func(ctx context.Context, network, address string) (net.Conn, error)
	ConnectTimeout time.Duration    // until the subscription is accepted; 0 for 30 s
	AckTimeout     time.Duration    // until the broker takes a message; 0 for 20 s
	Now            func() time.Time // nil for time.Now
	Draw           func() float64   // draws from [0, 1); nil for a source of the process
	Logger         *slog.Logger     // nil discards
}

// Validate says everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var problems []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	refuse(c.URL == nil || c.URL.Host == "" || c.URL.Scheme != "mqtt" && c.URL.Scheme != "mqtts",
		"the broker's address must be mqtt://host or mqtts://host")
	refuse(c.ProductSecret == nil, "the product's secret is missing")
	refuse(c.Secrets == nil, "there is no place for the device's secret")
	refuse(c.ConnectTimeout < 0 || c.AckTimeout < 0, "times must not be negative")
	return errors.Join(append(problems, link.CheckDevices(c.Device, c.Members)...)...)
}

// withDefaults fills the zero values that have a meaning.
func (c Config) withDefaults() Config {
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.AckTimeout == 0 {
		c.AckTimeout = DefaultAckTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Draw == nil {
		c.Draw = rand.Float64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c *Config) settings(id ota.Identity, secret string) Settings {
	return Settings{Identity: id, Secret: secret, SessionKey: c.SessionKey, WantSHA256: c.WantSHA256,
		OnFailure: c.OnFailure, Model: c.Model, ICCID: c.ICCID, Draw: c.Draw}
}

// address is where the broker listens.
func (c *Config) address() string {
	port := c.URL.Port()
	switch {
	case port != "":
	case c.URL.Scheme == "mqtts":
		port = "8883"
	default:
		port = "1883"
	}
	return net.JoinHostPort(c.URL.Hostname(), port)
}
