package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/host"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// authority signs certificates.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         ed25519.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	a := &authority{t: t, key: private}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotAfter: time.Now().Add(time.Hour),
		IsCA:     true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	require.NoError(t, err)
	a.certificate, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return a
}

// issue gives a certificate for this machine, and its key, in PEM.
func (a *authority) issue() (certificate, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, private.Public(), a.key)
	require.NoError(a.t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	return inPEM("CERTIFICATE", der), inPEM("PRIVATE KEY", pkcs8)
}

func inPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// store serves one file over TLS.
func (a *authority) store(content []byte, change func(*tls.Config)) string {
	certificate, err := tls.X509KeyPair(a.issue())
	require.NoError(a.t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if change != nil {
		change(s.TLS)
	}
	s.StartTLS()
	a.t.Cleanup(s.Close)
	return s.URL
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// memory is a place in memory.
type memory []byte

func (m memory) ReadAt(p []byte, at int64) (int, error)  { return copy(p, m[at:]), nil }
func (m memory) WriteAt(p []byte, at int64) (int, error) { return copy(m[at:], p), nil }
func (memory) Sync() error                               { return nil }
func (memory) Close() error                              { return nil }

// Certificates of downloads are those of the configuration, as their files are at
// each request; suites in CBC mode are not spoken.
func TestCertificatesOfDownloads(t *testing.T) {
	dir := t.TempDir()
	c := host.Certificates{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "own.pem"),
		KeyFile: filepath.Join(dir, "own.key")}
	write := func(path string, content []byte) { require.NoError(t, os.WriteFile(path, content, 0o600)) }
	use := func(a *authority) {
		certificate, key := a.issue()
		write(c.CAFile, inPEM("CERTIFICATE", a.certificate.Raw))
		write(c.CertFile, certificate)
		write(c.KeyFile, key)
	}
	now := time.Now()
	fetcher := func(own host.Certificates) agent.Fetcher {
		f, err := newFetcher(&config.Config{Storage: &config.Storage{Certificates: own},
			Download: config.Download{Allow: []string{"127.0.0.1"}, Attempts: 1, Patience: time.Millisecond}},
			func() time.Time { return now }, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		return f
	}
	content := []byte("an image")
	fetch := func(f agent.Fetcher, url string) string {
		sum := sha256.Sum256(content)
		place := make(memory, len(content))
		result := f.Fetch(t.Context(), agent.FetchJob{
			Files: []ota.File{{Name: "f", Size: int64(len(content)), SHA256: sum, Chunk: ota.MinChunk,
				Chunks: []ota.Digest{sum}, Encoding: ota.Plain}},
			Addresses: []ota.FileAddress{{Name: "f", URLs: []string{url}}}, Places: []firmware.Target{place},
			Started: func() {}, Progress: func(int64, int64) {},
		})
		if result.Failure != nil {
			return result.Failure.Detail
		}
		assert.Empty(t, result.Need)
		assert.Equal(t, string(content), string(place))
		return ""
	}
	first, second := newAuthority(t), newAuthority(t)
	use(first)
	onlyKnown := func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, first.pool() }
	with := fetcher(c)
	assert.Empty(t, fetch(with, first.store(content, onlyKnown)))
	assert.Contains(t, fetch(fetcher(host.Certificates{}), first.store(content, nil)), "not one that this device trusts")
	assert.NotEmpty(t, fetch(fetcher(host.Certificates{CAFile: c.CAFile}), first.store(content, onlyKnown)),
		"without a certificate of its own")
	assert.Contains(t, fetch(with, second.store(content, nil)), "not one that this device trusts")

	old := func(suite uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite} }
	}
	assert.Empty(t, fetch(with, first.store(content, old(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256))))
	assert.NotEmpty(t, fetch(with, first.store(content, old(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA))))
	now = now.Add(2 * time.Hour)
	assert.Contains(t, fetch(with, first.store(content, nil)), "not valid at the time")
	now = now.Add(-2 * time.Hour)

	use(second) // while the agent runs
	assert.Empty(t, fetch(with, second.store(content, nil)))
	write(c.CAFile, []byte("half a fi"))
	assert.Contains(t, fetch(with, second.store(content, nil)),
		"this device's certificates for downloads cannot be used: storage.ca_file")
	use(first)
	assert.Empty(t, fetch(with, first.store(content, onlyKnown)))
}
