package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"otafleet/internal/cli"
	"otafleet/internal/files"
	"otafleet/simulator/real"
)

// brokerWait is how long the broker may take to answer before a run.
const brokerWait = 30 * time.Second

// secure is how sessions with the broker are secured; nil without TLS.
func (f *worldFlags) secure() (*tls.Config, error) {
	u, err := url.Parse(f.broker)
	if err != nil || u.Scheme != "mqtts" {
		if f.caFile != "" {
			return nil, errors.New("--ca-file is for a broker with TLS: give --broker mqtts://host:port")
		}
		return nil, nil
	}
	c := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if f.caFile == "" {
		return c, nil
	}
	text, err := files.Read(f.caFile, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca-file: %s holds no certificate in PEM", f.caFile)
	}
	return c, nil
}

// readIdentity reads a certificate and its key; nil if no file is given.
func readIdentity(certFile, keyFile string) (*tls.Certificate, error) {
	if certFile == "" && keyFile == "" {
		return nil, nil
	}
	if certFile == "" || keyFile == "" {
		return nil, errors.New("a certificate goes with its key: give --platform-cert-file and --platform-key-file")
	}
	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are no pair of a certificate and its key in PEM: %w", certFile, keyFile, err)
	}
	return &certificate, nil
}

// reachable refuses at once a broker at which nothing listens, or that is not the
// one that it should be, instead of after the whole run.
func reachable(ctx context.Context, w *real.World, c *choice) error {
	if w.HawkBit != nil {
		return staged(ctx, w, c)
	}
	if w.BrokerURL == "" {
		return nil
	}
	u, err := url.Parse(w.BrokerURL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("cannot use the broker %q: want mqtt://host:port or mqtts://host:port", w.BrokerURL)
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme])
	}
	patience, cancel := context.WithTimeout(ctx, brokerWait)
	defer cancel()
	var dialer net.Dialer
	if len(w.Sources) > 0 {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(w.Sources[0], 0))
	}
	conn, err := dialer.DialContext(patience, "tcp", address)
	switch {
	case ctx.Err() != nil:
		return nil // interrupted, as the run will say
	case err != nil:
		return &cli.Exit{Code: exitUnreachable, Err: fmt.Errorf("cannot reach the broker: %w", err)}
	}
	if err := conn.Close(); err != nil {
		return err
	}
	if err := w.Probe(patience, c.scenario, c.selected); err != nil && ctx.Err() == nil {
		return &cli.Exit{Code: exitUnreachable, Err: fmt.Errorf("cannot run devices against the broker: %w", hinted(err))}
	}
	return nil
}

// hinted says what can be done about a session that cannot be secured.
func hinted(err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%w: name the certificate of who signed the broker's with --ca-file", err)
	case errors.As(err, &name):
		return fmt.Errorf("%w: give --broker the name that its certificate has", err)
	case errors.As(err, &noTLS):
		return fmt.Errorf("%w: it does not speak TLS at that port: give --broker mqtt://", err)
	}
	return err
}
