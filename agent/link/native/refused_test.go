package native

import (
	"errors"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/link"
)

// What a broker says is reported in words, its own included.
func TestWhatBrokersSay(t *testing.T) {
	taken := unexpected(&packets.Disconnect{ReasonCode: 0x8e})
	full := unexpected(&packets.Disconnect{ReasonCode: 0x97, Properties: &packets.Properties{ReasonString: "too much"}})
	for _, c := range []struct {
		err  error
		want string
	}{
		{&Refused{Code: 0x86, Reason: "no such device"},
			"refused the connection: bad user name or password (no such device): does it know this device, and is " +
				"the password its own?"},
		{&Refused{Code: 0xa2}, "refused the connection: reason code 0xa2"},
		{&Refused{Code: 0x87, topic: "a/down/+"}, "refused the subscription of a/down/+: not authorized: may this " +
			"device use its own topics?"},
		{taken, "ended the connection: another client has taken over the session: do two devices have one identity?"},
		{full, "ended the connection: a quota is exceeded (too much)"},
	} {
		assert.EqualError(t, c.err, "the broker "+c.want)
	}
	_, err := parse(packets.CONNACK<<4, []byte{0, 1})
	assert.EqualError(t, err, "the broker refused the connection: it does not speak MQTT 5 (it answers in MQTT 3.1.1)")
	for body, want := range map[string]string{
		"TP/1.1 400 Bad Request\r\nServer: x": "400", "TP/1.0 503 \x1b[2J": "503", "TP/1.1 4\x1b\x1b cut\x00\x00": "4",
	} {
		_, err := parse('H', []byte(body))
		assert.EqualError(t, err,
			"the broker refused the connection: it does not speak MQTT 5 (it answers in HTTP, with status "+want+")")
	}
	var refused *Refused
	require.ErrorAs(t, err, &refused)
	assert.True(t, refused.Final())
	assert.False(t, (&Refused{Code: 0x88}).Final(), "it may be available later")
	assert.False(t, (&Refused{Code: 0x87, ended: true}).Final(), "it had taken the connection")
}

// One trouble has one text, whatever differs from try to try.
func TestReasonsOfOneTrouble(t *testing.T) {
	for want, texts := range map[string][2]string{
		"lookup ota.example.com: dial udp 127.0.0.1:53: refused; dial tcp 10.0.0.2:1883: reset": {
			"lookup ota.example.com: dial udp 127.0.0.1:40001->127.0.0.1:53: refused\ndial tcp " +
				"[fe80::1]:40002->10.0.0.2:1883: reset",
			"lookup ota.example.com: dial udp 127.0.0.1:50001->127.0.0.1:53: refused\ndial tcp " +
				"[fe80::1]:50002->10.0.0.2:1883: reset"},
		"x509: certificate has expired or is not yet valid: the current time is before 2026-01-01T00:00:00Z": {
			"x509: certificate has expired or is not yet valid: current time 1970-01-01T00:00:07Z is before " +
				"2026-01-01T00:00:00Z",
			"x509: certificate has expired or is not yet valid: current time 1970-01-01T00:00:37Z is before " +
				"2026-01-01T00:00:00Z"},
	} {
		for _, text := range texts {
			assert.Equal(t, want, link.Reason(errors.New(text)))
		}
	}
}

// What does not end within a packet ends the connection, whichever packet it is.
func TestPropertiesThatOverrun(t *testing.T) {
	for name, c := range map[string]struct {
		first byte
		body  []byte
	}{
		"CONNACK":                {packets.CONNACK << 4, []byte{0, 0, 9, 0x22, 0}},
		"CONNACK, endless":       {packets.CONNACK << 4, []byte{0, 0, 0x80}},
		"PUBLISH":                {packets.PUBLISH << 4, []byte{0, 1, 'a', 0x20, 1, 1, '{', '}'}},
		"PUBLISH of QoS 1":       {packets.PUBLISH<<4 | 2, []byte{0, 1, 'a', 0, 7, 0x20, 1, 1}},
		"PUBACK":                 {packets.PUBACK << 4, []byte{0, 7, 0, 9, 0}},
		"SUBACK":                 {packets.SUBACK << 4, []byte{0, 1, 9, 0, 1}},
		"DISCONNECT":             {packets.DISCONNECT << 4, []byte{0, 9, 0}},
		"DISCONNECT of one byte": {packets.DISCONNECT << 4, []byte{0, 0xff}},
	} {
		_, err := parse(c.first, c.body)
		assert.EqualError(t, err, "the broker sent a packet whose properties are longer than it", name)
	}
}

// Packets that MQTT lets be this short are what they say.
func TestShortAnswers(t *testing.T) {
	_, err := parse(packets.CONNACK<<4, []byte{0, 0x86})
	assert.Equal(t, &Refused{Code: 0x86}, err)
	p, err := parse(packets.DISCONNECT<<4, nil)
	require.NoError(t, err)
	assert.EqualError(t, unexpected(p), "the broker ended the connection: reason code 0x00")
}
