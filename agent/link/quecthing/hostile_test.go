package quecthing_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/agent/link/quecthing"
	"otafleet/internal/ota"
	wire "otafleet/internal/quecthing"
)

// The answers of a broker that means well.
var (
	connack = []byte{0x20, 2, 0, 0}
	suback  = []byte{0x90, 3, 0, 1, 1}
)

// published is a PUBLISH at QoS 1 to the device.
func published(topic string, payload []byte) []byte {
	body := append([]byte{0, byte(len(topic))}, topic...)
	body = append(append(body, 0, 7), payload...)
	length := []byte{byte(len(body)&0x7f) | 0x80, byte(len(body) >> 7)}
	return slices.Concat([]byte{0x32}, length, body)
}

// TestHostileBrokers: whatever a broker does, the device neither breaks nor waits
// without saying for what, and ends when it is to end.
func TestHostileBrokers(t *testing.T) {
	topic := wire.Downlink(clientOf(identity), wire.OTA)
	both := slices.Concat(connack, suback)
	afterConnack := func(b []byte) []byte { return slices.Concat(connack, b) }
	afterBoth := func(b []byte) []byte { return slices.Concat(both, b) }
	noItems := frame(t, wire.UpgradePlan, []byte{0, 0x15})
	for name, c := range map[string]struct {
		sends []byte // in answer to CONNECT
		hangs bool   // and then nothing more; otherwise it hangs up
		says  string // what the device says of it
	}{
		"hangs up":                      {nil, false, "instead of an answer"},
		"says nothing":                  {nil, true, "does not answer"},
		"half an answer":                {[]byte{0x20, 2}, true, "does not answer"},
		"a refusal":                     {[]byte{0x20, 2, 0, 5}, true, "refuses the password"},
		"an unknown refusal":            {[]byte{0x20, 2, 0, 200}, true, "code 200"},
		"an answer without a code":      {[]byte{0x20, 0}, true, "malformed packet"},
		"a web server":                  {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), true, "does MQTT 3.1.1 listen"},
		"a client":                      {[]byte{0x10, 0}, true, "it must not"},
		"out of turn":                   {suback, true, "out of turn"},
		"a length without end":          {[]byte{0x20, 0xff, 0xff, 0xff, 0xff}, true, "malformed length"},
		"a length of 256 MB":            {[]byte{0x20, 0xff, 0xff, 0xff, 0x7f}, true, "more than"},
		"no subscription":               {connack, true, "does not answer"},
		"hangs up at the subscription":  {connack, false, "takes nothing"},
		"a refused subscription":        {afterConnack([]byte{0x90, 3, 0, 1, 0x80}), true, "refuses the subscription"},
		"another subscription":          {afterConnack([]byte{0x90, 3, 0, 9, 1}), true, "refuses the subscription"},
		"messages before it":            {afterConnack(bytes.Repeat(published(topic, nil), 20)), true, "sends messages"},
		"a message of 256 MB":           {afterBoth([]byte{0x32, 0xff, 0xff, 0xff, 0x7f}), true, "more than"},
		"a message without an end":      {afterBoth([]byte{0x32, 9, 0, 200, 'a'}), false, "has closed the connection"},
		"a topic longer than its frame": {afterBoth([]byte{0x32, 3, 0, 200, 'a'}), true, "malformed"},
		"quality of service 3":          {afterBoth([]byte{0x36, 5, 0, 1, 'a', 0, 1}), true, "malformed head"},
		"a message without identifier":  {afterBoth([]byte{0x32, 5, 0, 1, 'a', 0, 0}), true, "malformed head"},
		"no frame":                      {afterBoth(published(topic, []byte("junk"))), true, "not a frame"},
		"an empty message":              {afterBoth(published(topic, nil)), true, "not a frame"},
		"no items":                      {afterBoth(published(topic, noItems)), true, "unknown type"},
		"nothing taken":                 {both, true, "acknowledges nothing"},
		"unreleased messages":           {afterBoth(unreleased(topic)), true, "unreleased"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testHostile(t, c.sends, c.hangs, c.says) })
		})
	}
}

func frame(t *testing.T, c wire.Command, payload []byte) []byte {
	b, err := wire.Frame{ID: 1, Command: c, Payload: payload}.Encode()
	require.NoError(t, err)
	return b
}

// unreleased are messages of QoS 2, each with an identifier of its own.
func unreleased(topic string) (all []byte) {
	for id := range 100 {
		p := published(topic, nil)
		p[0], p[len(p)-1] = 0x34, byte(id+1)
		all = append(all, p...)
	}
	return all
}

func testHostile(t *testing.T, sends []byte, hangs bool, says string) {
	s, err := quecthing.New(quecthing.Config{
		URL: &url.URL{Scheme: "mqtt", Host: "broker"}, Secrets: secrets{},
		ProductSecret: func() (string, error) { return productSecret, nil },
		Device:        link.Device{Identity: identity, Deliver: func(agent.Input) {}},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			go func() {
				_, _ = theirs.Write(sends)
				if !hangs {
					_ = theirs.Close()
				}
			}()
			return ours, nil
		}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	s.Start(ctx, func() { close(ended) })
	heard := ""
	for range 200 {
		time.Sleep(time.Second)
		s.Send(&ota.Inventory{Request: true})
		if h := s.Health(); !strings.Contains(heard, h.Trouble) {
			heard += h.Trouble + "\n"
		}
	}
	assert.Contains(t, heard, says)
	cancel()
	<-ended
}
