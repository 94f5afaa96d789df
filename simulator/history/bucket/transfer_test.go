package bucket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history/bucket/buckettest"
)

// text is so many bytes, of which none is where it is by chance.
func text(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // it does not fail
	return b
}

// uploadAll writes a file in pieces, also after its run was interrupted.
func uploadAll(t *testing.T, p *Place, name string, content []byte, piece int) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w, err := p.Create(ctx, name)
	require.NoError(t, err)
	for rest := content; len(rest) > 0; {
		n, err := w.Write(rest[:min(piece, len(rest))])
		if err != nil {
			return w.Close()
		}
		rest = rest[n:]
		cancel()
	}
	return w.Close()
}

// TestUpload: every size arrives, in parts where it is more than one.
func TestUpload(t *testing.T) {
	t.Parallel()
	s := buckettest.New(t)
	p := place(t, s, "s3://runs/run")
	for size, piece := range map[int]int{0: 1, 1: 1, partSize - 1: 70_000, partSize: partSize, partSize + 1: 70_000,
		3*partSize + 5: 1 << 20, 2 * partSize: 3 * partSize} {
		name := fmt.Sprint(size)
		require.NoError(t, uploadAll(t, p, name, text(size), piece))
		assert.True(t, bytes.Equal(text(size), s.Objects()["run/"+name]), "%d bytes", size)
	}
	assert.Zero(t, s.Uploads())
}

// TestUploadInTrouble goes on, unless it lasts: then nothing is left.
func TestUploadInTrouble(t *testing.T) {
	t.Parallel()
	const size = 2*partSize + 1
	for name, tt := range map[string]struct {
		method, query string
		times         int // that it fails
		answer        func(w http.ResponseWriter)
		want          string // empty: it succeeds
	}{
		"begin":        {http.MethodPost, "uploads", 2, busy, ""},
		"part":         {http.MethodPut, "partNumber=2", 2, busy, ""},
		"end":          {http.MethodPost, "uploadId", 2, busy, ""},
		"no begin":     {http.MethodPost, "uploads", 9, busy, "SlowDown"},
		"no part":      {http.MethodPut, "partNumber=2", 9, busy, "SlowDown"},
		"no last part": {http.MethodPut, "partNumber=3", 9, busy, "SlowDown"},
		"no end":       {http.MethodPost, "uploadId", 9, busy, "SlowDown"},
		"an end that is none": {http.MethodPost, "uploadId", 9, func(w http.ResponseWriter) {
			buckettest.Refuse(w, http.StatusOK, "InternalError")
		}, "InternalError"},
		"quota": {http.MethodPut, "partNumber=1", 9, func(w http.ResponseWriter) {
			buckettest.Refuse(w, http.StatusForbidden, "QuotaExceeded")
		}, "QuotaExceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := buckettest.New(t)
			times := tt.times
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != tt.method || !strings.Contains(r.URL.RawQuery, tt.query) || times == 0 {
					return false
				}
				times--
				tt.answer(w)
				return true
			})
			err := uploadAll(t, place(t, s, "s3://runs/run"), "events", text(size), 1<<20)
			assert.Zero(t, s.Uploads(), "none is left")
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				require.ErrorContains(t, err, "s3://runs/run/events")
				assert.Empty(t, s.Objects())
				return
			}
			require.NoError(t, err)
			assert.True(t, bytes.Equal(text(size), s.Objects()["run/events"]))
		})
	}
}

func busy(w http.ResponseWriter) { buckettest.Refuse(w, http.StatusServiceUnavailable, "SlowDown") }

// TestLostEnd: that the parts are together is known though the store's answer was lost.
func TestLostEnd(t *testing.T) {
	t.Parallel()
	s := buckettest.New(t)
	content := text(partSize + 1)
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") {
			return false
		}
		buckettest.Refuse(w, http.StatusNotFound, "NoSuchUpload")
		return true
	})
	s.Put("run/whole", content)
	s.Put("run/other", content[1<<10:partSize])
	p := place(t, s, "s3://runs/run")
	require.NoError(t, uploadAll(t, p, "whole", content, 1<<20))
	require.ErrorContains(t, uploadAll(t, p, "other", content, 1<<20), "NoSuchUpload")
}

// TestDownloadGoesOn where its connection broke, with what it had; not with another file.
func TestDownloadGoesOn(t *testing.T) {
	t.Parallel()
	s := buckettest.New(t)
	content := text(1 << 20)
	s.Put("run/events", content)
	var ranges []string
	cut := func(every int) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			ranges = append(ranges, r.Header.Get("Range"))
			var from int
			_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from) // without one it is 0
			w.Header().Set("ETag", `"`+strings.Repeat("e", 32)+`"`)
			w.Header().Set("Last-Modified", "Mon, 02 Mar 2026 15:04:05 GMT")
			w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
			if from > 0 {
				w.WriteHeader(http.StatusPartialContent)
			}
			_, _ = w.Write(content[from:min(from+every, len(content))])
			if from+every < len(content) {
				panic(http.ErrAbortHandler)
			}
			return true
		}
	}
	p := place(t, s, "s3://runs/run")
	read := func() ([]byte, error) {
		file, err := p.Open(t.Context(), "events")
		require.NoError(t, err)
		defer file.Close()
		return io.ReadAll(file)
	}
	s.Fail(cut(300_000))
	got, err := read()
	s.Fail(nil) // what it did is seen from here on
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content, got))
	assert.GreaterOrEqual(t, len(ranges), 4)

	changed := false
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if changed {
			return false
		}
		changed = true
		return cut(300_000)(w, r)
	})
	_, err = read()
	s.Fail(nil)
	require.ErrorContains(t, err, "412", "another file has taken its place")

	ranges = nil
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if len(ranges) == 0 {
			return cut(300_000)(w, r)
		}
		ranges = append(ranges, "")
		panic(http.ErrAbortHandler)
	})
	_, err = read()
	s.Fail(nil)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.Less(t, len(ranges), 20)
}
