package download_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/internal/ota"
)

// outage is a store that breaks its first answer off in the middle, and is away
// for a time then.
type outage struct {
	data   []byte
	lasts  time.Duration
	away   func(r *http.Request) (*http.Response, error)
	since  time.Time
	asked  []time.Duration // after the outage began
	honest int             // answers after it
}

func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	first, last := asked(r)
	answer := response(r, http.StatusPartialContent, o.data[first:last+1])
	answer.Header.Set("Content-Range", contentRange(first, last, len(o.data)))
	switch {
	case o.since.IsZero():
		o.since = time.Now()
		answer.Body = io.NopCloser(bytes.NewReader(o.data[first : (first+last)/2]))
		answer.ContentLength = -1
		return answer, nil
	case time.Since(o.since) < o.lasts:
		o.asked = append(o.asked, time.Since(o.since))
		return o.away(r)
	}
	o.honest++
	return answer, nil
}

func response(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1}
}

func unavailable(after string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		answer := response(r, http.StatusServiceUnavailable, nil)
		answer.Header.Set("Retry-After", after)
		answer.Header.Set("Date", "Mon, 23 Nov 2026 10:00:00 GMT")
		return answer, nil
	}
}

// persist downloads as the machine does: with new addresses whenever they are
// wanted, and a score that is carried on.
func persist(t *testing.T, f *download.Fetcher, job agent.FetchJob) (renewed int) {
	t.Helper()
	for {
		result := f.Fetch(t.Context(), job)
		require.Nil(t, result.Failure, "%v", result.Failure)
		if result.Need == "" {
			return renewed
		}
		renewed++
		job.Setbacks = result.Setbacks
	}
}

// TestTenMinutesWithoutStorage in the middle of a download are waited out, however
// the store is away.
func TestTenMinutesWithoutStorage(t *testing.T) {
	data := image(1<<20, 1)
	file := describe("fw", data, 64<<10)
	for name, away := range map[string]func(*http.Request) (*http.Response, error){
		"503":       unavailable(""),
		"refused":   func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"no answer": func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &outage{data: data, lasts: 10 * time.Minute, away: away}
				place := newPlace(t, file)
				job, heard := jobOf(file, place, "http://oss.test/fw"), map[string]bool{}
				job.Delayed = func(why string, pause time.Duration) {
					heard[why] = true
					assert.Positive(t, pause)
				}
				renewed := persist(t, newFetcher(t, download.Config{Transport: o}), job)
				assert.NotEmpty(t, heard, "the operator can read what is waited for")
				for why := range heard {
					assert.Regexp(t,
						`^http://oss\.test/fw: (HTTP status 503: the storage is away or busy|`+
							`the connection broke off|too little arrived)`, why)
				}
				place.holds(data)
				assert.LessOrEqual(t, renewed, 1, "other addresses are asked for once")
				assert.Equal(t, 16, place.writes, "what had come is kept")
				assert.Less(t, len(o.asked), 60, "pauses go on growing: %v", o.asked)
			})
		})
	}
}

// TestRetryAfterIsHonoured as seconds and as a time.
func TestRetryAfterIsHonoured(t *testing.T) {
	data := image(1<<20, 1)
	file := describe("fw", data, 64<<10)
	for _, after := range []string{"120", "Mon, 23 Nov 2026 10:02:00 GMT"} {
		synctest.Test(t, func(t *testing.T) {
			o := &outage{data: data, lasts: 2 * time.Minute, away: unavailable(after)}
			place := newPlace(t, file)
			persist(t, newFetcher(t, download.Config{Transport: o}), jobOf(file, place, "http://oss.test/fw"))
			place.holds(data)
			assert.Len(t, o.asked, 1, "%s: %v", after, o.asked)
			assert.Less(t, time.Since(o.since), 5*time.Minute)
		})
	}
}

// TestADayWithoutALine costs nothing while the device knows that it has none.
func TestADayWithoutALine(t *testing.T) {
	data := image(1<<20, 1)
	file := describe("fw", data, 64<<10)
	synctest.Test(t, func(t *testing.T) {
		o := &outage{data: data, lasts: 24 * time.Hour,
			away: func(*http.Request) (*http.Response, error) { return nil, io.EOF }}
		place := newPlace(t, file)
		job := jobOf(file, place, "http://oss.test/fw")
		job.Online = func() bool { return time.Since(o.since) >= o.lasts }
		assert.Zero(t, persist(t, newFetcher(t, download.Config{Transport: o}), job), "no server could be asked")
		place.holds(data)
	})
}

