package download_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

// meter is a transport that counts the bytes the agent reads and cuts the body
// or the agent after so many of them.
type meter struct {
	next http.RoundTripper
	read int64
	left int64 // bytes until the cut
	cut  func() error
}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := m.next.RoundTrip(r)
	if err == nil {
		response.Body = &metered{response.Body, m}
	}
	return response, err
}

type metered struct {
	io.ReadCloser
	meter *meter
}

func (b *metered) Read(p []byte) (int, error) {
	if b.meter.left <= 0 {
		return 0, b.meter.cut()
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.meter.left)])
	b.meter.read += int64(n)
	b.meter.left -= int64(n)
	return n, err
}

// TestPowerCuts cuts the power after random numbers of bytes, over and over: a
// new Fetcher finds the place as the cut has left it. However often that
// happens, a cut costs at most the chunk that was in memory.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	const chunk = 4096
	data := image(200_000, 1)
	file := describe("fw", data, chunk)
	s := newServer(t, data)
	place := newPlace(t, file)
	draw := rand.New(rand.NewPCG(1, 2))
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)

	m := &meter{next: transport}
	cuts := 0
	for {
		ctx, power := context.WithCancel(t.Context())
		m.left = draw.Int64N(4 * chunk)
		m.cut = func() error { power(); return context.Canceled }
		config := quick()
		config.Transport = m
		result := newFetcher(t, config).Fetch(ctx, jobOf(file, place, s.URL))
		power()
		if result.Failure == nil {
			require.Empty(t, result.Need)
			break
		}
		require.Equal(t, ota.Internal, result.Failure.Code)
		cuts++
	}
	place.holds(data)
	assert.Greater(t, cuts, 20)
	assert.LessOrEqual(t, m.read, file.Size+int64(cuts)*chunk, "each of %d cuts costs at most one chunk", cuts)
	assert.Equal(t, len(file.Chunks), place.writes, "no chunk is written twice")
}

// TestConnectionCuts cuts the connection instead. The download goes on by
// itself, as long as every connection brings a new chunk now and then.
func TestConnectionCuts(t *testing.T) {
	t.Parallel()
	const chunk = 4096
	data := image(200_000, 1)
	file := describe("fw", data, chunk)
	s := newServer(t, data)
	place := newPlace(t, file)
	draw := rand.New(rand.NewPCG(3, 4))
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cuts := 0
	m := &meter{next: transport, left: 3 * chunk}
	m.cut = func() error {
		cuts++
		m.left = chunk/2 + draw.Int64N(4*chunk)
		return errors.New("connection reset by peer")
	}
	config := quick()
	config.Transport = m
	job := jobOf(file, place, s.URL)
	job.Setbacks.Renewed = true
	succeeded(t, newFetcher(t, config).Fetch(t.Context(), job))
	place.holds(data)
	assert.Greater(t, cuts, 20)
	assert.LessOrEqual(t, m.read, file.Size+int64(cuts)*chunk)
	assert.Equal(t, len(file.Chunks), place.writes)
}

// TestEmptyReads meets a body that brings neither bytes nor an error.
func TestEmptyReads(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	s := newServer(t, data)
	m := &meter{next: http.DefaultTransport, cut: func() error { return nil }}
	config := quick()
	config.StallTimeout = time.Minute
	config.Transport = m
	job := jobOf(file, newPlace(t, file), s.URL)
	job.Setbacks.Renewed = true
	failedWith(t, newFetcher(t, config).Fetch(t.Context(), job), ota.NetworkTimeout)
}
