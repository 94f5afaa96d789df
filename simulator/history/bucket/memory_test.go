package bucket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

	"otafleet/simulator/history"
	"otafleet/simulator/history/bucket"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
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
			time.Sleep(2 * time.Millisecond)
		}
		most <- peak
	}()
	return func() uint64 {
		cancel()
		return <-most
	}
}

// TestMemory: a history of more than 100 MB comes into a bucket and back in less memory
// than it has bytes.
func TestMemory(t *testing.T) {
	const limit = 64 << 20
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	env := map[string]string{"AWS_ENDPOINT_URL": onDisk(t), "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
	place, err := bucket.Open("s3://runs/run", func(name string) string { return env[name] })
	require.NoError(t, err)
	text := verdicttest.Fleets(100)
	s := verdicttest.Parse(text)
	peak := highest()
	w, err := history.Create(t.Context(), place, history.Info{Text: []byte(text), Name: s.Name, World: "virtual",
		Fleets: verdict.Sizes(s)})
	require.NoError(t, err)
	const events = 1_600_000
	random := rand.New(rand.NewPCG(1, 2))
	for i := range events / 100 {
		batch := make([]verdict.Event, 0, 100)
		for range 100 {
			batch = append(batch, verdict.Event{At: time.Duration(i), Kind: verdict.Violation, Device: "gateways-000001",
				Text: fmt.Sprintf("%016x%016x%016x%016x%016x%016x%016x%016x", random.Uint64(), random.Uint64(), random.Uint64(),
					random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64())})
		}
		w.AddEvents(batch)
	}
	require.NoError(t, w.Close(history.End{}))

	r, err := history.Open(t.Context(), place)
	require.NoError(t, err)
	file, err := place.Open(t.Context(), "events.jsonl.zst")
	require.NoError(t, err)
	size, err := io.Copy(io.Discard, file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	assert.Greater(t, size, int64(100_000_000))
	reader, err := r.Events(t.Context())
	require.NoError(t, err)
	var e verdict.Event
	n := 0
	for err = reader.Next(&e); err == nil; err = reader.Next(&e) {
		n++
	}
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, reader.Close())
	assert.Equal(t, events, n)
	assert.Less(t, peak(), uint64(limit+16<<20))
}