// TestAddressThatExpiresWhileThePlaceIsRead: what one call has found there is not
// read again by the next.
func TestAddressThatExpiresWhileThePlaceIsRead(t *testing.T) {
	data := image(1<<20, 1)
	file := describe("fw", data, 64<<10)
	for name, damage := range map[string]bool{"what is there stays": false, "what is there changes": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &slowPlace{place: newPlace(t, file)}
				p.put(data[:15*64<<10], 0)
				transport := transportFunc(func(r *http.Request) (*http.Response, error) {
					var issued int64
					_, err := fmt.Sscanf(r.URL.RawQuery, "issued=%d", &issued)
					require.NoError(t, err)
					if time.Now().UnixNano()-issued > int64(4*time.Second) {
						return response(r, http.StatusForbidden, nil), nil
					}
					first, last := asked(r)
					answer := response(r, http.StatusPartialContent, data[first:last+1])
					answer.Header.Set("Content-Range", contentRange(first, last, len(data)))
					return answer, nil
				})
				f := newFetcher(t, download.Config{Transport: transport})
				job := jobOf(file, p, fmt.Sprintf("http://oss.test/fw?issued=%d", time.Now().UnixNano()))
				result := f.Fetch(t.Context(), job)
				require.Equal(t, ota.AddressExpired, result.Need)
				if damage {
					p.put([]byte{data[70_000] ^ 1}, 70_000)
				}
				job.Setbacks = result.Setbacks
				job.Addresses[0].URLs[0] = fmt.Sprintf("http://oss.test/fw?issued=%d", time.Now().UnixNano())
				result = f.Fetch(t.Context(), job)
				if damage {
					require.Equal(t, ota.AddressExpired, result.Need, "it is read after all, which takes too long")
					return
				}
				succeeded(t, result)
				p.holds(data)
			})
		})
	}
}

// slowPlace takes half a second for a chunk.
type slowPlace struct{ *place }

func (p *slowPlace) ReadAt(b []byte, offset int64) (int, error) {
	time.Sleep(500 * time.Millisecond)
	return p.place.ReadAt(b, offset)
}

// TestContentEncoding is what an uploader left on the object, whatever the bytes
// are: the hashes decide.
func TestContentEncoding(t *testing.T) {
	t.Parallel()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	for _, encoding := range []string{"aws-chunked", "gzip", "utf-8", "binary", "Identity", "identity, aws-chunked",
		"br"} {
		s := newLiar(t, data, always, func(w http.ResponseWriter, r *http.Request, data []byte) {
			w.Header().Set("Content-Encoding", encoding)
			first, last := asked(r)
			partial(w, first, last, len(data))
			_, _ = w.Write(data[first : last+1])
		})
		place := newPlace(t, file)
		succeeded(t, newFetcher(t, quick()).Fetch(t.Context(), jobOf(file, place, s.URL)))
		place.holds(data)
		assert.Equal(t, 1, s.count(), encoding)
	}
}

// TestASlowAddressIsLeft for a fast one, and kept where there is no other.
func TestASlowAddressIsLeft(t *testing.T) {
	data := image(1<<20, 1)
	file := describe("fw", data, 64<<10)
	synctest.Test(t, func(t *testing.T) {
		asks := map[string]int{}
		transport := transportFunc(func(r *http.Request) (*http.Response, error) {
			asks[r.URL.Host]++
			first, last := asked(r)
			answer := response(r, http.StatusPartialContent, data[first:last+1])
			answer.Header.Set("Content-Range", contentRange(first, last, len(data)))
			if r.URL.Host == "slow.test" {
				answer.Body = &drip{ctx: r, rest: data[first : last+1]}
			}
			return answer, nil
		})
		place := newPlace(t, file)
		began := time.Now()
		succeeded(t, newFetcher(t, download.Config{Transport: transport}).Fetch(t.Context(),
			jobOf(file, place, "http://slow.test/fw", "http://fast.test/fw")))
		place.holds(data)
		assert.Equal(t, map[string]int{"slow.test": 1, "fast.test": 1}, asks)
		assert.Less(t, time.Since(began), time.Minute)

		clear(asks)
		place = newPlace(t, file)
		succeeded(t, newFetcher(t, download.Config{Transport: transport}).Fetch(t.Context(),
			jobOf(file, place, "http://slow.test/fw")))
		assert.Equal(t, map[string]int{"slow.test": 1}, asks)

		place = newPlace(t, file)
		result := newFetcher(t, download.Config{Transport: transport, Deadline: time.Minute}).Fetch(t.Context(),
			jobOf(file, place, "http://slow.test/fw"))
		failedWith(t, result, ota.NetworkTimeout)
		assert.Contains(t, result.Failure.Detail, "the file has not come within 1m0s")
	})
}

// drip is a body that brings 100 bytes a second.
type drip struct {
	ctx  *http.Request
	rest []byte
}

func (d *drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
	case <-d.ctx.Context().Done():
		return 0, d.ctx.Context().Err()
	}
	n := copy(p, d.rest[:min(100, len(d.rest))])
	d.rest = d.rest[n:]
	return n, nil
}

func (d *drip) Close() error { return nil }
