package platform

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/wire"
)

// TestClientID: platforms that share a broker by prefixes have names of their own.
func TestClientID(t *testing.T) {
	seen := map[string]string{}
	for _, prefix := range []string{wire.DefaultPrefix, "part1/v1", "part2/v1", "part1-v1", "a-/b", "a/-b"} {
		id := clientID(wire.Topics{Prefix: prefix})
		assert.Empty(t, seen[id], prefix)
		assert.NotContains(t, id, ".", "it is no device's")
		seen[id] = prefix
	}
	assert.Equal(t, clientID(wire.Topics{}), clientID(wire.Topics{Prefix: wire.DefaultPrefix}))
}
