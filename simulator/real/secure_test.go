package real_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator"
	"otafleet/simulator/platform/broker"
	"otafleet/simulator/real"
	"otafleet/simulator/verdict"
)

// secureBroker is a broker with TLS, and the configuration that trusts it.
func secureBroker(t *testing.T) (b *broker.Broker, trusts *tls.Config) {
	t.Helper()
	web := httptest.NewTLSServer(nil) // whose certificate is for 127.0.0.1
	t.Cleanup(web.Close)
	b, err := broker.New(broker.Config{PlatformUser: "staff", PlatformPassword: "secret",
		TLS: &tls.Config{Certificates: web.TLS.Certificates}})
	require.NoError(t, err)
	serve(t, b.Run)
	return b, web.Client().Transport.(*http.Transport).TLSClientConfig
}

// TestSecureSessions runs devices and fake platform over TLS, with sessions that break
// and, from two addresses of this machine, come back.
func TestSecureSessions(t *testing.T) {
	t.Parallel()
	b, trusts := secureBroker(t)
	v, err := simulator.Simulate(t.Context(), &real.World{BrokerURL: b.URL(), TLS: trusts, FakePlatform: true,
		PlatformUser: "staff", PlatformPassword: []byte("secret"), Sources: []netip.Addr{netip.MustParseAddr("127.0.0.2"),
			netip.MustParseAddr("127.0.0.3")}}, simulator.Options{Scenario: parse(t, base+`
faults:
  - {name: lossy, at: report, do: drop, exactly: 30%}
  - {name: silent, at: downloading, do: half_open, exactly: 20%, for: 300ms}
  - {name: brown-out, at: upgrading, do: power_cut, exactly: 30%, after: 50%, for: 50ms}
expect:
  devices: {upgraded: 20, unaccounted: 0}
  reports: {lost: 0, out_of_order: 0, conflicting: 0}
  faults: {fired: all}
`)})
	require.NoError(t, err)
	held(t, v)
	checkSums(t, v)
}

// TestUntrustedBroker refuses every session without a trusted certificate.
func TestUntrustedBroker(t *testing.T) {
	t.Parallel()
	b, _ := secureBroker(t)
	for name, distrusts := range map[string]*tls.Config{"the system's authorities": nil,
		"another name": {ServerName: "else.example"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := simulator.Simulate(t.Context(), &real.World{BrokerURL: b.URL(), TLS: distrusts, Trust: anybody()},
				simulator.Options{Scenario: parse(t, edit(t, "duration: 20m", "duration: 2s")+
					"expect: {devices: {unreachable: 20}}")})
			require.NoError(t, err)
			assert.Zero(t, v.Figures.Sessions)
			assert.Equal(t, 20, ended(v)["unreachable"], verdict.Counts(ended(v)))
		})
	}
}
