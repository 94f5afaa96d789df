package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"otafleet/cmd/ota-agent/config"
	"otafleet/internal/files"
)

// loadTLS makes the TLS settings of a broker connection: the system's authorities
// or the given ones, and a client certificate if there is one. It is called for
// each connection, so that files may be renewed under a running agent. now is the
// time by which certificates are valid; nil for the clock's.
func loadTLS(b config.Broker, now func() time.Time) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: authenticated(), Time: now}
	if b.CAFile != "" {
		text, err := files.Read(b.CAFile, maxKeyFile)
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
	certificate, err := loadKeyPair(b.CertFile, b.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("broker.cert_file, broker.key_file: %w", err)
	}
	t.Certificates = []tls.Certificate{certificate}
	return t, nil
}

func loadKeyPair(certFile, keyFile string) (tls.Certificate, error) {
	certificate, err := files.Read(certFile, maxKeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := files.Read(keyFile, maxKeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certificate, key)
}

// authenticated are TLS 1.2's suites that encrypt and authenticate in one step;
// those in CBC mode have leaked what they hide. TLS 1.3 has no others.
func authenticated() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}
