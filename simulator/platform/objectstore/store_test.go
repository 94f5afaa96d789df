package objectstore_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/address"
	"otafleet/simulator/platform/objectstore"
)

var keys = objectstore.Credentials{AccessKey: "device", SecretKey: "not a secret", Region: "eu-1"}

// open makes a store with a bucket and serves it until the test ends.
func open(t testing.TB, change func(*objectstore.Config)) (*objectstore.Store, *objectstore.Server) {
	t.Helper()
	cfg := objectstore.Config{Credentials: keys, Buckets: []string{"packages"}, TempDir: t.TempDir()}
	if change != nil {
		change(&cfg)
	}
	store, err := objectstore.New(cfg)
	require.NoError(t, err)
	return store, serve(t, objectstore.ServerConfig{Handler: store})
}

func serve(t testing.TB, cfg objectstore.ServerConfig) *objectstore.Server {
	t.Helper()
	server, err := objectstore.Listen(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, server.Run(ctx)) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return server
}

// presign signs an address in packages for a minute.
func presign(t testing.TB, server *objectstore.Server, key string) string {
	t.Helper()
	address, err := keys.PresignGet(server.URL(), "packages", key, time.Now(), time.Minute)
	require.NoError(t, err)
	return address
}

// answer is a response with its body.
type answer struct {
	*http.Response
	body string
}

// request sends a request with headers in pairs.
func request(t testing.TB, method, address string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequest(method, address, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return send(t, r)
}

func send(t testing.TB, r *http.Request) answer {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response, string(body)}
}

// code is the Code of an S3 error.
func (a answer) code() string {
	_, rest, _ := strings.Cut(a.body, "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return code
}

func TestConfigValidate(t *testing.T) {
	_, err := objectstore.New(objectstore.Config{
		Credentials: objectstore.Credentials{AccessKey: "a/b", Region: "x y"},
		Buckets:     []string{"UP"},
		MaxObject:   -1,
	})
	for _, problem := range []string{"access key", "secret key", "region", "UP", "-1"} {
		assert.ErrorContains(t, err, problem)
	}
	_, err = objectstore.Listen(objectstore.ServerConfig{})
	assert.ErrorContains(t, err, "want a handler")
	_, err = objectstore.Listen(objectstore.ServerConfig{Handler: http.NotFoundHandler(), Address: "127.0.0.1:no"})
	assert.ErrorContains(t, err, "cannot start")
}

func TestPut(t *testing.T) {
	store, _ := open(t, nil)
	data := []byte("0123456789")
	sum := md5.Sum(data)
	o, err := store.Put("packages", "a/b", data)
	require.NoError(t, err)
	assert.Equal(t, int64(10), o.Size)
	assert.Equal(t, hex.EncodeToString(sum[:]), o.ETag)

	path := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	fromFile, err := store.PutFile("packages", "a/c", path)
	require.NoError(t, err)
	assert.Equal(t, o.ETag, fromFile.ETag)
	found, ok := store.Stat("packages", "a/c")
	assert.True(t, ok)
	assert.Equal(t, fromFile, found)

	_, err = store.PutFile("packages", "none", path+"x")
	assert.ErrorContains(t, err, "cannot store packages/none")
	_, err = store.PutFile("packages", "", path)
	assert.ErrorContains(t, err, "want a key")
	for _, bucket := range []string{"", "ab", "Upper", "a..b", "-ab", "ab-", "a/b", strings.Repeat("x", 64)} {
		_, err = store.Put(bucket, "key", nil)
		assert.ErrorContains(t, err, "want a bucket", bucket)
	}
	for _, key := range []string{"", strings.Repeat("k", 1025), "\xff"} {
		_, err = store.Put("packages", key, nil)
		assert.ErrorContains(t, err, "want a key", key)
	}
	assert.True(t, store.Remove("packages", "a/b"))
	assert.False(t, store.Remove("packages", "a/b"))
	assert.False(t, store.Remove("nothing", "a/b"))
	_, ok = store.Stat("packages", "a/b")
	assert.False(t, ok)
}

func TestRangesAndConditions(t *testing.T) {
	store, server := open(t, nil)
	path := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(path, []byte("0123456789"), 0o600))
	o, err := store.PutFile("packages", "image", path)
	require.NoError(t, err)
	address := presign(t, server, "image")
	tag, past := `"`+o.ETag+`"`, "Mon, 02 Jan 2006 15:04:05 GMT"

	for name, c := range map[string]struct {
		headers []string
		status  int
		body    string
	}{
		"whole":                      {nil, 200, "0123456789"},
		"range":                      {[]string{"Range", "bytes=2-4"}, 206, "234"},
		"from":                       {[]string{"Range", "bytes=8-"}, 206, "89"},
		"last":                       {[]string{"Range", "bytes=-3"}, 206, "789"},
		"past the end":               {[]string{"Range", "bytes=5-99"}, 206, "56789"},
		"outside":                    {[]string{"Range", "bytes=10-"}, 416, "InvalidRange"},
		"if match":                   {[]string{"If-Match", tag}, 200, "0123456789"},
		"if match another":           {[]string{"If-Match", `"x"`}, 412, "PreconditionFailed"},
		"range if match another":     {[]string{"If-Match", `"x"`, "Range", "bytes=1-2"}, 412, "PreconditionFailed"},
		"if none match":              {[]string{"If-None-Match", tag}, 304, ""},
		"if none match another":      {[]string{"If-None-Match", `"x"`}, 200, "0123456789"},
		"if range":                   {[]string{"If-Range", tag, "Range", "bytes=2-4"}, 206, "234"},
		"if range another":           {[]string{"If-Range", `"x"`, "Range", "bytes=2-4"}, 200, "0123456789"},
		"if unmodified since":        {[]string{"If-Unmodified-Since", past}, 412, "PreconditionFailed"},
		"if modified since the past": {[]string{"If-Modified-Since", past}, 200, "0123456789"},
	} {
		t.Run(name, func(t *testing.T) {
			a := request(t, http.MethodGet, address, c.headers...)
			assert.Equal(t, c.status, a.StatusCode)
			if c.status >= 400 {
				assert.Equal(t, c.body, a.code())
				assert.Contains(t, a.body, "<Key>image</Key>")
				assert.Equal(t, "application/xml", a.Header.Get("Content-Type"))
			} else {
				assert.Equal(t, c.body, a.body)
				assert.Equal(t, tag, a.Header.Get("ETag"))
			}
		})
	}
	a := request(t, http.MethodGet, address, "Range", "bytes=2-4")
	assert.Equal(t, "bytes 2-4/10", a.Header.Get("Content-Range"))
	assert.Equal(t, "bytes", a.Header.Get("Accept-Ranges"))
}

