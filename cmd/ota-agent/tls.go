package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"otafleet/cmd/ota-agent/config"
)

// loadTLS makes the TLS settings of the broker connection: the system's
// authorities or the given ones, and a client certificate if there is one. The
// certificate is read again at each connection, so that it may be renewed under
// a running agent.
func loadTLS(b config.Broker) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if b.CAFile != "" {
		text, err := os.ReadFile(b.CAFile)
		if err != nil {
			return nil, fmt.Errorf("broker.ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("broker.ca_file: %s holds no certificate in PEM", b.CAFile)
		}
	}
	if b.CertFile == "" {
		return t, nil
	}
	read := func() (*tls.Certificate, error) {
		certificate, err := tls.LoadX509KeyPair(b.CertFile, b.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("broker.cert_file, broker.key_file: %w", err)
		}
		return &certificate, nil
	}
	if _, err := read(); err != nil {
		return nil, err
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return read() }
	return t, nil
}
