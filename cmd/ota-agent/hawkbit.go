//go:build !nohawkbit

package main

import (
	"crypto/tls"
	"net/http"
	"time"

	"otafleet/agent/host"
	"otafleet/agent/link"
	"otafleet/agent/link/hawkbit"
	"otafleet/cmd/ota-agent/config"
	"otafleet/internal/transport"
)

func (d *device) newHawkBit(own link.Device) (link.Session, error) {
	c := hawkBit(d.config)
	c.Device, c.Members = own, d.subs.members.Devices()
	c.UserAgent, c.Logger = agentName(), d.log
	if d.config.Hardware != "" {
		c.Attributes = map[string]string{"hardware": d.config.Hardware}
	}
	c.Transport = transport.New(host.TLS("platform.hawkbit", d.config.HawkBit.Certificates, d.knownTime),
		func(t *tls.Config) *http.Transport {
			return &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: t, MaxIdleConnsPerHost: 1,
				IdleConnTimeout: 15 * time.Second, MaxResponseHeaderBytes: 64 << 10}
		})
	return hawkbit.New(*c)
}

// hawkBit is what the configuration says of the server and of how it knows the device.
func hawkBit(cfg *config.Config) *hawkbit.Config {
	h := cfg.HawkBit
	c := &hawkbit.Config{URL: h.URL, Tenant: h.Tenant, Gateway: h.Gateway, OnFailure: h.OnFailure,
		Vouched: cfg.PlatformTrust != nil, Modules: h.Modules}
	if h.TokenFile != "" {
		c.Token = func() (string, error) {
			token, err := host.ReadSecret(h.TokenFile)
			return string(token), err
		}
	}
	return c
}

// authorize adds the device's token to downloads from the server itself; nil without
// such a server.
func authorize(cfg *config.Config) func(*http.Request) error {
	if cfg.HawkBit == nil {
		return nil
	}
	return hawkBit(cfg).Authorize
}
