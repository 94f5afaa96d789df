package download_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

func TestFetchBringsEveryFile(t *testing.T) {
	t.Parallel()
	one, two, none := image(10_000, 1), image(4096, 2), []byte{}
	files := []ota.File{describe("one", one, 4096), describe("two", two, 4096), describe("none", none, 4096)}
	first, second := newServer(t, one), newServer(t, two)
	places := []*place{newPlace(t, files[0]), newPlace(t, files[1]), newPlace(t, files[2])}
	started, last := 0, int64(-1)
	result := newFetcher(t, quick()).Fetch(t.Context(), agent.FetchJob{
		Files:  files,
		Places: []firmware.Target{places[0], places[1], places[2]},
		Addresses: []ota.FileAddress{ // in another order
			{Name: "two", URLs: []string{second.URL}},
			{Name: "one", URLs: []string{first.URL}},
		},
		Started: func() { started++ },
		Progress: func(done, total int64) {
			assert.Greater(t, done, last)
			assert.EqualValues(t, 14_096, total)
			last = done
		},
	})
	succeeded(t, result)
	places[0].holds(one)
	places[1].holds(two)
	assert.Equal(t, 1, started)
	assert.EqualValues(t, 14_096, last)
	assert.Equal(t, []string{"bytes=0-9999"}, first.ranges(), "one request for a contiguous run")
}

func TestFetchOfWhatIsThereAsksNoServer(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	place := newPlace(t, file)
	place.put(data, 0)
	job := jobOf(file, place)
	job.Started = func() { t.Error("started") }
	job.Setbacks.Fruitless = 4
	result := newFetcher(t, quick()).Fetch(t.Context(), job)
	succeeded(t, result)
	assert.Zero(t, place.writes)
}

func TestFetchAsksForRunsOfMissingChunks(t *testing.T) {
	t.Parallel()
	data := image(10*1000, 1)
	file := describe("fw", data, 1000)
	place := newPlace(t, file)
	place.put(data, 0)
	for _, i := range []int{1, 2, 5, 9} {
		place.put(make([]byte, 1000), int64(i*1000))
	}
	s := newServer(t, data)
	succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, place, s.URL)))
	place.holds(data)
	assert.Equal(t, []string{"bytes=1000-2999", "bytes=5000-5999", "bytes=9000-9999"}, s.ranges())
	assert.Equal(t, 4, place.writes)
}

func TestBadChunkIsFetchedAloneFromTheNextAddress(t *testing.T) {
	t.Parallel()
	data := image(10*1000, 1)
	file := describe("fw", data, 1000)
	damaged := append([]byte(nil), data...)
	damaged[3500] ^= 1
	first, second := newServer(t, damaged), newServer(t, data)
	place := newPlace(t, file)
	succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, place, first.URL, second.URL)))
	place.holds(data)
	assert.Equal(t, []string{"bytes=0-9999"}, first.ranges(), "the stream goes on after the bad chunk")
	assert.Equal(t, []string{"bytes=3000-3999"}, second.ranges())
}

func TestAnotherObjectIsLeftAfterThreeChunks(t *testing.T) {
	t.Parallel()
	data := image(100*1000, 1)
	file := describe("fw", data, 1000)
	first, second := newServer(t, image(100*1000, 2)), newServer(t, data)
	place := newPlace(t, file)
	succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, place, first.URL, second.URL)))
	place.holds(data)
	assert.Equal(t, []string{"bytes=0-99999"}, second.ranges())
}

// TestEveryMirrorIsPartlyRight has no address that is right alone.
func TestEveryMirrorIsPartlyRight(t *testing.T) {
	t.Parallel()
	data := image(60*1000, 1)
	file := describe("fw", data, 1000)
	var urls []string
	for m := range 3 {
		damaged := append([]byte(nil), data...)
		for i := range 60 {
			if i%3 == m {
				damaged[i*1000+7] ^= 1
			}
		}
		urls = append(urls, newServer(t, damaged).URL)
	}
	place := newPlace(t, file)
	succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, place, urls...)))
	place.holds(data)
}

