package main

import (
	"strings"

	"otafleet/agent"
	"otafleet/agent/host"
	"otafleet/agent/link"
	"otafleet/agent/link/native"
	"otafleet/cmd/ota-agent/config"
)

// newSession makes the session with the platform that the configuration names.
func (d *device) newSession() (link.Session, error) {
	own := link.Device{Identity: d.id, Deliver: func(in agent.Input) { d.runner.Post(in) },
		After: func(then func()) { d.runner.After(then) }}
	switch {
	case d.config.HawkBit != nil:
		return d.newHawkBit(own)
	case d.config.QuecThing != nil:
		return d.newQuecThing(own)
	}
	b := d.config.Broker
	l := native.Config{
		Identity: d.id, Username: b.Username,
		// A device without a clock would refuse every certificate, or take old ones.
		TLS:    host.TLS("broker", b.Certificates, d.knownTime),
		Prefix: b.Prefix, KeepAlive: b.KeepAlive, SessionExpiry: b.SessionExpiry, Logger: d.log,
		Deliver: own.Deliver, After: own.After, Members: d.subs.members.Devices(),
	}
	for _, u := range b.URLs {
		l.URLs = append(l.URLs, u.String())
	}
	if b.PasswordFile != "" {
		l.Password = func() ([]byte, error) { return host.ReadSecret(b.PasswordFile) }
	}
	return native.New(l)
}

// platformHosts are the hosts of the platform: its storage may stand beside it.
func platformHosts(cfg *config.Config) []string {
	switch {
	case cfg.HawkBit != nil:
		return []string{cfg.HawkBit.URL.Hostname()}
	case cfg.QuecThing != nil:
		return []string{cfg.QuecThing.URL.Hostname()}
	}
	var hosts []string
	for _, u := range cfg.Broker.URLs {
		hosts = append(hosts, u.Hostname())
	}
	return hosts
}

// platformName is the platform for the log: a key, and where it is.
func platformName(cfg *config.Config) (key, where string) {
	switch {
	case cfg.HawkBit != nil:
		return "hawkbit", cfg.HawkBit.URL.Redacted()
	case cfg.QuecThing != nil:
		return "quecthing", cfg.QuecThing.URL.Redacted()
	}
	names := make([]string, len(cfg.Broker.URLs))
	for i, u := range cfg.Broker.URLs {
		names[i] = u.Redacted()
	}
	return "brokers", strings.Join(names, " ")
}
