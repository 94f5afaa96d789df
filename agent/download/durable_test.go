package download_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/internal/ota"
)

// slow is a place that takes a while to sync, of which a power cut leaves what was
// synced.
type slow struct {
	*place
	takes   time.Duration
	durable []byte
	syncs   int
	fail    func(n int) error // of sync number n, from 1; nil fails none
	syncing atomic.Bool
}

func newSlow(t testing.TB, file ota.File) *slow {
	return &slow{place: newPlace(t, file), takes: time.Second}
}

func (s *slow) Sync() error {
	s.syncing.Store(true)
	defer s.syncing.Store(false)
	time.Sleep(s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.syncs++; s.fail != nil {
		if err := s.fail(s.syncs); err != nil {
			return err
		}
	}
	s.durable, s.dirty = bytes.Clone(s.content), 0
	return nil
}

// cut takes away what was not synced.
func (s *slow) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content, s.dirty = bytes.Clone(s.durable), 0
}

// source is a store that never errs. It counts what is read of it.
type source struct {
	data   []byte
	read   int64
	onRead func()
}

func (s *source) RoundTrip(r *http.Request) (*http.Response, error) {
	first, last := asked(r)
	answer := response(r, http.StatusPartialContent, s.data[first:last+1])
	answer.Header.Set("Content-Range", contentRange(first, last, len(s.data)))
	answer.Body = &sourceBody{answer.Body, s}
	return answer, nil
}

type sourceBody struct {
	io.ReadCloser
	of *source
}

func (b *sourceBody) Read(p []byte) (int, error) {
	if b.of.onRead != nil {
		b.of.onRead()
	}
	n, err := b.ReadCloser.Read(p)
	b.of.read += int64(n)
	return n, err
}

// TestPowerCutsAtASync cuts the power while chunks are made durable, before and after
// they are: none of these cuts costs more than one chunk either, and a chunk that the
// disk has not got is not taken for one that it has.
func TestPowerCutsAtASync(t *testing.T) {
	const chunk = 4096
	data := image(200_000, 1)
	file := describe("fw", data, chunk)
	synctest.Test(t, func(t *testing.T) {
		from := &source{data: data}
		place := newSlow(t, file)
		from.onRead = func() { assert.False(t, place.syncing.Load(), "what is read during a sync is lost besides its chunk") }
		draw := rand.New(rand.NewPCG(5, 6))
		cuts := 0
		for {
			ctx, power := context.WithCancel(t.Context())
			after := time.Duration(draw.Int64N(int64(4 * place.takes)))
			timer := time.AfterFunc(after, power)
			result := newFetcher(t, download.Config{Transport: from}).Fetch(ctx, jobOf(file, place, "http://oss.test/fw"))
			timer.Stop()
			power()
			if result.Failure == nil {
				break
			}
			require.Equal(t, ota.Internal, result.Failure.Code)
			place.cut()
			cuts++
		}
		place.holds(data)
		assert.Greater(t, cuts, 10)
		assert.LessOrEqual(t, from.read, file.Size+int64(cuts)*chunk, "each of %d cuts costs at most one chunk", cuts)
	})
}

// TestSyncThatFails fails the chunk that it is of, with the code of its error.
func TestSyncThatFails(t *testing.T) {
	const chunk = 4096
	data := image(20_000, 1)
	file := describe("fw", data, chunk)
	for want, err := range map[ota.Code]error{ota.SpaceLow: syscall.ENOSPC, ota.WriteFailed: syscall.EIO} {
		synctest.Test(t, func(t *testing.T) {
			from := &source{data: data}
			place := newSlow(t, file)
			place.fail = func(n int) error {
				if n == 3 {
					return err
				}
				return nil
			}
			job := jobOf(file, place, "http://oss.test/fw")
			var done int64
			job.Progress = func(n, _ int64) { done = n }
			fetcher := newFetcher(t, download.Config{Transport: from})
			failedWith(t, fetcher.Fetch(t.Context(), job), want)
			assert.EqualValues(t, 2*chunk, done, "a chunk that is not durable does not count")

			place.cut()
			from.read = 0
			succeeded(t, fetcher.Fetch(t.Context(), job))
			place.holds(data)
			assert.Equal(t, file.Size-2*chunk, from.read)
		})
	}
}

// TestCancelDuringASync waits for the sync: nothing writes to a place of which the
// call has returned.
func TestCancelDuringASync(t *testing.T) {
	data := image(20_000, 1)
	file := describe("fw", data, 4096)
	synctest.Test(t, func(t *testing.T) {
		place := newSlow(t, file)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(place.takes/2, cancel)
		result := newFetcher(t, download.Config{Transport: &source{data: data}}).Fetch(ctx,
			jobOf(file, place, "http://oss.test/fw"))
		failedWith(t, result, ota.Internal)
		assert.False(t, place.syncing.Load())
		assert.Equal(t, 1, place.syncs)
	})
}

// TestWholeHashBesideASync is the file's, although chunks come out of order, and a
// manifest that contradicts itself is found.
func TestWholeHashBesideASync(t *testing.T) {
	data := image(20_000, 1)
	file := describe("fw", data, 4096)
	lying := file
	lying.SHA256 = ota.Digest{1}
	for name, c := range map[string]struct {
		file  ota.File
		there []int // chunks that are in place before
		check func(*testing.T, agent.FetchResult)
	}{
		"in order":     {file, nil, func(t *testing.T, r agent.FetchResult) { succeeded(t, r) }},
		"with holes":   {file, []int{1, 3}, func(t *testing.T, r agent.FetchResult) { succeeded(t, r) }},
		"wrong":        {lying, nil, func(t *testing.T, r agent.FetchResult) { failedWith(t, r, ota.DigestMismatch) }},
		"wrong, holes": {lying, []int{2}, func(t *testing.T, r agent.FetchResult) { failedWith(t, r, ota.DigestMismatch) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				place := newSlow(t, c.file)
				for _, i := range c.there {
					offset, length := c.file.ChunkAt(i)
					place.put(data[offset:offset+length], offset)
				}
				fetcher := newFetcher(t, download.Config{Transport: &source{data: data}})
				c.check(t, fetcher.Fetch(t.Context(), jobOf(c.file, place, "http://oss.test/fw")))
				place.holds(data)
			})
		})
	}
}
