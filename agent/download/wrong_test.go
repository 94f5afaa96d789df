package download_test

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent/download"
	"otafleet/internal/ota"
)

const always = 1 << 20

// wrongAnswers names every misbehaviour of a server: what it answers, and the code that
// a download ends with when it hears nothing else. An empty code marks a lie
// from which the right bytes can be had.
var wrongAnswers = []struct {
	name string
	code ota.Code
	tell func(w http.ResponseWriter, r *http.Request, data []byte)
}{
	{"whole file for a range", "", func(w http.ResponseWriter, _ *http.Request, data []byte) {
		_, _ = w.Write(data)
	}},
	{"whole file with the wrong length", ota.SizeMismatch, func(w http.ResponseWriter, _ *http.Request, data []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)-1))
		_, _ = w.Write(data[:len(data)-1])
	}},
	{"no length", "", func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		partial(w, first, last, len(data))
		flush(w)
		_, _ = w.Write(data[first : last+1])
	}},
	{"longer body", "", func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		partial(w, first, last, len(data))
		flush(w)
		_, _ = w.Write(data[first : last+1])
		_, _ = w.Write(data)
	}},
	{"short body", ota.NetworkTimeout, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		w.Header().Set("Content-Length", strconv.Itoa(last+1-first))
		partial(w, first, last, len(data))
		_, _ = w.Write(data[first : first+100])
	}},
	{"short body without length", ota.SizeMismatch, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		partial(w, first, last, len(data))
		flush(w)
		_, _ = w.Write(data[first : first+100])
	}},
	{"empty body", ota.SizeMismatch, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		w.Header().Set("Content-Length", "0")
		partial(w, first, last, len(data))
	}},
	{"another range", ota.HTTPError, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		partial(w, first+1, last, len(data))
		_, _ = w.Write(data[first+1 : last+1])
	}},
	{"right range, other bytes", ota.DigestMismatch, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		partial(w, first, last, len(data))
		_, _ = w.Write(data[first+1 : last+1])
		_, _ = w.Write(data[:1])
	}},
	{"another total", ota.SizeMismatch, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		partial(w, first, last, len(data)+1)
		_, _ = w.Write(data[first : last+1])
	}},
	{"unknown total", "", func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", first, last))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(data[first : last+1])
	}},
	{"no Content-Range", ota.HTTPError, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(data[first : last+1])
	}},
	{"several ranges", ota.HTTPError, func(w http.ResponseWriter, _ *http.Request, data []byte) {
		w.Header().Set("Content-Type", "multipart/byteranges; boundary=x")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = fmt.Fprintf(w, "--x\r\nContent-Range: bytes 0-9/%d\r\n\r\n%s\r\n--x--", len(data), data[:10])
	}},
	{"range of other units", ota.HTTPError, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		w.Header().Set("Content-Range", fmt.Sprintf("chunks %d-%d/%d", first, last, len(data)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(data[first : last+1])
	}},
	{"gzip", ota.DigestMismatch, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		w.Header().Set("Content-Encoding", "gzip")
		partial(w, first, last, len(data))
		z := gzip.NewWriter(w)
		_, _ = z.Write(data[first : last+1])
		_ = z.Close()
	}},
	{"416", ota.SizeMismatch, func(w http.ResponseWriter, _ *http.Request, data []byte) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", len(data)/2))
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
	}},
	{"412 to no condition", ota.HTTPError, status(http.StatusPreconditionFailed)},
	{"500", ota.HTTPError, status(http.StatusInternalServerError)},
	{"503", ota.HTTPError, status(http.StatusServiceUnavailable)},
	{"204", ota.HTTPError, status(http.StatusNoContent)},
	{"304", ota.HTTPError, status(http.StatusNotModified)},
	{"302 without a place", ota.HTTPError, status(http.StatusFound)},
	{"endless redirects", ota.HTTPError, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
	}},
	{"redirect to a file", ota.HTTPError, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	}},
	{"redirect to s3", ota.HTTPError, func(w http.ResponseWriter, r *http.Request, _ []byte) {
		http.Redirect(w, r, "s3://bucket/key", http.StatusFound)
	}},
	{"endless headers", ota.NetworkTimeout, raw(func(w func(string)) {
		w("HTTP/1.1 206 Partial Content\r\n")
		for i := range 3000 {
			w(fmt.Sprintf("X-%d: %064d\r\n", i, i))
		}
	})},
	{"not HTTP", ota.NetworkTimeout, raw(func(w func(string)) { w("SSH-2.0-OpenSSH_9.2\r\n\r\n") })},
	{"hang-up", ota.NetworkTimeout, raw(func(func(string)) {})},
	{"two lengths", ota.NetworkTimeout, raw(func(w func(string)) {
		w("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
	})},
	{"broken chunked encoding", ota.NetworkTimeout, raw(func(w func(string)) {
		w("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	})},
	{"stall before the headers", ota.NetworkTimeout, func(_ http.ResponseWriter, r *http.Request, _ []byte) {
		<-r.Context().Done()
	}},
	{"stall in the body", ota.NetworkTimeout, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		partial(w, first, last, len(data))
		_, _ = w.Write(data[first : first+100])
		flush(w)
		<-r.Context().Done()
	}},
	{"slow drip", ota.NetworkTimeout, func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		partial(w, first, last, len(data))
		for i := first; r.Context().Err() == nil && i <= last; i++ {
			_, _ = w.Write(data[i : i+1])
			flush(w)
			time.Sleep(50 * time.Millisecond)
		}
	}},
}

func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	data := image(40_000, 1)
	file := describe("fw.bin", data, 4096)
	for _, lie := range wrongAnswers {
		t.Run(lie.name, func(t *testing.T) {
			t.Parallel()
			config := quick()
			config.StallTimeout = patience(lie.name)
			fetcher := newFetcher(t, config)

			t.Run("told once", func(t *testing.T) {
				place := newPlace(t, file)
				liar := newLiar(t, data, 1, lie.tell)
				job := jobOf(file, place, liar.URL)
				job.Setbacks.Renewed = true
				succeeded(t, fetcher.Fetch(t.Context(), job))
				place.holds(data)
			})
			t.Run("beside an honest mirror", func(t *testing.T) {
				place := newPlace(t, file)
				liar, mirror := newLiar(t, data, always, lie.tell), newServer(t, data)
				job := jobOf(file, place, liar.URL, mirror.URL)
				job.Setbacks.Renewed = true
				succeeded(t, fetcher.Fetch(t.Context(), job))
				place.holds(data)
			})
			t.Run("told always", func(t *testing.T) {
				place := newPlace(t, file)
				liar := newLiar(t, data, always, lie.tell)
				job := jobOf(file, place, liar.URL)
				job.Setbacks.Renewed = true
				result := fetcher.Fetch(t.Context(), job)
				if lie.code == "" {
					succeeded(t, result)
					place.holds(data)
					return
				}
				failedWith(t, result, lie.code)
				assert.Equal(t, download.DefaultAttempts, result.Setbacks.Fruitless)
				assert.Zero(t, place.writes)
			})
		})
	}
}

// TestWrongAnswersOnResume tells each lie to a download that has its first half.
func TestWrongAnswersOnResume(t *testing.T) {
	t.Parallel()
	data := image(40_000, 2)
	file := describe("fw.bin", data, 4096)
	for _, lie := range wrongAnswers {
		t.Run(lie.name, func(t *testing.T) {
			t.Parallel()
			config := quick()
			config.StallTimeout = patience(lie.name)
			place := newPlace(t, file)
			place.put(data[:5*4096], 0)
			liar := newLiar(t, data, 2, lie.tell)
			job := jobOf(file, place, liar.URL)
			job.Setbacks.Renewed = true
			succeeded(t, newFetcher(t, config).Fetch(t.Context(), job))
			place.holds(data)
			assert.Equal(t, 5, place.writes, "what was there is kept")
		})
	}
}

// patience is the stall time-out for a lie: short only where the lie is silence.
func patience(lie string) time.Duration {
	if strings.HasPrefix(lie, "stall") || strings.HasPrefix(lie, "slow") {
		return time.Second
	}
	return 20 * time.Second
}

// asked reads the range of a request, which the tests know to be well formed.
func asked(r *http.Request) (first, last int) {
	_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last)
	return first, last
}

// partial writes the head of an answer to a range.
func partial(w http.ResponseWriter, first, last, total int) {
	w.Header().Set("Content-Range", contentRange(first, last, total))
	w.WriteHeader(http.StatusPartialContent)
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

func status(code int) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(code) }
}

// raw answers with the bytes that speak writes, and hangs up.
func raw(speak func(w func(string))) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer conn.Close()
		speak(func(text string) { _, _ = buffered.WriteString(text) })
		_ = buffered.Flush()
	}
}