func TestServed(t *testing.T) {
	store, server := open(t, nil)
	_, err := store.Put("packages", "image", bytes.Repeat([]byte{1}, 300_000))
	require.NoError(t, err)
	address := presign(t, server, "image")
	request(t, http.MethodGet, address)
	request(t, http.MethodGet, address, "Range", "bytes=0-9")
	request(t, http.MethodGet, address, "Range", "bytes=300000-")
	request(t, http.MethodHead, address) // refused: signed for GET
	assert.Equal(t, objectstore.Served{Requests: 3, Bytes: 300_010}, store.Served("packages", "image"))
	_, err = store.Put("packages", "image", []byte("new"))
	require.NoError(t, err)
	request(t, http.MethodGet, address)
	assert.Equal(t, objectstore.Served{Requests: 4, Bytes: 300_013}, store.Served("packages", "image"),
		"counts outlive a replacement")
	assert.Zero(t, store.Served("packages", "other"))
}

func TestKeysAreNotPaths(t *testing.T) {
	store, server := open(t, nil)
	for _, key := range []string{"../../etc/passwd", "/a", "a//b", "a/", ".", "..", "a b+c%2F?&=ü☃", "~user", "\x01"} {
		_, err := store.Put("packages", key, []byte(key))
		require.NoError(t, err)
		r, err := http.NewRequest(http.MethodGet, presign(t, server, key), nil)
		require.NoError(t, err)
		a := send(t, r)
		assert.Equal(t, 200, a.StatusCode, "%q: %s", key, a.body)
		assert.Equal(t, key, a.body)
	}
	assert.Equal(t, "NoSuchKey", request(t, http.MethodGet, presign(t, server, "../objectstore.go")).code())
}

func TestReplacedWhileRead(t *testing.T) {
	store, server := open(t, nil)
	path := filepath.Join(t.TempDir(), "image")
	big := bytes.Repeat([]byte("x"), 8<<20)
	require.NoError(t, os.WriteFile(path, big, 0o600))
	_, err := store.PutFile("packages", "image", path)
	require.NoError(t, err)
	response, err := http.Get(presign(t, server, "image"))
	require.NoError(t, err)
	defer response.Body.Close()
	require.NoError(t, os.Remove(path))
	_, err = store.Put("packages", "image", []byte("y"))
	require.NoError(t, err)
	got, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(big, got), "a download that is under way goes on")
}

func TestServerCutsAndRebinds(t *testing.T) {
	store, err := objectstore.New(objectstore.Config{Credentials: keys})
	require.NoError(t, err)
	_, err = store.Put("packages", "image", make([]byte, 64<<20))
	require.NoError(t, err)
	kept, err := address.Keep("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(kept.Release)
	config := objectstore.ServerConfig{Address: kept.String(), Handler: store}
	for range 3 {
		server, err := objectstore.Listen(config)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { assert.NoError(t, server.Run(ctx)) })
		response, err := http.Get(presign(t, server, "image"))
		require.NoError(t, err)
		cancel()
		running.Wait()
		_, err = io.ReadAll(response.Body)
		assert.Error(t, err, "the download is cut")
		_ = response.Body.Close()
	}
	server, err := objectstore.Listen(config)
	require.NoError(t, err)
	require.NoError(t, server.Close())
	require.NoError(t, server.Run(context.Background()), "closed before it ran")
}

func BenchmarkRanges(b *testing.B) {
	store, server := open(b, nil)
	const size, piece = 1 << 20, 64 << 10
	_, err := store.Put("packages", "image", make([]byte, size))
	require.NoError(b, err)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.SetBytes(piece)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		address := presign(b, server, "image")
		for at := 0; pb.Next(); at = (at + piece) % size {
			r, _ := http.NewRequest(http.MethodGet, address, nil)
			r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, at+piece-1))
			response, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ranges/s")
}

// BenchmarkFleet is a thousand devices at once, each with a connection of its
// own, and each fetching 1 MiB.
func BenchmarkFleet(b *testing.B) {
	store, server := open(b, nil)
	_, err := store.Put("packages", "image", make([]byte, 1<<20))
	require.NoError(b, err)
	address := presign(b, server, "image")
	b.SetBytes(1000 << 20)
	for b.Loop() {
		var devices sync.WaitGroup
		for range 1000 {
			devices.Go(func() {
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				response, err := client.Get(address)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			})
		}
		devices.Wait()
	}
}