// TestServerWithoutRanges ends even where every resume costs the whole way
// again.
func TestServerWithoutRanges(t *testing.T) {
	t.Parallel()
	data := image(3<<20, 1)
	file := describe("fw", data, 64<<10)
	place := newPlace(t, file)
	place.put(data[:2<<20], 0)
	s := newLiar(t, data, always, func(w http.ResponseWriter, _ *http.Request, data []byte) { _, _ = w.Write(data) })
	result := newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, place, s.URL))
	succeeded(t, result)
	place.holds(data)
	assert.Equal(t, 2, s.count(), "one attempt in the hope of a range, one for the whole")
}

func TestObjectChangedCostsOneAttempt(t *testing.T) {
	t.Parallel()
	data := image(20*1000, 1)
	file := describe("fw", data, 1000)
	for name, honour := range map[string]bool{"412": true, "another tag": false} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tag := fmt.Sprintf(`"%d"`, min(n.Add(1), 2))
				if match := r.Header.Get("If-Match"); honour && match != "" && match != tag {
					w.WriteHeader(http.StatusPreconditionFailed)
					return
				}
				w.Header().Set("ETag", tag)
				first, last := asked(r)
				partial(w, first, last, len(data))
				_, _ = w.Write(data[first:min(last+1, first+7500)]) // and cut
			}))
			defer s.Close()
			place := newPlace(t, file)
			succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, place, s.URL)))
			place.holds(data)
			assert.EqualValues(t, 4, n.Load(), "7 chunks, a changed object, 7 chunks, 6 chunks")
		})
	}
}

func TestAddressesThatAreSkipped(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	for _, code := range []int{401, 403, 404} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			closed := newLiar(t, data, always, status(code))
			t.Run("for the next one", func(t *testing.T) {
				place, open := newPlace(t, file), newServer(t, data)
				succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, place, closed.URL, open.URL)))
				place.holds(data)
			})
			t.Run("until none is left", func(t *testing.T) {
				before := closed.count()
				result := newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, newPlace(t, file), closed.URL, closed.URL+"/2"))
				require.Nil(t, result.Failure)
				assert.Equal(t, ota.AddressExpired, result.Need)
				assert.Equal(t, 2, result.Setbacks.Fruitless)
				assert.Equal(t, 2, closed.count()-before, "each is asked once")
			})
		})
	}
	for _, bad := range []string{"file:///etc/passwd", "ftp://host/x", "s3://bucket/key", "s3://bucket", "http://", "://",
		"", "https:opaque"} {
		t.Run("address "+bad, func(t *testing.T) {
			t.Parallel()
			place, open := newPlace(t, file), newServer(t, data)
			f := newFetcher(t, quick())
			succeeded(t, f.Fetch(t.Context(), jobOf(file, place, bad, open.URL)))
			place.holds(data)
			result := f.Fetch(t.Context(), jobOf(file, newPlace(t, file), bad))
			assert.Equal(t, ota.AddressExpired, result.Need)
			assert.Equal(t, 1, result.Setbacks.Fruitless)
		})
	}
}

// TestOnlyTheStoreKnowsWhetherAnAddressHasExpired has a device whose clock is
// ahead: it asks all the same, and a refusal names the clock.
func TestOnlyTheStoreKnowsWhetherAnAddressHasExpired(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	s := newServer(t, data)
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	config := quick()
	config.Now = func() time.Time { return now }
	fetcher := newFetcher(t, config)

	place := newPlace(t, file)
	job := jobOf(file, place, s.URL)
	job.Addresses[0].Expires = now.Add(-2 * time.Hour)
	succeeded(t, fetcher.Fetch(t.Context(), job))
	place.holds(data)

	at := "Mon, 23 Nov 2026 10:04:00 GMT" // near enough
	closed := newLiar(t, data, always, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Date", at)
		w.WriteHeader(http.StatusForbidden)
	})
	job = jobOf(file, newPlace(t, file), closed.URL)
	job.Addresses[0].Expires = now.Add(-2 * time.Hour)
	for round := range download.DefaultAttempts - 1 {
		result := fetcher.Fetch(t.Context(), job)
		require.Nil(t, result.Failure)
		assert.Equal(t, ota.AddressExpired, result.Need)
		assert.Equal(t, round+1, result.Setbacks.Fruitless, "it does not ask for ever")
		job.Setbacks = result.Setbacks
	}
	result := fetcher.Fetch(t.Context(), job)
	failedWith(t, result, ota.URLExpired)
	assert.Contains(t, result.Failure.Detail,
		"it expired at 2026-11-23T08:00:00Z, and this device's clock says 2026-11-23T10:00:00Z")

	at = "Mon, 23 Nov 2026 08:00:00 GMT"
	result = fetcher.Fetch(t.Context(), job)
	failedWith(t, result, ota.URLExpired)
	assert.Contains(t, result.Failure.Detail,
		"this device's clock says 2026-11-23T10:00:00Z, and the server's 2026-11-23T08:00:00Z")
}

