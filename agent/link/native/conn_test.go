package native

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

// line is a connection whose other end has sent all that it will.
type line struct {
	net.Conn
	in     io.Reader
	out    bytes.Buffer
	writes int
	broken error
}

func (l *line) Read(b []byte) (int, error) { return l.in.Read(b) }

func (l *line) Write(b []byte) (int, error) {
	l.writes++
	if l.broken != nil {
		return 0, l.broken
	}
	return l.out.Write(b)
}

func (l *line) Close() error { return nil }

func TestPacketsAreOneWrite(t *testing.T) {
	l := &line{}
	c := newConn(l, nil)
	publish := &packets.Publish{QoS: 1, PacketID: 7, Topic: "a/b", Payload: []byte("hello"),
		Properties: &packets.Properties{}}
	require.NoError(t, c.send(publish))
	assert.Equal(t, 1, l.writes)
	back, err := packets.ReadPacket(&l.out)
	require.NoError(t, err)
	assert.Equal(t, publish, back.Content)

	l.broken = errors.New("broken pipe")
	require.ErrorIs(t, c.send(publish), l.broken)
	l.in = bytes.NewReader(nil)
	_, err = c.read()
	assert.ErrorIs(t, err, l.broken, "the reader learns of it")
}

func TestPacketsInPieces(t *testing.T) {
	publish := &packets.Publish{QoS: 1, PacketID: 7, Topic: "a/b", Payload: bytes.Repeat([]byte("x"), ota.MaxPayload),
		Properties: &packets.Properties{}}
	var b bytes.Buffer
	for range 2 {
		_, err := publish.WriteTo(&b)
		require.NoError(t, err)
	}
	c := newConn(&line{in: io.MultiReader(io.LimitReader(&b, 3), io.LimitReader(&b, 1000), &b)}, nil)
	publish.Properties = nil // it is read without
	for range 2 {
		back, err := c.read()
		require.NoError(t, err)
		assert.Equal(t, publish, back)
	}
	_, err := c.read()
	assert.ErrorIs(t, err, io.EOF)
}

// TestLengths of packets, in one to four bytes.
func TestLengths(t *testing.T) {
	for length := range 4 {
		size := []int{100, 10_000, 1_000_000, ota.MaxPacket - 5}[length]
		head := [][]byte{{0x30, 0x64}, {0x30, 0x90, 0x4e}, {0x30, 0xc0, 0x84, 0x3d}, {0x30, 0xfb, 0x9f, 0xc0, 0x00}}[length]
		body := make([]byte, size)
		c := newConn(&line{in: io.MultiReader(bytes.NewReader(head), bytes.NewReader(body))}, nil)
		p, err := c.read()
		require.NoError(t, err, size)
		assert.Len(t, p.(*packets.Publish).Payload, size-3)
	}
}

// TestAnnouncedLengthTakesNoMemory says a large length and sends nothing.
func TestAnnouncedLengthTakesNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_, err := newConn(&line{in: bytes.NewReader([]byte{0x30, 0xff, 0xff, 0xff, 0x7f})}, nil).read()
		require.ErrorContains(t, err, "at most")
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

// FuzzConn sends arbitrary bytes to the reader: it must end with an error and
// never crash.
func FuzzConn(f *testing.F) {
	for _, p := range []io.WriterTo{
		&packets.Connack{Properties: &packets.Properties{ReasonString: "x"}},
		&packets.Publish{QoS: 1, PacketID: 1, Topic: "a/b", Payload: []byte("{}"),
			Properties: &packets.Properties{ContentType: "x"}},
		&packets.Suback{PacketID: 1, Reasons: []byte{1}, Properties: &packets.Properties{}},
		&packets.Disconnect{ReasonCode: 0x8e, Properties: &packets.Properties{}},
	} {
		var b bytes.Buffer
		_, err := p.WriteTo(&b)
		require.NoError(f, err)
		f.Add(b.Bytes())
	}
	f.Add([]byte{0x30, 0x09, 0x00, 0x01, 'a', 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00})
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := newConn(&line{in: bytes.NewReader(sent)}, nil)
		for range len(sent) + 1 {
			if _, err := c.read(); err != nil {
				return
			}
		}
		t.Fatal("more packets than bytes")
	})
}
