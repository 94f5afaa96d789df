package native

import (
	"bytes"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// packed is a packet as paho writes it.
func packed(t testing.TB, p packets.Packet) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := p.WriteTo(&b)
	require.NoError(t, err)
	return b.Bytes()
}

// judged is what paho makes of a packet's body, and whether it takes it.
func judged(p packets.Packet, body []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = assert.AnError
		}
	}()
	return p.Unpack(bytes.NewBuffer(body))
}

// FuzzAppendPublish: the bytes are those that paho writes.
func FuzzAppendPublish(f *testing.F) {
	f.Add("ota/v1/p/d/up/status", true, uint16(7), []byte(`{"seq":1}`))
	f.Add("", false, uint16(0), []byte{})
	f.Add("a", true, uint16(65535), bytes.Repeat([]byte("x"), 20_000)) // a length of three bytes
	f.Fuzz(func(t *testing.T, topic string, counted bool, id uint16, payload []byte) {
		if len(topic) > 1<<16-1 {
			return // no topic of ours is as long
		}
		p := &packets.Publish{Topic: topic, Payload: payload, Properties: &packets.Properties{ContentType: wire.ContentType}}
		if counted {
			p.QoS, p.PacketID = 1, id
		}
		before := []byte("what was there")
		got := appendPublish(before, topic, p.QoS, id, payload)
		assert.Equal(t, packed(t, p), got[len(before):])
		assert.Equal(t, "what was there", string(got[:len(before)]))
	})
}

// TestAppendPublishLengths in one to four bytes are paho's.
func TestAppendPublishLengths(t *testing.T) {
	const beside = 2 + 1 + 2 + 1 + len(contentType) // topic, identifier, properties
	for _, length := range []int{beside, 127, 128, 16_383, 16_384, ota.MaxPayload} {
		payload := make([]byte, length-beside)
		p := &packets.Publish{QoS: 1, PacketID: 300, Topic: "t", Payload: payload,
			Properties: &packets.Properties{ContentType: wire.ContentType}}
		assert.Equal(t, packed(t, p), appendPublish(nil, "t", 1, 300, payload), length)
	}
}

// FuzzPuback: both ways as paho's.
func FuzzPuback(f *testing.F) {
	f.Add(uint16(1), byte(0), []byte{0, 1})
	f.Add(uint16(65535), byte(packets.PubackQuotaExceeded), []byte{0, 1, 0x97, 0})
	f.Add(uint16(9), byte(1), []byte{0, 1, 0x97, 3, 31, 0, 0}) // with a reason
	f.Fuzz(func(t *testing.T, id uint16, reason byte, body []byte) {
		p := &packets.Puback{PacketID: id, ReasonCode: reason, Properties: &packets.Properties{}}
		assert.Equal(t, packed(t, p), appendPuback(nil, id, reason))

		got := parsePuback(packets.PUBACK<<4, body)
		if got == nil {
			return
		}
		want := &packets.Puback{Properties: &packets.Properties{}}
		require.NoError(t, judged(want, body), "paho refuses what is taken")
		assert.Equal(t, &packets.Properties{}, want.Properties)
		want.Properties = nil
		assert.Equal(t, want, got)
	})
}

// FuzzParsePublish: what is read here is read by paho, too, and as the same message.
func FuzzParsePublish(f *testing.F) {
	seconds := uint32(300)
	for _, p := range []*packets.Publish{
		{Topic: "a/b", Payload: []byte("{}"), Properties: &packets.Properties{}},
		{Topic: "a/b", QoS: 1, PacketID: 258, Duplicate: true, Payload: []byte("{}"),
			Properties: &packets.Properties{ContentType: wire.ContentType}},
		{Topic: "", QoS: 1, Retain: true, Properties: &packets.Properties{ContentType: "x"}},
		{Topic: "t", Payload: []byte("p"), Properties: &packets.Properties{ContentType: strings.Repeat("x", 200)}},
		{Topic: "t", Properties: &packets.Properties{ContentType: "x", ResponseTopic: "y"}},
		{Topic: "t", Properties: &packets.Properties{ContentType: "x", MessageExpiry: &seconds}},
		{Topic: "t", Properties: &packets.Properties{MessageExpiry: &seconds}, Payload: []byte("p")},
	} {
		whole := packed(f, p)
		head := 2
		if whole[1] > 0x7f {
			head++
		}
		f.Add(whole[0], whole[head:])
	}
	f.Add(byte(0x30), []byte{0, 1, 'a', 3, packets.PropContentType, 0, 1, 'x'}) // one byte too few
	f.Add(byte(0x34), []byte{0, 1, 'a', 0, 1, 0})                               // QoS 2
	expires := []byte{packets.PropMessageExpiry, 0, 0, 0, 9}
	f.Add(byte(0x30), append([]byte{0, 1, 'a', 9}, append(expires, packets.PropContentType, 0, 1, 'x')...))
	f.Add(byte(0x30), append([]byte{0, 1, 'a', 10}, append(expires, expires...)...)) // twice
	f.Fuzz(func(t *testing.T, first byte, body []byte) {
		got := parsePublish(first, body)
		if got == nil {
			return
		}
		require.EqualValues(t, packets.PUBLISH, first>>4)
		want := &packets.Publish{QoS: first >> 1 & 3, Duplicate: first&8 != 0, Retain: first&1 != 0,
			Properties: &packets.Properties{}}
		require.NoError(t, judged(want, body), "paho refuses what is taken")
		want.Properties.ContentType, want.Properties.MessageExpiry = "", nil
		assert.Equal(t, &packets.Properties{}, want.Properties, "a property is lost")
		want.Properties = nil
		if len(want.Payload) == 0 {
			want.Payload = got.Payload[:0]
		}
		assert.Equal(t, want, got)
	})
}

