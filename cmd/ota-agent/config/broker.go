package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"otafleet/agent/host"
	"otafleet/internal/yamlform"
)

func readBroker(m *yamlform.Map, in base, b *Broker) {
	m.Require("urls")
	yamlform.Values(m, "urls", &b.URLs, 1, 16, parseBrokerURL)
	m.Text("username", &b.Username, yamlform.Line)
	in.secret(m, "password_file", &b.PasswordFile)
	readCertificates(m, in, &b.Certificates)
	m.Text("prefix", &b.Prefix, topicPrefix)
	m.Duration("keep_alive", &b.KeepAlive, time.Second, 18*time.Hour)
	m.Duration("session_expiry", &b.SessionExpiry, time.Second, 365*24*time.Hour)

	together(m, "password_file", "username")
	warnPlain(m, "urls", b.URLs)
}

func readCertificates(m *yamlform.Map, in base, c *host.Certificates) {
	in.file(m, "ca_file", &c.CAFile)
	in.file(m, "cert_file", &c.CertFile)
	in.secret(m, "key_file", &c.KeyFile)
	in.reads(c.CAFile, c.CertFile, c.KeyFile)
	together(m, "cert_file", "key_file")
	together(m, "key_file", "cert_file")
}

// together reports a key that means nothing without another.
func together(m *yamlform.Map, key, beside string) {
	if m.Has(key) && !m.Has(beside) {
		m.Problemf(key, "needs %s beside it", beside)
	}
}

// warnPlain warns of addresses over which a password or a plan can be read.
func warnPlain(m *yamlform.Map, at string, urls []*url.URL) {
	encrypted := false
	for _, u := range urls {
		encrypted = encrypted || u.Scheme == "mqtts"
		if u.Scheme == "mqtt" && !loopback(u.Hostname()) {
			m.Warnf(at,
				"the connection to %s is not encrypted: name, password and plans can be read on the way; want mqtts", u.Host)
		}
	}
	for _, key := range []string{"ca_file", "cert_file"} {
		if m.Has(key) && !encrypted && len(urls) > 0 {
			m.Warnf(key, "has no effect without an address of mqtts")
		}
	}
}

// parseBrokerURL reads an address of the broker and puts in its port. Its errors
// do not repeat the address, which may hold a password.
func parseBrokerURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("is not an address; want mqtts://host[:port]")
	}
	port := ""
	switch u.Scheme {
	case "mqtt":
		port = "1883"
	case "mqtts":
		port = "8883"
	case "ws", "wss":
		return nil, fmt.Errorf("%s is not supported by this version; want mqtts://host[:port]", u.Scheme)
	default:
		return nil, fmt.Errorf("%q is not a scheme of a broker; want mqtts://host[:port] or mqtt://host[:port]", u.Scheme)
	}
	switch {
	case u.User != nil:
		return nil, errors.New("holds a user name or a password; want them in username and password_file")
	case u.Hostname() == "":
		return nil, errors.New("names no host; want mqtts://host[:port]")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("goes on after the host; want mqtts://host[:port]")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return nil, errors.New("has no port of 1 to 65535")
	}
	return &url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(u.Hostname(), port)}, nil
}

// topicPrefix checks that all topics below a prefix are topics.
func topicPrefix(text string) error {
	bad := yamlform.Line(text) != nil || len(text) > 128 || strings.HasPrefix(text, "$") ||
		strings.ContainsAny(text, "+# ")
	for _, level := range strings.Split(text, "/") {
		bad = bad || level == ""
	}
	if bad {
		return fmt.Errorf("%q is not a topic prefix; want levels such as ota/v1, without + # $ and without an empty level",
			text)
	}
	return nil
}
