package bucket_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history/bucket"
)

// onDisk is a store that holds nothing in memory.
func onDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(r *http.Request) string { return filepath.Join(dir, strings.ReplaceAll(r.URL.Path, "/", "_")) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
		switch {
		case r.URL.Query().Has("list-type"):
			fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
		case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
			fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
		case r.Method == http.MethodPost:
			fmt.Fprint(w, "<CompleteMultipartUploadResult><Bucket>runs</Bucket></CompleteMultipartUploadResult>")
		case r.Method == http.MethodPut:
			f, err := os.OpenFile(at(r), os.O_WRONLY|os.O_CREATE, 0o600)
			if err == nil {
				_, err = io.Copy(io.NewOffsetWriter(f, int64(max(0, number-1))*8<<20), r.Body)
				err = errors.Join(err, f.Close())
			}
			w.Header().Set("ETag", `"1"`)
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		default:
			w.Header().Set("ETag", `"1"`)
			http.ServeFile(w, r, at(r))
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// highest is the largest heap, until the returned function gives it.
func highest() (heap func() uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	most := make(chan uint64)
	go func() {
		var peak uint64
		for ctx.Err() == nil {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			time.Sleep(20 * time.Millisecond)
		}
		most <- peak
	}()
	return func() uint64 {
		cancel()
		return <-most
	}
}

// TestMemory: a file of more than 100 MB comes into a bucket and back in a memory that it
// does not fit into.
func TestMemory(t *testing.T) {
	const limit, size, piece = 48 << 20, 128 << 20, 64 << 10
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	env := map[string]string{"AWS_ENDPOINT_URL": onDisk(t), "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
	place, err := bucket.Open("s3://runs/run", func(name string) string { return env[name] })
	require.NoError(t, err)
	peak := highest()
	w, err := place.Create(t.Context(), "events.jsonl.zst")
	require.NoError(t, err)
	content, sum := make([]byte, piece), fnv.New64a()
	for i := range size / piece {
		binary.LittleEndian.PutUint64(content, uint64(i))
		_, _ = sum.Write(content) // it does not fail
		_, err := w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())

	r, err := place.Open(t.Context(), "events.jsonl.zst")
	require.NoError(t, err)
	again := fnv.New64a()
	n, err := io.Copy(again, r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	assert.Equal(t, int64(size), n)
	assert.Equal(t, sum.Sum64(), again.Sum64())
	assert.Less(t, peak(), uint64(limit+16<<20))
}
