package download_test

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent/download"
	"otafleet/internal/ota"
)

// knowledge is what a process knows of the packages that its devices download.
type knowledge struct {
	mu     sync.Mutex
	chunks map[ota.Digest][]byte
	wholes map[ota.Digest]bool
}

// remember notes the chunks of an image.
func (m *knowledge) remember(file *ota.File, data []byte) {
	m.chunks, m.wholes = map[ota.Digest][]byte{}, map[ota.Digest]bool{}
	for i := range file.Chunks {
		offset, length := file.ChunkAt(i)
		m.chunks[file.Chunks[i]] = data[offset : offset+length]
	}
}

func (m *knowledge) Has(digest ota.Digest, data []byte) bool {
	known, is := m.chunks[digest]
	return is && bytes.Equal(known, data)
}

func (m *knowledge) IsWhole(file *ota.File) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wholes[file.SHA256]
}

func (m *knowledge) Whole(file *ota.File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wholes[file.SHA256] = true
}

// TestKnownBytes are those of the image, and of no other one.
func TestKnownBytes(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 1000)
	m := &knowledge{}
	m.remember(&file, data)
	config := quick()
	config.Known = m
	fetcher := newFetcher(t, config)
	for range 2 { // the second one is known as a whole
		place := newPlace(t, file)
		succeeded(t, fetcher.Fetch(t.Context(), jobOf(file, place, newServer(t, data).URL)))
		place.holds(data)
		assert.True(t, m.IsWhole(&file))
	}

	// Another byte is another chunk: it is fetched again elsewhere.
	spoilt := bytes.Clone(data)
	spoilt[4321] ^= 1
	place := newPlace(t, file)
	good := newServer(t, data)
	succeeded(t, fetcher.Fetch(t.Context(), jobOf(file, place, newServer(t, spoilt).URL, good.URL)))
	place.holds(data)
	assert.Equal(t, []string{"bytes=4000-4999"}, good.ranges())

	// What was in place before is not believed for its name.
	place = newPlace(t, file)
	place.put(spoilt, 0)
	s := newServer(t, data)
	succeeded(t, fetcher.Fetch(t.Context(), jobOf(file, place, s.URL)))
	place.holds(data)
	assert.Equal(t, []string{"bytes=4000-4999"}, s.ranges())
}

// TestKnownChunksOfAWrongWhole fail for every device, not only for the first one.
func TestKnownChunksOfAWrongWhole(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 1000)
	file.SHA256 = sha256.Sum256([]byte("another image"))
	m := &knowledge{}
	m.remember(&file, data)
	config := quick()
	config.Known = m
	fetcher := newFetcher(t, config)
	for range 2 {
		failedWith(t, fetcher.Fetch(t.Context(), jobOf(file, newPlace(t, file), newServer(t, data).URL)), ota.DigestMismatch)
		assert.False(t, m.IsWhole(&file))
	}
}

// BenchmarkFetchKnown streams 10 MiB that a thousand devices before it had.
func BenchmarkFetchKnown(b *testing.B) {
	const size = 10 << 20
	data := image(size, 1)
	file := describe("fw", data, 64<<10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer s.Close()
	m := &knowledge{}
	m.remember(&file, data)
	for name, known := range map[string]download.Known{"known": m, "unknown": nil} {
		b.Run(name, func(b *testing.B) {
			config := quick()
			config.Known = known
			fetcher := newFetcher(b, config)
			b.SetBytes(size)
			for b.Loop() {
				succeeded(b, fetcher.Fetch(b.Context(), jobOf(file, new(sink), s.URL)))
			}
		})
	}
}
