package download_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// counting serves one image and counts the bytes of it that leave.
type counting struct {
	data  []byte
	bytes atomic.Int64
	cut   atomic.Int64  // bytes after which answers break off; 0 for never
	hold  chan struct{} // answers wait for it; nil for none
	asked chan struct{} // told of each request; nil for none
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.asked != nil {
		c.asked <- struct{}{}
	}
	if c.hold != nil {
		<-c.hold
	}
	honest(&counted{w, c}, r, c.data)
}

type counted struct {
	http.ResponseWriter
	c *counting
}

func (w *counted) Write(p []byte) (int, error) {
	if cut := w.c.cut.Load(); cut > 0 && w.c.bytes.Load()+int64(len(p)) > cut {
		panic(http.ErrAbortHandler)
	}
	w.c.bytes.Add(int64(len(p))) // before the client has them, which counts then
	return w.ResponseWriter.Write(p)
}

func serveCounted(t *testing.T, c *counting) (url string) {
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return s.URL
}

func newCache(t *testing.T, config download.CacheConfig) *download.Cache {
	t.Helper()
	c, err := download.NewCache(config)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// cachedFile is where a cache keeps a file.
func cachedFile(dir string, file ota.File) string {
	return filepath.Join(dir, hex.EncodeToString(file.SHA256[:]))
}

// All at once, one after the other, and after a restart: the store sends every
// byte once.
func TestCacheTransfersOnce(t *testing.T) {
	t.Parallel()
	data := image(500_000, 1)
	file := describe("fw", data, 4096)
	store := &counting{data: data}
	url, dir := serveCounted(t, store), filepath.Join(t.TempDir(), "cache")
	fetch := func(c *download.Cache, n int) {
		f := c.Fetcher(newFetcher(t, quick()))
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				p := newPlace(t, file)
				job := jobOf(file, p, url)
				done := int64(-1)
				job.Progress = func(n, total int64) {
					assert.Greater(t, n, done)
					assert.EqualValues(t, len(data), total)
					done = n
				}
				assert.Equal(t, agent.FetchResult{}, f.Fetch(t.Context(), job))
				p.holds(data)
				assert.EqualValues(t, len(data), done)
			})
		}
		all.Wait()
		assert.EqualValues(t, len(data), store.bytes.Load(), "bytes that left the store")
	}
	cache := newCache(t, download.CacheConfig{Dir: dir, Limit: 1 << 20})
	fetch(cache, 8)
	fetch(cache, 1)
	cache.Close()
	fetch(newCache(t, download.CacheConfig{Dir: dir, Limit: 1 << 20}), 2)
}

// A device that fails leaves what it has brought to the next one, which fetches
// the rest; a failure is the device's own.
func TestCacheSurvivesItsBringer(t *testing.T) {
	t.Parallel()
	const chunk = 4096
	data := image(100*chunk, 1)
	file := describe("fw", data, chunk)
	store := &counting{data: data}
	url := serveCounted(t, store)
	dir := t.TempDir()
	f := newCache(t, download.CacheConfig{Dir: dir, Limit: 1 << 20}).Fetcher(newFetcher(t, quick()))

	first := newPlace(t, file)
	first.fail, first.failAt = errors.New("worn out"), 50
	failedWith(t, f.Fetch(t.Context(), jobOf(file, first, url)), ota.WriteFailed)

	second, before := newPlace(t, file), store.bytes.Load()
	store.cut.Store(before + 20*chunk)
	config := quick()
	config.Attempts = 1
	brief := newCache(t, download.CacheConfig{Dir: dir, Limit: 1 << 20}).Fetcher(newFetcher(t, config))
	r := brief.Fetch(t.Context(), jobOf(file, second, url))
	require.NotNil(t, r.Failure)

	store.cut.Store(0)
	third := newPlace(t, file)
	began := store.bytes.Load()
	f = newCache(t, download.CacheConfig{Dir: dir, Limit: 1 << 20}).Fetcher(newFetcher(t, quick()))
	succeeded(t, f.Fetch(t.Context(), jobOf(file, third, url)))
	third.holds(data)
	assert.Less(t, store.bytes.Load()-began, int64(len(data)-49*chunk), "what the others brought is not fetched again")
}

