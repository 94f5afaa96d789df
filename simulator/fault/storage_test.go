package fault_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// TestShareOfADownload breaks off where the share of the bytes has come.
func TestShareOfADownload(t *testing.T) {
	for _, percent := range []scenario.Percent{0.01, 10, 50, 99.9, 100} {
		b := newBench(t, scenario.Fault{Kind: scenario.Drop, At: scenario.At(ota.Downloading), After: share(percent),
			For: lasting(time.Second)})
		b.report("app", ota.Downloading) // the bytes count, not the report
		assert.Empty(t, b.drops)
		_, body, err := b.download()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Equal(t, b.body[:min(percent.Of(1000), 999)], body, "%s", percent)
		assert.Equal(t, []time.Duration{time.Second}, b.drops)
		assert.Equal(t, 1, b.fired)
		_, body, err = b.download()
		require.NoError(t, err)
		assert.Equal(t, b.body, body)
	}
}

// TestUnreadBody gives an occurrence back whose byte was never asked for: the
// fault strikes the next answer.
func TestUnreadBody(t *testing.T) {
	for _, kind := range []scenario.Kind{scenario.Drop, scenario.PowerCut, scenario.Corrupt, scenario.URLExpired} {
		b := newBench(t, scenario.Fault{Kind: kind, At: scenario.At(ota.Downloading), After: share(50)})
		unread := b.ask()
		unread.Refund()
		unread.Refund() // a second time gives nothing back
		assert.Zero(t, b.fired, kind)
		_, body, _ := b.download()
		assert.NotEqual(t, b.body, body, kind)
		if kind == scenario.URLExpired {
			status, _, _ := b.download()
			assert.Equal(t, http.StatusForbidden, status)
		}
		assert.Equal(t, 1, b.fired, kind)
		_, body, err := b.download()
		require.NoError(t, err)
		assert.Equal(t, b.body, body, kind)
	}
}

func TestCorruptFlipsOneBit(t *testing.T) {
	for _, after := range []scenario.After{{}, share(50), share(100)} {
		b := newBench(t, scenario.Fault{Kind: scenario.Corrupt, At: scenario.At(ota.Downloading), After: after})
		_, body, err := b.download()
		require.NoError(t, err)
		require.Len(t, body, len(b.body))
		wrong := -1
		for i := range body {
			if body[i] != b.body[i] {
				assert.Equal(t, -1, wrong, "only one byte is wrong")
				assert.Equal(t, b.body[i]^1, body[i])
				wrong = i
			}
		}
		require.NotEqual(t, -1, wrong)
		if after.ByShare() {
			assert.Equal(t, min(after.Share.Lo.Of(1000), 999), wrong)
		}
	}
}

func TestStorageRefuses(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.HTTPStatus, At: scenario.At(ota.Downloading),
		Status: http.StatusTooManyRequests})
	status, _, err := b.download()
	require.NoError(t, err)
	assert.Equal(t, http.StatusTooManyRequests, status)

	b = newBench(t, scenario.Fault{Kind: scenario.URLExpired, At: scenario.At(ota.Downloading), After: share(30)})
	_, body, err := b.download()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Len(t, body, 300)
	status, _, _ = b.download()
	assert.Equal(t, http.StatusForbidden, status, "what is asked next is refused")
	status, _, _ = b.download()
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, 1, b.fired)
}
