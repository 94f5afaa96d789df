package address_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/address"
)

// TestServersComeAndGo at an address that is kept, with connections.
func TestServersComeAndGo(t *testing.T) {
	anywhere := []string{"127.0.0.1:0", "0.0.0.0:0"}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil { // not every machine has IPv6
		require.NoError(t, l.Close())
		anywhere = append(anywhere, "[::1]:0", ":0")
	}
	for _, any := range anywhere {
		kept, err := address.Keep(any)
		require.NoError(t, err, any)
		t.Cleanup(kept.Release)
		_, err = net.Dial("tcp", kept.String())
		require.Error(t, err, "no server listens")
		for range 3 {
			l, err := net.Listen("tcp", kept.String())
			require.NoError(t, err)
			client, err := net.Dial("tcp", kept.String())
			require.NoError(t, err)
			server, err := l.Accept()
			require.NoError(t, err)
			require.NoError(t, l.Close())
			require.NoError(t, server.Close())
			require.NoError(t, client.Close())
		}
	}
}

// TestKeptAddressIsGivenToNoOther, however many ask for any.
func TestKeptAddressIsGivenToNoOther(t *testing.T) {
	kept, err := address.Keep("127.0.0.1:0")
	require.NoError(t, err)
	for range 5_000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NotEqual(t, kept.String(), l.Addr().String())
		require.NoError(t, l.Close())
	}
	kept.Release()
	kept.Release()
	l, err := net.Listen("tcp", kept.String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestAddressThatCannotBeKept(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = address.Keep(l.Addr().String())
	require.ErrorContains(t, err, "cannot keep the address "+l.Addr().String()+": address already in use")
	_, err = address.Keep("nowhere")
	assert.ErrorContains(t, err, "cannot keep the address nowhere")
}
