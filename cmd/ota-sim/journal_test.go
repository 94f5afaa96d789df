package main

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

func TestFirstContact(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	j := &eventPrinter{w: &out}
	j.observe(time.Time{}, engine.Appeared{Device: ota.Identity{Product: "gw-200", Device: "gw-1"},
		Components: []ota.ComponentVersion{{ID: "app", Version: "1.0.0"}, {ID: "motor", Version: "3_1"}}})
	j.observe(time.Time{}, engine.Appeared{Device: ota.Identity{Product: "valve", Device: "v-1"}, Via: "gw-1",
		Components: []ota.ComponentVersion{{ID: "app", Version: strings.Repeat("9", 300)}}})
	lines := strings.Split(out.String(), "\n")
	assert.Contains(t, lines[0], "  gw-1  first contact: product gw-200, app 1.0.0, motor 3_1")
	assert.Contains(t, lines[1], "  v-1  first contact: product valve, behind gw-1, …")
}

// TestManyFirstContacts: a fleet does not flood the terminal.
func TestManyFirstContacts(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	j := &eventPrinter{w: &out}
	for n := range 10_000 {
		j.observe(time.Time{}, engine.Appeared{Device: ota.Identity{Product: "gw-200", Device: fmt.Sprintf("gw-%d", n+1)}})
	}
	assert.Equal(t, firstContacts, strings.Count(out.String(), "first contact"))
	assert.Equal(t, firstContacts+8, strings.Count(out.String(), "\n"))
	assert.Contains(t, out.String(), "10000 devices have made contact, the last one is gw-10000; the page Devices "+
		"lists them")
}

// TestTakenAddress: who cannot have an address learns the flag for another one.
func TestTakenAddress(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for _, c := range []struct {
		flag string
		code int
	}{{"--page", cli.Usage}, {"--listen", cli.Failed}, {"--store-listen", cli.Failed}} {
		args := []string{"platform", "--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0", "--page", "127.0.0.1:0"}
		o := sim(t, append(args, c.flag, taken.Addr().String())...)
		assert.Equal(t, c.code, o.code, c.flag)
		assert.Contains(t, o.err, "address already in use", c.flag)
		assert.Contains(t, o.err, c.flag+" takes another address", c.flag)
	}
}
