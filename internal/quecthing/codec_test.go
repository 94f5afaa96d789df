package quecthing_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/internal/quecthing"
)

func TestNumbersOfFramesWrap(t *testing.T) {
	require.EqualValues(t, 1, quecthing.NextID(0))
	require.EqualValues(t, 65534, quecthing.NextID(65533))
	require.EqualValues(t, 1, quecthing.NextID(65534))
}

func TestFramesThatCannotBe(t *testing.T) {
	_, err := quecthing.Frame{Command: quecthing.UpgradeAsk}.Encode()
	require.ErrorContains(t, err, "a number from 1 to 65534, not 0")
	_, err = quecthing.Frame{ID: 1, Payload: make([]byte, quecthing.MaxPayload+1)}.Encode()
	require.ErrorContains(t, err, "over the limit")
	_, err = quecthing.DecodeFrame(make([]byte, quecthing.MaxFrame+1))
	require.ErrorIs(t, err, quecthing.ErrFrame)
	// The SDK's length wraps: no command, and 65535 bytes of payload.
	_, err = quecthing.DecodeFrame([]byte{0xaa, 0xaa, 0, 4, 0x02, 0, 1, 1, 0x15})
	require.ErrorIs(t, err, quecthing.ErrFrame)
}

func TestTheLargestFrame(t *testing.T) {
	f := quecthing.Frame{ID: 0xaaaa, Command: 0xaaaa, Payload: []byte(strings.Repeat("\xaa", quecthing.MaxPayload))}
	b, err := f.Encode()
	require.NoError(t, err)
	require.LessOrEqual(t, len(b), quecthing.MaxFrame)
	back, err := quecthing.DecodeFrame(b)
	require.NoError(t, err)
	require.Equal(t, f, back)
}

func TestItemsOfAnotherKindAreAbsent(t *testing.T) {
	s, err := quecthing.DecodeItems(quecthing.Items{quecthing.Float(8, 30.5), quecthing.Text(9, ""),
		quecthing.Int(10, -113), quecthing.Raw(11, []byte("a\x00b"))}.Encode())
	require.NoError(t, err)
	_, ok := s.Int(8)
	require.False(t, ok, "a number with decimals is no integer")
	v, ok := s.Float(8)
	require.True(t, ok)
	require.InDelta(t, 30.5, v, 0)
	n, ok := s.Int(10)
	require.True(t, ok)
	require.EqualValues(t, -113, n)
	require.Equal(t, "a", s.Text(11))
	require.Empty(t, s.Text(10))
	require.Empty(t, s.Text(9))
	_, ok = s.Bool(9)
	require.False(t, ok)
	_, ok = s.Nested(9)
	require.False(t, ok)
	require.False(t, s.Has(12))
}

func TestItemsAreBounded(t *testing.T) {
	_, err := quecthing.DecodeItems(make([]byte, 2*quecthing.MaxItems+2))
	require.ErrorIs(t, err, quecthing.ErrItems)
	deep := quecthing.Nested(1)
	for range quecthing.MaxDepth {
		deep = quecthing.Nested(1, deep)
	}
	_, err = quecthing.DecodeItems(quecthing.Items{deep}.Encode())
	require.ErrorIs(t, err, quecthing.ErrItems)
	_, err = quecthing.DecodeItems(deep.Items.Encode())
	require.NoError(t, err)
}

func TestPasswords(t *testing.T) {
	const secret = "0123456789abcdef0123" // longer than its key
	text, err := quecthing.FirstPassword("p1", secret, "dev-1", "ABCDEFGHIJKLMNOP", true)
	require.NoError(t, err)
	p, err := quecthing.ParsePassword(text)
	require.NoError(t, err)
	require.True(t, p.First)
	require.True(t, p.Session)
	require.Equal(t, "p1", p.Product)
	device, err := p.CheckFirst(secret)
	require.NoError(t, err)
	require.Equal(t, "dev-1", device)
	_, err = p.CheckFirst("0123456789abcdef4567")
	require.ErrorIs(t, err, quecthing.ErrPassword)
	require.ErrorIs(t, p.CheckLogin(secret, ""), quecthing.ErrPassword)
	_, err = p.CheckFirst("short")
	require.ErrorContains(t, err, "at least 16 characters")

	p, err = quecthing.ParsePassword(quecthing.LoginPassword(secret, "mine", "ABCDEFGHIJKLMNOP", false))
	require.NoError(t, err)
	require.NoError(t, p.CheckLogin(secret, "mine"))
	require.ErrorIs(t, p.CheckLogin(secret, "yours"), quecthing.ErrPassword)
	_, err = p.CheckFirst(secret)
	require.ErrorIs(t, err, quecthing.ErrPassword)
	for _, wrong := range []string{"", "1;0000;a", "2;0000;a;b", "1;0002;a;b", "1;0000;a;" + strings.Repeat("b", 2000)} {
		_, err = quecthing.ParsePassword(wrong)
		require.ErrorIs(t, err, quecthing.ErrPassword)
	}
}

func TestSessionKeys(t *testing.T) {
	_, err := quecthing.NewCipher([]byte("short"))
	require.ErrorContains(t, err, "16 bytes, not 5")
	c, err := quecthing.NewCipher([]byte("0123456789abcdef"))
	require.NoError(t, err)
	for _, plain := range []string{"", "x", strings.Repeat("x", 16), strings.Repeat("x", 1000)} {
		opened, err := c.Open(c.Seal([]byte(plain)))
		require.NoError(t, err)
		require.Equal(t, plain, string(opened))
	}
	for _, wrong := range []string{"", "x", strings.Repeat("x", 16), strings.Repeat("x", 31)} {
		_, err := c.Open([]byte(wrong))
		require.Error(t, err)
	}
}

func TestTopics(t *testing.T) {
	client := quecthing.ClientID("p1", "dev")
	require.Equal(t, "qdp1dev", client)
	for topic, taken := range map[string]bool{
		quecthing.Downlink(client, quecthing.OTA): true, "q/1/d/qdp1dev/bus/app9": true, "q/1/d/qdp1dev": false,
		"q/1/d/qdp1dev/a/b/c": false, "q/1/d/qdp1other/ota": false, "q/2/d/qdp1dev/ota": false,
	} {
		require.Equal(t, taken, quecthing.IsDownlink(client, topic), topic)
	}
	from, c, ok := quecthing.ParseUplink(quecthing.Uplink(client, quecthing.Sys))
	require.True(t, ok)
	require.Equal(t, client, from)
	require.Equal(t, quecthing.Sys, c)
	for _, topic := range []string{"", "q/2/d/", "q/2/d/x", "q/2/d/x/", "q/2/d//sys", "q/2/d/x/sys/y", "q/1/d/x/sys"} {
		_, _, ok = quecthing.ParseUplink(topic)
		require.False(t, ok, topic)
	}
}

func TestStatusesHaveTexts(t *testing.T) {
	require.Equal(t, "REVICEPLAN", quecthing.Received.String())
	for s := range quecthing.Status(14) {
		require.Equal(t, s == 0 || s == 7 || s == 10 || s == 13, s.String() == "", s)
	}
}
