package hawkbit

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
)

// DefaultTimeout is how long an answer may take.
const DefaultTimeout = 30 * time.Second

// Config says which session to keep. A Session keeps a copy.
type Config struct {
	Device  link.Device
	Members []link.Device // devices behind it; each needs a gateway's token
	// URL is the server's: https://host[:port][/path], up to what stands before its API.
	URL    *url.URL
	Tenant string // empty for DEFAULT
	// Token gives the device's token, at each request anew, since its file may change;
	// nil if the device is known by its certificate.
	Token   func() (string, error)
	Gateway bool // Token is the tenant's gateway token
	// OnFailure says what a failed component means for the others of its action.
	OnFailure ota.OnFailure
	// Vouched and Modules are those of Settings.
	Vouched bool
	Modules map[string]string
	// Attributes are sent beside the components' versions.
	Attributes map[string]string
	UserAgent  string // empty for ota-agent
	// Transport carries the requests; nil for a plain one.
	Transport http.RoundTripper
	Timeout   time.Duration    // 0 for 30 s
	Now       func() time.Time // nil for time.Now
	Draw      func() float64   // draws from [0, 1); nil for a source of the process
	Logger    *slog.Logger     // nil discards
}

// Validate says everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var problems []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	refuse(c.URL == nil || c.URL.Host == "" || c.URL.Scheme != "https" && c.URL.Scheme != "http",
		"the server's address must be https://host or http://host")
	refuse(strings.ContainsAny(c.Tenant, "/?#"), "tenant %q: must be a name", c.Tenant)
	refuse(len(c.Members) > 0 && !c.Gateway, "devices behind a gateway need the tenant's gateway token")
	refuse(c.Timeout < 0, "time-out %s: must not be negative", c.Timeout)
	return errors.Join(append(problems, link.CheckDevices(c.Device, c.Members)...)...)
}

// withDefaults fills the zero values that have a meaning.
func (c Config) withDefaults() Config {
	if c.OnFailure == "" {
		c.OnFailure = ota.Stop
	}
	if c.UserAgent == "" {
		c.UserAgent = "ota-agent"
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
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

func (c *Config) settings(id ota.Identity) Settings {
	return Settings{Identity: id, URL: c.URL, Tenant: c.Tenant, OnFailure: c.OnFailure, Vouched: c.Vouched,
		Modules: c.Modules, Attributes: c.Attributes, Draw: c.Draw}
}

var _ agent.Link = (*device)(nil)