func TestMirrorsFailed(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	down := newLiar(t, data, always, status(http.StatusBadGateway))
	fetcher := newFetcher(t, quick())

	job := jobOf(file, newPlace(t, file), down.URL, down.URL+"/2", down.URL+"/3")
	result := fetcher.Fetch(t.Context(), job)
	require.Nil(t, result.Failure)
	assert.Equal(t, ota.AddressMirrors, result.Need)
	assert.Equal(t, 3, result.Setbacks.Fruitless, "a full round")

	job.Setbacks = result.Setbacks
	result = fetcher.Fetch(t.Context(), job)
	failedWith(t, result, ota.HTTPError)
	assert.Equal(t, 5, result.Setbacks.Fruitless, "the count is carried on")
	assert.Contains(t, result.Failure.Detail, "HTTP status 502")

	one := newLiar(t, data, 1, status(http.StatusBadGateway))
	place := newPlace(t, file)
	succeeded(t, fetcher.Fetch(t.Context(), jobOf(file, place, one.URL)))
	place.holds(data)
}

// TestSecretsStayInside reads what a failure says: it goes to the platform.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	file := describe("fw", image(1000, 1), 512)
	closed := newServer(t, nil)
	closed.Close()
	job := jobOf(file, newPlace(t, file), closed.URL+"/x?X-Amz-Signature=SECRET",
		"http://user:SECRET@"+strings.TrimPrefix(closed.URL, "http://"))
	job.Setbacks.Renewed = true
	result := newFetcher(t, quick()).Fetch(t.Context(), job)
	failedWith(t, result, ota.NetworkTimeout)
	assert.NotContains(t, result.Failure.Detail, "SECRET")
}

func TestPlaceFailures(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	s := newServer(t, data)
	for name, row := range map[string]struct {
		fail error
		code ota.Code
	}{
		"no space":     {&wrapped{syscall.ENOSPC}, ota.SpaceLow},
		"broken flash": {syscall.EIO, ota.WriteFailed},
		"its own code": {firmware.Failf(ota.TooLarge, "partition"), ota.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place := newPlace(t, file)
			place.fail, place.failAt = row.fail, 2
			failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, place, s.URL)), row.code)
			assert.Equal(t, 2, place.writes, "it is not tried again")
		})
	}
}

type wrapped struct{ error }

func (w *wrapped) Unwrap() error { return w.error }

func TestManifestThatContradictsItself(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	s := newServer(t, data)
	wrong := describe("fw", data, 4096)
	wrong.SHA256[0] ^= 1
	result := newFetcher(t, quick()).Fetch(t.Context(), jobOf(wrong, newPlace(t, wrong), s.URL))
	failedWith(t, result, ota.DigestMismatch)

	place := newPlace(t, wrong)
	place.put(data, 0)
	failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(wrong, place)), ota.DigestMismatch)

	for name, spoil := range map[string]func(*ota.File){
		"too few hashes":  func(f *ota.File) { f.Chunks = f.Chunks[1:] },
		"no chunk":        func(f *ota.File) { f.Chunk = 0 },
		"huge chunk":      func(f *ota.File) { f.Chunk = ota.MaxChunk + 1 },
		"negative size":   func(f *ota.File) { f.Size = -1 },
		"size over bound": func(f *ota.File) { f.Size = ota.MaxFileSize + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			file := describe("fw", data, 4096)
			spoil(&file)
			failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, newPlace(t, file), s.URL)), ota.ManifestMismatch)
		})
	}
	job := jobOf(wrong, place)
	job.Places = nil
	failedWith(t, newFetcher(t, quick()).Fetch(t.Context(), job), ota.Internal)
}

