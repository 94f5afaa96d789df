package host

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"time"

	"otafleet/internal/files"
)

// MaxKeyFile bounds files with passwords, keys and certificates, in bytes: those of
// all authorities of a system are a quarter of it.
const MaxKeyFile = 1 << 20

// ReadSecret reads a secret without the line end that editors add.
func ReadSecret(path string) ([]byte, error) {
	text, err := files.Read(path, MaxKeyFile)
	if err != nil {
		return nil, err
	}
	return []byte(strings.TrimRight(string(text), "\r\n")), nil
}

// Certificates are the files, in PEM, by which the two ends of a TLS connection
// know each other.
type Certificates struct {
	CAFile   string // authorities of servers; empty for the system's
	CertFile string // the device's own certificate; empty for none
	KeyFile  string // its key
}

// Check reads the files once and returns what is wrong with them.
func (c Certificates) Check(section string) error {
	read, err := readCertificates(section, c)
	if err == nil {
		_, err = read.settings(section, nil)
	}
	return err
}

// certificates are the content of the files, as they were read.
type certificates struct{ ca, own, key []byte }

// readCertificates reads those that a section of the configuration names.
func readCertificates(section string, c Certificates) (read certificates, err error) {
	for _, f := range []struct {
		name, path string
		text       *[]byte
	}{{"ca_file", c.CAFile, &read.ca}, {"cert_file", c.CertFile, &read.own}, {"key_file", c.KeyFile, &read.key}} {
		if f.path == "" {
			continue
		}
		if *f.text, err = files.Read(f.path, MaxKeyFile); err != nil {
			return read, fmt.Errorf("%s.%s: %w", section, f.name, err)
		}
	}
	return read, nil
}

func (c certificates) same(as certificates) bool {
	return bytes.Equal(c.ca, as.ca) && bytes.Equal(c.own, as.own) && bytes.Equal(c.key, as.key)
}

// settings are what is spoken with them: TLS 1.2 or later, with the system's
// authorities or the given ones. now is the time by which certificates are valid;
// nil for the clock's.
func (c certificates) settings(section string, now func() time.Time) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: authenticated(), Time: now}
	if c.ca != nil {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(c.ca) {
			return nil, fmt.Errorf("%s.ca_file: holds no certificate in PEM", section)
		}
	}
	if c.own != nil {
		own, err := tls.X509KeyPair(c.own, c.key)
		if err != nil {
			return nil, fmt.Errorf("%s.cert_file, %s.key_file: %w", section, section, err)
		}
		t.Certificates = []tls.Certificate{own}
	}
	return t, nil
}

// TLS returns a function that gives the TLS settings for connections which
// begin now: the same as before while the files hold the same, so that they may be
// renewed under a running agent. It may be called from any goroutine.
func TLS(section string, c Certificates, now func() time.Time) func() (*tls.Config, error) {
	var mu sync.Mutex
	var last certificates
	var made *tls.Config
	return func() (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		read, err := readCertificates(section, c)
		if err != nil || made != nil && read.same(last) {
			return made, err
		}
		t, err := read.settings(section, now)
		if err == nil {
			made, last = t, read
		}
		return t, err
	}
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
