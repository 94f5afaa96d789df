package serial

import (
	"bytes"
	"hash/crc32"
	"math/bits"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChecksums(t *testing.T) {
	assert.Equal(t, uint16(0x31c3), crc16([]byte("123456789")))
	assert.Equal(t, uint32(0x0376e6e7), crc32mpeg([]byte("123456789")))
	// The same polynomial as Go's, with every bit the other way round.
	mirrored := []byte("123456789")
	for i, b := range mirrored {
		mirrored[i] = bits.Reverse8(b)
	}
	assert.Equal(t, bits.Reverse32(^crc32.ChecksumIEEE(mirrored)), crc32mpeg([]byte("123456789")))
}

func crc32mpeg(b []byte) uint32 {
	c := crcMPEG(0xffffffff)
	_, _ = c.Write(b)
	return uint32(c)
}

func TestHeaderOfYModem(t *testing.T) {
	assert.Equal(t, append([]byte("motor.bin\x007001"), make([]byte, 128-14)...), header("motor.bin", 7001))
	assert.Len(t, header(strings.Repeat("a", 128), 1<<40), longBlock)
}

func TestMapsThere(t *testing.T) {
	encoded := encodeMap(pair{"off", 300}, pair{"data", []byte{1, 2}}, pair{"confirm", true}, pair{"x", false},
		pair{"big", 1 << 40})
	values, err := decodeMap(encoded)
	require.NoError(t, err)
	assert.Equal(t,
		map[string]any{"off": int64(300), "data": []byte{1, 2}, "confirm": true, "x": false, "big": int64(1 << 40)}, values)
	assert.Equal(t, []byte("\xa1\x63off\x19\x01\x2c"), encodeMap(pair{"off", 300}), "RFC 8949, as short as it can be")
}

func TestMapsBack(t *testing.T) {
	for in, want := range map[string]map[string]any{
		"\xa0":                               {},
		"\xbf\xff":                           {},
		"\xbf\x62rc\x20\xff":                 {"rc": int64(-1)},
		"\xa1\x61a\x9f\xa1\x61b\xf6\x01\xff": {"a": []any{map[string]any{"b": nil}, int64(1)}},
		"\xa1\x61a\x82\xf4\xf5":              {"a": []any{false, true}},
	} {
		values, err := decodeMap([]byte(in))
		require.NoError(t, err, "%x", in)
		assert.Equal(t, want, values)
	}
	for _, in := range []string{
		"", "\x01", "\xa1", "\xbf", "\xa1\x61a", "\xa0\x00", "\xa1\x01\x01", "\xa1\x61a\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
		"\xa1\x61a\xfb\x00", "\xa1\x61a\x5f\xff", "\xa1\x61a" + strings.Repeat("\x81", 20) + "\x01", "\xba\xff\xff\xff\xff",
	} {
		_, err := decodeMap([]byte(in))
		assert.ErrorIs(t, err, errCBOR, "%x", in)
	}
}

func FuzzDecodeMap(f *testing.F) {
	f.Add(encodeMap(pair{"off", 300}, pair{"data", []byte{1, 2}}))
	f.Add([]byte("\xbf\x66images\x9f\xbf\x64slot\x00\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		values, err := decodeMap(b)
		if err != nil {
			require.Nil(t, values)
			return
		}
		require.LessOrEqual(t, len(values), len(b))
		_ = refusal(values)
	})
}

func TestFrames(t *testing.T) {
	packet := bytes.Repeat([]byte("smp"), 100)
	lines := bytes.SplitAfter(frames(packet), []byte("\n"))
	lines = lines[:len(lines)-1]
	require.Greater(t, len(lines), 3)
	var u unframer
	for i, l := range lines {
		require.LessOrEqual(t, len(l), maxFrame)
		assert.Nil(t, u.take([]byte("a line of the console\r\n")))
		whole := u.take(append([]byte("uart:~$ "), l...))
		if i < len(lines)-1 {
			require.Nil(t, whole)
		} else {
			require.Equal(t, packet, whole)
		}
	}
}

// FuzzUnframer gives any lines to the unframer; what it gives back must be a
// packet whose CRC was right.
func FuzzUnframer(f *testing.F) {
	f.Add(frames([]byte("12345678packet")))
	f.Add(append([]byte("noise"), frames(bytes.Repeat([]byte("x"), 200))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var u unframer
		for l := range bytes.SplitSeq(b, []byte("\n")) {
			if p := u.take(l); p != nil {
				require.LessOrEqual(t, len(p), maxPacket)
				var again unframer
				var back []byte
				for l := range bytes.SplitSeq(frames(p), []byte("\n")) {
					if q := again.take(l); q != nil {
						back = q
					}
				}
				require.Equal(t, p, back)
			}
			require.LessOrEqual(t, len(u.body), maxPacket+maxText)
		}
	})
}

func FuzzParseCommand(f *testing.F) {
	for _, text := range []string{"AT", "AT+QIOTUPDATE=1", "AT+QIOTOTARD=0,1024", `AT+QIOTMCUVER="motor","1.1.0"`,
		"AT+QIOTUPDATE=", "AT+QIOTOTARD=-1,2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCommand(text)
		if err == nil {
			require.GreaterOrEqual(t, min(c.numbers[0], c.numbers[1]), int64(0))
		}
	})
}

func FuzzReadBootImage(f *testing.F) {
	head := append(
		[]byte{0x3d, 0xb8, 0xf3, 0x96, 0, 0, 0, 0, 32, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 9, 0, 0, 0},
		make([]byte, 4)...)
	good := append(append(head, "data"...), 0x07, 0x69, 8, 0, 0x10, 0, 0, 0)
	f.Add(good)
	f.Add([]byte("no image"))
	f.Add(append(bytes.Clone(good[:36]), 0x07, 0x69, 3, 0)) // a trailer that is shorter than its own head
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := readBootImage(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			require.NotEmpty(t, i.version)
			require.LessOrEqual(t, len(i.hash), len(b))
		}
	})
	i, err := readBootImage(bytes.NewReader(good), int64(len(good)))
	require.NoError(f, err)
	require.Equal(f, "1.2.3.9", i.version)
}