func TestCancelledFetchIsNoSuccess(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	ctx, cancel := context.WithCancel(t.Context())
	s := newLiar(t, data, always, func(_ http.ResponseWriter, r *http.Request, _ []byte) {
		cancel()
		<-r.Context().Done()
	})
	result := newFetcher(t, quick()).Fetch(ctx, jobOf(file, newPlace(t, file), s.URL))
	failedWith(t, result, ota.Internal)
	assert.Zero(t, result.Setbacks.Fruitless, "the server is not to blame")
}

func TestParallelDownloadsWaitForASlot(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	var running, most atomic.Int32
	s := newLiar(t, data, always, func(w http.ResponseWriter, r *http.Request, data []byte) {
		now := running.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		time.Sleep(20 * time.Millisecond)
		running.Add(-1)
		honest(w, r, data)
	})
	fetcher := newFetcher(t, quick())
	done := make(chan agent.FetchResult)
	for range 6 {
		go func() { done <- fetcher.Fetch(t.Context(), jobOf(file, newPlace(t, file), s.URL)) }()
	}
	for range 6 {
		succeeded(t, <-done)
	}
	assert.LessOrEqual(t, most.Load(), int32(download.DefaultParallel))
}

// TestRateLimitHoldsOverAllDownloads checks the least time only: a loaded
// machine may take longer.
func TestRateLimitHoldsOverAllDownloads(t *testing.T) {
	t.Parallel()
	data := image(30_000, 1)
	file := describe("fw", data, 4096)
	s := newServer(t, data)
	config := quick()
	config.RateLimit = 100_000
	fetcher := newFetcher(t, config)
	begin := time.Now()
	done := make(chan agent.FetchResult)
	for range 2 {
		go func() { done <- fetcher.Fetch(t.Context(), jobOf(file, newPlace(t, file), s.URL)) }()
	}
	for range 2 {
		succeeded(t, <-done)
	}
	// 60,000 bytes less the 10,000 that pass at once.
	assert.GreaterOrEqual(t, time.Since(begin), 450*time.Millisecond)
}

func TestPausesGrowWithFullJitter(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	s := newLiar(t, data, always, status(http.StatusServiceUnavailable))
	var limits []time.Duration
	config := quick()
	config.Attempts = 10
	config.Jitter = func(limit time.Duration) time.Duration {
		limits = append(limits, limit)
		return 0
	}
	job := jobOf(file, newPlace(t, file), s.URL)
	job.Setbacks.Renewed = true
	failedWith(t, newFetcher(t, config).Fetch(t.Context(), job), ota.HTTPError)
	var seconds []float64
	for _, limit := range limits {
		seconds = append(seconds, limit.Seconds())
	}
	assert.Equal(t, []float64{1, 2, 4, 8, 16, 32, 60, 60, 60}, seconds)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	place := newPlace(t, file)
	verify := func() (int64, error) {
		return download.Verify(t.Context(), []ota.File{file}, []firmware.Target{place})
	}
	missing, err := verify()
	require.NoError(t, err)
	assert.EqualValues(t, 10_000, missing)

	place.put(data, 0)
	missing, err = verify()
	require.NoError(t, err)
	assert.Zero(t, missing)

	place.put([]byte{data[5000] ^ 1}, 5000)
	missing, err = verify()
	require.NoError(t, err)
	assert.EqualValues(t, 4096, missing)

	place.put(data, 0)
	file.SHA256[0] ^= 1
	_, err = verify()
	var failure *ota.Failure
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, ota.DigestMismatch, failure.Code)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = download.Verify(ctx, []ota.File{file}, []firmware.Target{place})
	assert.True(t, errors.Is(err, context.Canceled))
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}
