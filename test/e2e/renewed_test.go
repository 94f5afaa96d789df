package e2e_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// secured is a broker's port with TLS.
type secured struct {
	t      *testing.T
	url    string
	behind string // the broker's own port

	mu    sync.Mutex // guards the following
	own   *tls.Certificate
	conns []net.Conn // with devices
}

// newSecured serves TLS before a broker, until the test ends.
func newSecured(t *testing.T, brokerURL string) *secured {
	t.Helper()
	to, err := url.Parse(brokerURL)
	require.NoError(t, err)
	s := &secured{t: t, behind: to.Host}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.own, nil
		}})
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close(); s.cut() })
	s.url = "mqtts://" + listener.Addr().String()
	go func() {
		for {
			device, err := listener.Accept()
			if err != nil {
				return
			}
			go s.carry(device)
		}
	}()
	return s
}

// carry passes on what both ends say, until one of them ends.
func (s *secured) carry(device net.Conn) {
	defer device.Close()
	broker, err := net.Dial("tcp", s.behind)
	if err != nil {
		return
	}
	defer broker.Close()
	s.mu.Lock()
	s.conns = append(s.conns, device)
	s.mu.Unlock()
	go func() {
		_, _ = io.Copy(device, broker)
		device.Close()
	}()
	_, _ = io.Copy(broker, device)
}

// cut ends the connections that there are.
func (s *secured) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, device := range s.conns {
		device.Close()
	}
	s.conns = nil
}

// renew gives the port a certificate of a new authority, which it returns, and ends
// the connections.
func (s *secured) renew() (authority []byte) {
	s.t.Helper()
	authority, certificate, key := certificates(s.t)
	own, err := tls.X509KeyPair(certificate, key)
	require.NoError(s.t, err)
	s.mu.Lock()
	s.own = &own
	s.mu.Unlock()
	s.cut()
	return authority
}

// The authorities of brokers are those of the file as it is when the agent connects:
// they can be renewed while it runs.
func TestRenewedAuthorityOfTheBroker(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	broker := newSecured(t, s.platform.BrokerURL())
	s.device.Write("ca.pem", broker.renew(), 0o600)
	s.device.Settings["broker"] = harness.Settings{"urls": []string{broker.url}, "ca_file": "ca.pem"}
	agent := s.device.Start()
	s.upgrades("p", "1.1.0", 1)

	renewed := broker.renew()
	says := func(text string) {
		t.Helper()
		harness.Await(t, text, func() bool { return strings.Contains(s.device.Do("status").Out, text) })
	}
	says("unknown authority")
	s.device.Write("ca.pem", []byte("half a fi"), 0o600)
	says("broker.ca_file: holds no certificate in PEM")
	s.device.Write("ca.pem", renewed, 0o600)
	s.upgrades("q", "1.2.0", 2)
	assert.Equal(t, 1, strings.Count(agent.Output(), "agent started"))
}
