package download_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// sink is a place that forgets, so that only the agent's memory is seen.
type sink struct{ writes, syncs atomic.Int64 }

func (s *sink) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (s *sink) WriteAt(p []byte, _ int64) (int, error) {
	s.writes.Add(1)
	return len(p), nil
}
func (s *sink) Sync() error  { s.syncs.Add(1); return nil }
func (s *sink) Close() error { return nil }

// BenchmarkFetch streams 100 MiB from the loopback. Client and server share the
// processors, and B/op counts both; B/chunk is what a chunk costs.
func BenchmarkFetch(b *testing.B) {
	const size = 100 << 20
	data := image(size, 1)
	file := describe("fw", data, 64<<10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer s.Close()
	fetcher := newFetcher(b, quick())
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		succeeded(b, fetcher.Fetch(b.Context(), jobOf(file, new(sink), s.URL)))
	}
}

// TestMemoryStaysFlat streams 32 MiB and looks at what was allocated in all: a
// chunk's buffer and some headers, whatever the file's size.
func TestMemoryStaysFlat(t *testing.T) {
	const chunk, size = 64 << 10, 32 << 20
	data := image(size, 1)
	file := describe("fw", data, chunk)
	allocated := func(job agent.FetchJob) uint64 {
		var before, after runtime.MemStats
		fetcher := newFetcher(t, quick())
		runtime.ReadMemStats(&before)
		succeeded(t, fetcher.Fetch(t.Context(), job))
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	s := newServer(t, data)
	place := new(sink)
	assert.Less(t, allocated(jobOf(file, place, s.URL)), uint64(1<<20))
	assert.EqualValues(t, size/chunk, place.writes.Load())
	assert.Equal(t, place.writes.Load(), place.syncs.Load(), "every chunk is synced")
}

// BenchmarkFetchToDisk brings 32 MiB to a file on the disk of the tests, each chunk
// synced: what larger chunks save.
func BenchmarkFetchToDisk(b *testing.B) {
	const size = 32 << 20
	data := image(size, 1)
	s := newServer(b, data)
	fetcher := newFetcher(b, quick())
	for _, chunk := range []int{64 << 10, 256 << 10, 1 << 20} {
		b.Run(ota.FormatSize(int64(chunk)), func(b *testing.B) {
			file := describe("fw", data, chunk)
			b.SetBytes(size)
			for b.Loop() {
				place, err := firmware.Disk{}.Create(filepath.Join(b.TempDir(), "fw"))
				require.NoError(b, err)
				succeeded(b, fetcher.Fetch(b.Context(), jobOf(file, place, s.URL)))
				require.NoError(b, place.Close())
			}
		})
	}
}
