//go:build real

package real_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/test/harness"
)

// The way of README.md, word by word, with servers that others wrote.
func TestGuide(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		store bool
	}{{"mosquitto", false}, {"mosquitto and versitygw", true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			broker := startMosquitto(t)
			args := []string{"--broker", broker.url(), "--store-listen", "127.0.0.1:0"}
			var front *front
			if test.store {
				store := startStore(t, false)
				front = store.front()
				args = append(args, store.flags(front.url)...)
			}
			g := harness.NewGuide(t, programs, "../..", broker.address, args...)
			g.Follow()
			if test.store {
				assert.Len(t, front.asked(), 1, "the package came from the store")
			}
			assert.Zero(t, g.Agent.Stop())
			assert.Zero(t, g.Platform.Stop())
		})
	}
}
