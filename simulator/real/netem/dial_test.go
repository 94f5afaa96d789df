package netem

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// addresses are some of this machine's: all of 127.0.0.0/8 are.
func addresses(texts ...string) (all []netip.Addr) {
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// TestSourceAddresses take turns, and each connects to the same place.
func TestSourceAddresses(t *testing.T) {
	p := startPoller(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	from := func(d Dialer) string {
		conn, err := d.DialContext(t.Context(), "tcp", listener.Addr().String())
		require.NoError(t, err)
		other, err := listener.Accept()
		require.NoError(t, err)
		t.Cleanup(func() { _, _ = conn.Close(), other.Close() })
		assert.Equal(t, conn.LocalAddr().String(), other.RemoteAddr().String())
		return netip.MustParseAddrPort(conn.LocalAddr().String()).Addr().String()
	}
	several := NewDialers(addresses("127.0.0.2", "127.0.0.3"), p)
	for n, want := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"} {
		assert.Equal(t, want, from(several.Of(n)))
	}
	assert.Equal(t, "127.0.0.1", from(NewDialers(nil, p).Of(7)), "the system's choice")
}

func TestCheckSources(t *testing.T) {
	require.NoError(t, CheckSources(nil))
	require.NoError(t, CheckSources(addresses("127.0.0.1", "127.200.3.4")))
	err := CheckSources(addresses("127.0.0.1", "192.0.2.7", "192.0.2.8"))
	require.ErrorContains(t, err, "cannot use the source address 192.0.2.7, give one that this machine has")
	require.ErrorContains(t, err, "192.0.2.8")
	assert.ErrorContains(t, CheckSources(make([]netip.Addr, maxSources+1)), "at most 4096 are possible")
}
