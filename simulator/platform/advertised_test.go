package platform_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform"
)

// TestAdvertisedStore: devices never get an address that is the device itself.
func TestAdvertisedStore(t *testing.T) {
	for _, c := range []struct{ listen, given, want, wrong string }{
		{"127.0.0.1:0", "", "http://127.0.0.1:", ""},
		{"", "", "http://127.0.0.1:", ""},
		{"0.0.0.0:0", "192.0.2.10", "http://192.0.2.10:", ""},
		{"[::]:0", "store.example:9000", "http://store.example:9000", ""},
		{"127.0.0.1:0", "2001:db8::1", "http://[2001:db8::1]:", ""},
		{"0.0.0.0:0", "", "", "say where they reach it, as --store-address HOST"},
		{"[::]:0", "", "", "--store-address HOST"},
		{":0", "", "", "--store-address HOST"},
		{"127.0.0.1:0", "0.0.0.0", "", "want a host"},
		{"127.0.0.1:0", ":9000", "", "want a host"},
		{"127.0.0.1:0", "host:no such port", "", "cannot give devices the store address"},
	} {
		s, err := platform.New(platform.Config{StoreAddress: c.listen, StoreAdvertised: c.given})
		if c.wrong != "" {
			assert.ErrorContains(t, err, c.wrong, "%s %s", c.listen, c.given)
			continue
		}
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(s.StoreURL(), c.want), s.StoreURL())
		require.NoError(t, s.Close())
	}
}