// What a power cut has taken from the cache, a place gives back to it; what has
// rotted there is fetched again, alone.
func TestCacheIsNotTrusted(t *testing.T) {
	t.Parallel()
	const chunk = 4096
	data := image(20*chunk+5, 1)
	file := describe("fw", data, chunk)
	dir := t.TempDir()
	rotten := bytes.Clone(data[:18*chunk])
	rotten[3*chunk+1] ^= 1
	rotten[9*chunk+1] ^= 1
	write(t, cachedFile(dir, file), rotten)
	cache := newCache(t, download.CacheConfig{Dir: dir, Limit: 1 << 20})
	f := cache.Fetcher(newFetcher(t, quick()))
	s := newServer(t, data)

	first := newPlace(t, file)
	first.put(data[:6*chunk], 0) // it has what the cache has lost
	succeeded(t, f.Fetch(t.Context(), jobOf(file, first, s.URL)))
	first.holds(data)
	assert.Equal(t, []string{"bytes=36864-40959", "bytes=73728-81924"}, s.ranges())
	kept, err := os.ReadFile(cachedFile(dir, file))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(data, kept), "the cache is mended")

	second := newPlace(t, file)
	succeeded(t, f.Fetch(t.Context(), jobOf(file, second)))
	second.holds(data)
	assert.Len(t, s.ranges(), 2)
}

// The cache never is why a download fails: without room, or when it cannot be
// written, each device fetches for itself.
func TestCacheThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	data := image(50_000, 1)
	file := describe("fw", data, 4096)
	real := firmware.Disk{}
	full := firmware.Disk{Before: func(c firmware.Change) error {
		if c.Op == firmware.OpWrite {
			return syscall.ENOSPC
		}
		return nil
	}}
	for name, row := range map[string]struct {
		limit int64
		disk  firmware.Disk
		spoil func(t *testing.T, dir string)
	}{
		"smaller than the file": {49_999, real, func(*testing.T, string) {}},
		"gone":                  {1 << 20, real, func(t *testing.T, dir string) { require.NoError(t, os.Remove(dir)) }},
		"a link in the way": {1 << 20, real, func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere"), cachedFile(dir, file)))
		}},
		"full": {1 << 20, full, func(*testing.T, string) {}},
	} {
		t.Run(name, func(t *testing.T) {
			store := &counting{data: data}
			url, dir := serveCounted(t, store), filepath.Join(t.TempDir(), "cache")
			f := newCache(t, download.CacheConfig{Dir: dir, Limit: row.limit, Disk: row.disk}).Fetcher(newFetcher(t, quick()))
			row.spoil(t, dir)
			for range 2 {
				p := newPlace(t, file)
				succeeded(t, f.Fetch(t.Context(), jobOf(file, p, url)))
				p.holds(data)
			}
			assert.EqualValues(t, 2*len(data), store.bytes.Load())
			if name == "full" {
				assert.NoFileExists(t, cachedFile(dir, file), "nothing is left that takes room")
			}
		})
	}
}

// The cache never holds more than its limit: files that were not used for
// longest give way.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := newCache(t, download.CacheConfig{Dir: dir, Limit: 100_000}).Fetcher(newFetcher(t, quick()))
	var files []ota.File
	for i := range 5 {
		data := image(40_000, uint64(i))
		files = append(files, describe("fw", data, 4096))
		p := newPlace(t, files[i])
		succeeded(t, f.Fetch(t.Context(), jobOf(files[i], p, newServer(t, data).URL)))
	}
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, found, 2)
	assert.FileExists(t, cachedFile(dir, files[3]))
	assert.FileExists(t, cachedFile(dir, files[4]))

	// Smaller after a restart.
	cache := newCache(t, download.CacheConfig{Dir: dir, Limit: 50_000})
	found, err = os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, found, 1)
	cache.Trim()
	found, err = os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, found)
}

func TestCacheRemovesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := describe("fw", image(100, 1), 512)
	name := filepath.Base(cachedFile(dir, file))
	for _, stranger := range []string{"x", name + "0", name[1:], name[:62] + "zz", "sub/" + name} {
		write(t, filepath.Join(dir, stranger), []byte("?"))
	}
	write(t, filepath.Join(dir, name), []byte("?"))
	newCache(t, download.CacheConfig{Dir: dir, Limit: 1000})
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, name, found[0].Name())

	for _, bad := range []download.CacheConfig{{Limit: 1}, {Dir: dir}, {Dir: dir, Limit: 1, Keep: -1},
		{Dir: filepath.Join(dir, name), Limit: 1}} {
		_, err := download.NewCache(bad)
		assert.ErrorContains(t, err, "cannot open the cache: ", "%+v", bad)
	}
}

