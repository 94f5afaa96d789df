package enrol_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/enrol"
)

func authority(t *testing.T, seed uint64, a enrol.Algorithm) *enrol.Authority {
	t.Helper()
	made, err := enrol.NewAuthority(seed, a)
	require.NoError(t, err)
	return made
}

// TestIdentities are signed by their authority, for clients, and the same for the same
// seed alone.
func TestIdentities(t *testing.T) {
	for _, a := range enrol.Algorithms() {
		one := authority(t, 7, a)
		own, err := one.Pair()
		require.NoError(t, err)
		device, err := one.Issue("gw-000001")
		require.NoError(t, err)

		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(own.Certificate))
		pair, err := tls.X509KeyPair(device.Certificate, device.Key)
		require.NoError(t, err)
		assert.Equal(t, "gw-000001", pair.Leaf.Subject.CommonName)
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		require.NoError(t, err)
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		require.Error(t, err, "no device is a server")

		again, err := authority(t, 7, a).Issue("gw-000001")
		require.NoError(t, err)
		assert.Equal(t, device, again)
		assert.Equal(t, one.Token("x"), authority(t, 7, a).Token("x"))
		for _, other := range []struct {
			seed   uint64
			device string
		}{{8, "gw-000001"}, {7, "gw-000002"}} {
			pair, err := authority(t, other.seed, a).Issue(other.device)
			require.NoError(t, err)
			assert.NotEqual(t, device.Key, pair.Key)
		}
		assert.NotEqual(t, one.Token("x"), one.Token("y"))
	}
	_, err := enrol.NewAuthority(1, "rsa")
	assert.ErrorContains(t, err, `"rsa" is not an algorithm; want p256 or ed25519`)
}