// TestParsePublishTakesWhatBrokersSend of a platform's messages, rather than leave it to
// paho.
func TestParsePublishTakesWhatBrokersSend(t *testing.T) {
	seconds := uint32(300)
	for _, kind := range []string{"", wire.ContentType} {
		for _, expires := range []*uint32{nil, &seconds} {
			whole := packed(t, &packets.Publish{QoS: 1, PacketID: 3, Topic: "ota/v1/p/d/down/ack", Payload: []byte(`{"seq":1}`),
				Properties: &packets.Properties{ContentType: kind, MessageExpiry: expires}})
			assert.NotNil(t, parsePublish(whole[0], whole[2:]), kind)
		}
	}
}

// TestSeveralPacketsInOneRead, of which one is longer than a buffer, and the last ends in
// the next read.
func TestSeveralPacketsInOneRead(t *testing.T) {
	var all []byte
	sizes := []int{0, 100, 2 * bufferSize, bufferSize - 10, 1, 300}
	for i, size := range sizes {
		all = appendPublish(all, "a/b", 1, uint16(i+1), bytes.Repeat([]byte{byte(i)}, size))
	}
	for _, step := range []int{1, 7, 1000, bufferSize, len(all)} {
		c := newConn(&line{in: &stepping{all, step}}, &Buffers{})
		for i, size := range sizes {
			p, err := c.read()
			require.NoError(t, err)
			publish := p.(*packets.Publish)
			require.EqualValues(t, i+1, publish.PacketID, "steps of %d", step)
			require.Equal(t, bytes.Repeat([]byte{byte(i)}, size), bytes.Clone(publish.Payload[:size]))
			require.Len(t, publish.Payload, size)
		}
		there, err := c.more()
		require.NoError(t, err)
		require.False(t, there)
		require.Nil(t, c.buf, "one that waits has no buffer")
	}
}

// stepping gives at most step bytes in one read.
type stepping struct {
	left []byte
	step int
}

func (s *stepping) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), s.step)], s.left)
	s.left = s.left[n:]
	return n, nil
}

func BenchmarkWritePublish(b *testing.B) {
	payload := bytes.Repeat([]byte("x"), 200)
	b.Run("append", func(b *testing.B) {
		out := make([]byte, 0, bufferSize)
		b.ReportAllocs()
		for b.Loop() {
			out = appendPublish(out[:0], "ota/v1/gw-200/gw-0001/up/status", 1, 7, payload)
		}
	})
	b.Run("paho", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var out bytes.Buffer
			_, _ = (&packets.Publish{Topic: "ota/v1/gw-200/gw-0001/up/status", QoS: 1, PacketID: 7, Payload: payload,
				Properties: &packets.Properties{ContentType: wire.ContentType}}).WriteTo(&out)
		}
	})
}

func BenchmarkReadPublish(b *testing.B) {
	whole := appendPublish(nil, "ota/v1/gw-200/gw-0001/down/ack", 1, 7, bytes.Repeat([]byte("x"), 30))
	first, body := whole[0], whole[2:]
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			parsePublish(first, body)
		}
	})
	b.Run("paho", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := &packets.Publish{QoS: 1, Properties: &packets.Properties{}}
			if err := p.Unpack(bytes.NewBuffer(body)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