// inMemory answers requests without a socket.
type inMemory struct{ data []byte }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	honest(w, r, m.data)
	return w.Result(), nil
}

// A file stays for its time after the last use, and after a restart.
func TestCacheForgets(t *testing.T) {
	dir := t.TempDir()
	data := image(10_000, 1)
	file := describe("fw", data, 4096)
	synctest.Test(t, func(t *testing.T) {
		config := quick()
		config.Transport = inMemory{data}
		fetcher, err := download.New(config)
		require.NoError(t, err)
		cache, err := download.NewCache(download.CacheConfig{Dir: dir, Limit: 1 << 20})
		require.NoError(t, err)
		use := func() {
			succeeded(t, cache.Fetcher(fetcher).Fetch(t.Context(), jobOf(file, newPlace(t, file), "https://store/fw")))
		}
		use()
		time.Sleep(59 * time.Minute)
		use()
		time.Sleep(59 * time.Minute)
		assert.FileExists(t, cachedFile(dir, file))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		assert.NoFileExists(t, cachedFile(dir, file))

		use()
		cache.Close()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.FileExists(t, cachedFile(dir, file), "a closed cache leaves everything to the next start")
		cache, err = download.NewCache(download.CacheConfig{Dir: dir, Limit: 1 << 20, Keep: time.Minute})
		require.NoError(t, err)
		defer cache.Close()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		assert.NoFileExists(t, cachedFile(dir, file))
	})
}

// A download that waits for a file of another one takes no download's place, and
// may stop waiting.
func TestCacheLetsOthersPass(t *testing.T) {
	t.Parallel()
	data, other := image(50_000, 1), image(1000, 2)
	file, small := describe("fw", data, 4096), describe("small", other, 512)
	store := &counting{data: data, hold: make(chan struct{}), asked: make(chan struct{}, 9)}
	url := serveCounted(t, store)
	config := quick()
	config.Parallel = 2
	fetcher := newFetcher(t, config)
	f := newCache(t, download.CacheConfig{Dir: t.TempDir(), Limit: 1 << 20}).Fetcher(fetcher)

	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { succeeded(t, f.Fetch(t.Context(), jobOf(file, newPlace(t, file), url))) })
	}
	<-store.asked // one of them is at the store, the others wait for it, and the store for this test
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan agent.FetchResult)
	go func() { cancelled <- f.Fetch(ctx, jobOf(file, newPlace(t, file), url)) }()
	cancel()
	failedWith(t, <-cancelled, ota.Internal)

	succeeded(t, fetcher.Fetch(t.Context(), jobOf(small, newPlace(t, small), newServer(t, other).URL)))
	close(store.hold)
	all.Wait()
	assert.EqualValues(t, len(data), store.bytes.Load())
}

// Packages that share some of their files in another order, or twice, do not wait
// for each other for ever.
func TestCacheHasNoDeadlock(t *testing.T) {
	t.Parallel()
	a, b := image(9000, 1), image(7000, 2)
	fileA, fileB, again := describe("a", a, 1024), describe("b", b, 1024), describe("again", a, 1024)
	urlA, urlB := newServer(t, a).URL, newServer(t, b).URL
	address := []ota.FileAddress{{Name: "a", URLs: []string{urlA}}, {Name: "again", URLs: []string{urlA}},
		{Name: "b", URLs: []string{urlB}}}
	f := newCache(t, download.CacheConfig{Dir: t.TempDir(), Limit: 1 << 20}).Fetcher(newFetcher(t, quick()))
	var all sync.WaitGroup
	for _, files := range [][]ota.File{{fileA, fileB}, {fileB, fileA}, {fileA, again, fileB}, {fileB}} {
		for range 4 {
			all.Go(func() {
				job := agent.FetchJob{Files: files, Addresses: address}
				for _, file := range files {
					job.Places = append(job.Places, newPlace(t, file))
				}
				succeeded(t, f.Fetch(t.Context(), job))
			})
		}
	}
	all.Wait()
}
