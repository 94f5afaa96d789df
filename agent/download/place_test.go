package download_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// image makes size bytes that differ with the seed.
func image(size int, seed uint64) []byte {
	data := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = source.Read(data)
	return data
}

// describe makes the signed description of data.
func describe(name string, data []byte, chunk int) ota.File {
	f := ota.File{Name: name, Size: int64(len(data)), SHA256: sha256.Sum256(data), Chunk: int64(chunk),
		Encoding: ota.Plain}
	for rest := data; len(rest) > 0; {
		n := min(chunk, len(rest))
		f.Chunks = append(f.Chunks, sha256.Sum256(rest[:n]))
		rest = rest[n:]
	}
	return f
}

// place is an inactive place in memory. It refuses, by failing the test, every
// write that is not a whole chunk with the signed hash.
type place struct {
	t    testing.TB
	file ota.File

	mu      sync.Mutex
	content []byte
	writes  int
	dirty   int // writes since the last sync
	fail    error
	failAt  int // the write that fails, from 1; 0 for none
}

func newPlace(t testing.TB, file ota.File) *place { return &place{t: t, file: file} }

func (p *place) ReadAt(b []byte, offset int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if offset >= int64(len(p.content)) {
		return 0, io.EOF
	}
	n := copy(b, p.content[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p *place) WriteAt(b []byte, offset int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := int(offset / p.file.Chunk)
	_, length := p.file.ChunkAt(i)
	if offset%p.file.Chunk != 0 || int64(len(b)) != length || sha256.Sum256(b) != p.file.Chunks[i] {
		p.t.Errorf("wrong write of %d bytes at %d", len(b), offset)
		return 0, errors.New("wrong write")
	}
	if p.writes++; p.writes == p.failAt {
		return 0, p.fail
	}
	p.put(b, offset)
	p.dirty++
	return len(b), nil
}

// put changes the content without a check, as an earlier life has left it.
func (p *place) put(b []byte, offset int64) {
	if grow := int(offset) + len(b) - len(p.content); grow > 0 {
		p.content = append(p.content, make([]byte, grow)...)
	}
	copy(p.content[offset:], b)
}

func (p *place) Sync() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dirty = 0
	return nil
}

func (p *place) Close() error { return nil }

// holds checks that the place has data, durably.
func (p *place) holds(data []byte) {
	p.t.Helper()
	assert.True(p.t, bytes.Equal(data, p.content), "the place does not hold the image")
	assert.Zero(p.t, p.dirty, "writes that were not synced")
}

// quick is a configuration whose pauses take no time.
func quick() download.Config {
	return download.Config{
		StallTimeout: 10 * time.Second,
		Patience:     time.Nanosecond, // as many requests as attempts
		Allow:        download.Hosts{"127.0.0.0/8"},
		Jitter:       func(time.Duration) time.Duration { return 0 },
	}
}

func newFetcher(t testing.TB, config download.Config) *download.Fetcher {
	t.Helper()
	f, err := download.New(config)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	return f
}

// jobOf is a download of one file from urls.
func jobOf(file ota.File, p firmware.Target, urls ...string) agent.FetchJob {
	return agent.FetchJob{
		Files:     []ota.File{file},
		Places:    []firmware.Target{p},
		Addresses: []ota.FileAddress{{Name: file.Name, URLs: urls}},
	}
}

// succeeded checks that a result is one of success.
func succeeded(t testing.TB, r agent.FetchResult) {
	t.Helper()
	require.Nil(t, r.Failure, "%v", r.Failure)
	require.Empty(t, r.Need)
}

// failedWith checks that a result is a failure with code.
func failedWith(t testing.TB, r agent.FetchResult, code ota.Code) {
	t.Helper()
	require.Empty(t, r.Need)
	require.NotNil(t, r.Failure)
	require.Equal(t, code, r.Failure.Code, "%v", r.Failure)
}

func contentRange(first, last, total int) string {
	return fmt.Sprintf("bytes %d-%d/%d", first, last, total)
}
