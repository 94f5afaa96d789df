package netem

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/trace"
)

// object is a storage that answers at once.
type object int

func (o object) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(make([]byte, o)))}, nil
}

// traced is a link that follows a trace from its beginning, of a time that the test
// decides.
func traced(t *testing.T, text string, link scenario.Link, base http.RoundTripper) *Link {
	t.Helper()
	var err error
	link.Trace, err = trace.Parse("line.csv", []byte(text))
	require.NoError(t, err)
	link.TraceAtBegin = true
	began := time.Now()
	return NewLink(model.NewLine(&link, 1, "d"), func() time.Duration { return time.Since(began) },
		func() float64 { return 0.5 }, &net.Dialer{}, base)
}

// TestABodyFollowsATrace: each part of a body comes when the trace has carried it, over
// changes, outages, and the end of the trace.
func TestABodyFollowsATrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const text = "time_s,down_bytes_s\n0,10000\n2,0\n3,40000\n4\n"
		l := traced(t, text, scenario.Link{}, object(100_000))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://store", nil)
		require.NoError(t, err)
		answer, err := l.RoundTrip(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		began := time.Now()
		read := 0
		for _, step := range []struct {
			bytes int
			at    time.Duration
		}{{10_000, time.Second}, {20_000, 2 * time.Second}, {40_000, 3500 * time.Millisecond}, {60_000, 4 * time.Second},
			{80_000, 6 * time.Second}, {100_000, 7500 * time.Millisecond}} {
			_, err := io.CopyN(io.Discard, answer.Body, int64(step.bytes-read))
			require.NoError(t, err)
			read = step.bytes
			assert.InDelta(t, step.at.Seconds(), time.Since(began).Seconds(), 0.11, "%d bytes", read)
		}
	})
}

// TestALinkFollowsATrace: latency and outages are those of the trace.
func TestALinkFollowsATrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const text = "time_s,down_bytes_s,latency_ms\n0,1000,10\n1,1000,500\n3,0,0\n8,1000,20\n9\n"
		l := traced(t, text, scenario.Link{}, object(0))
		took := func() time.Duration {
			began := time.Now()
			require.NoError(t, l.travel(t.Context(), 1))
			return time.Since(began)
		}
		assert.Equal(t, 10*time.Millisecond, took())
		time.Sleep(time.Second)
		assert.Equal(t, 500*time.Millisecond, took())
		time.Sleep(time.Second + 490*time.Millisecond)
		assert.Equal(t, 5*time.Second, l.stillness())
		assert.Equal(t, 5*time.Second+20*time.Millisecond, took(), "when the outage is over")
		assert.False(t, l.IsDown(), "nothing tells of it")
	})
}

// TestUploadTakesItsTime: what a session sends leaves as fast as the link lets it.
func TestUploadTakesItsTime(t *testing.T) {
	l := newLink(t, scenario.Link{Upload: 1000})
	conn, err := l.Dial(t.Context(), "tcp", echo(t))
	require.NoError(t, err)
	defer conn.Close()
	began := time.Now()
	exchangeWords(t, conn, string(bytes.Repeat([]byte("x"), 99)))
	assert.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
}
