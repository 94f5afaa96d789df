package quecthing_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	codec "otafleet/internal/quecthing"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// Types of MQTT packets, with their flags.
const (
	mqttConnect   = 0x10
	mqttConnack   = 0x20
	mqttPublish   = 0x30
	mqttPuback    = 0x40
	mqttPubrec    = 0x50
	mqttPubrel    = 0x62
	mqttPubcomp   = 0x70
	mqttSubscribe = 0x82
	mqttSuback    = 0x90
)

// peer is a device's MQTT 3.1.1 connection, made by hand.
type peer struct {
	t      *testing.T
	conn   net.Conn
	in     *bufio.Reader
	client string
	packet uint16 // id of the last packet
	frame  uint16 // number of the last frame
	cipher *codec.Cipher
	frames []codec.Frame // that came meanwhile
}

// dial connects without a word.
func dial(t *testing.T, address string) *peer {
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &peer{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// login sends a CONNECT with the flags of the SDK, and gives the code of the CONNACK;
// -1 if the connection ends without one.
func (p *peer) login(client, password string) int {
	p.client = client
	body := append(text("MQTT"), 4, 0x42, 0, 120)
	p.write(mqttConnect, append(append(body, text(client)...), text(password)...))
	kind, body, err := p.read()
	if err != nil {
		return -1
	}
	require.Equal(p.t, byte(mqttConnack), kind)
	return int(body[1])
}

// subscribe sends a SUBSCRIBE and gives the code of the SUBACK.
func (p *peer) subscribe(filter string) byte {
	p.packet++
	body := binary.BigEndian.AppendUint16(nil, p.packet)
	p.write(mqttSubscribe, append(append(body, text(filter)...), 1))
	kind, body := p.expect()
	require.Equal(p.t, byte(mqttSuback), kind)
	return body[2]
}

// says publishes a frame, and waits until it is taken.
func (p *peer) says(channel codec.Channel, qos byte, c codec.Command, items codec.Items) {
	p.frame = codec.NextID(p.frame)
	payload, err := (codec.Frame{ID: p.frame, Command: c, Payload: items.Encode()}).Encode()
	require.NoError(p.t, err)
	if p.cipher != nil {
		payload = p.cipher.Seal(payload)
	}
	p.publish(codec.Uplink(p.client, channel), qos, payload)
}

func (p *peer) publish(topic string, qos byte, payload []byte) {
	p.packet++
	id := binary.BigEndian.AppendUint16(nil, p.packet)
	p.write(mqttPublish|qos<<1, append(append(text(topic), id...), payload...))
	want := byte(mqttPuback)
	if qos == 2 {
		want = mqttPubrec
	}
	kind, body := p.expect()
	require.Equal(p.t, want, kind)
	require.Equal(p.t, id, body[:2])
	if qos == 2 {
		p.write(mqttPubrel, id)
		kind, _ = p.expect()
		require.Equal(p.t, byte(mqttPubcomp), kind)
	}
}

// hears gives the next frame from the platform.
func (p *peer) hears() (codec.Frame, codec.Items) {
	for len(p.frames) == 0 {
		kind, body, err := p.read()
		require.NoError(p.t, err)
		p.take(kind, body)
	}
	f := p.frames[0]
	p.frames = p.frames[1:]
	items, err := codec.DecodeItems(f.Payload)
	require.NoError(p.t, err)
	return f, items
}

// expect gives the next packet that is no message.
func (p *peer) expect() (kind byte, body []byte) {
	for {
		kind, body, err := p.read()
		require.NoError(p.t, err)
		if kind&0xf0 != mqttPublish {
			return kind, body
		}
		p.take(kind, body)
	}
}

// take acknowledges a message and keeps its frame.
func (p *peer) take(kind byte, body []byte) {
	require.Equal(p.t, byte(mqttPublish|1<<1), kind, "QoS 1, neither repeated nor retained")
	topic := int(binary.BigEndian.Uint16(body)) + 2
	require.True(p.t, codec.IsDownlink(p.client, string(body[2:topic])), "%s", body[2:topic])
	require.Less(p.t, binary.BigEndian.Uint16(body[topic:]), uint16(256))
	payload := body[topic+2:]
	if p.cipher != nil {
		var err error
		payload, err = p.cipher.Open(payload)
		require.NoError(p.t, err)
	}
	f, err := codec.DecodeFrame(payload)
	require.NoError(p.t, err)
	p.frames = append(p.frames, f)
	p.write(mqttPuback, body[topic:topic+2])
}

// ended waits for the end of the connection.
func (p *peer) ended() {
	var late net.Error
	if _, err := io.Copy(io.Discard, p.in); errors.As(err, &late) {
		require.False(p.t, late.Timeout(), "the connection goes on")
	}
}

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func (p *peer) write(kind byte, body []byte) {
	_, err := p.conn.Write(append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...))
	require.NoError(p.t, err)
}

func (p *peer) read() (kind byte, body []byte, err error) {
	if kind, err = p.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	size, err := binary.ReadUvarint(p.in)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, size)
	_, err = io.ReadFull(p.in, body)
	return kind, body, err
}
