//go:build !nos3

package download_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/download"
	"otafleet/internal/ota"
)

// objectStore is an S3 server that knows one bucket, "firmware", in both
// addressing styles, and looks at signatures without computing them.
type objectStore struct {
	objects map[string][]byte
	answer  func(w http.ResponseWriter, r *http.Request, data []byte)

	mu       sync.Mutex
	requests []*http.Request
}

func (o *objectStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.requests = append(o.requests, r)
	o.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/")
	if !strings.HasPrefix(r.Host, "firmware.") {
		key = strings.TrimPrefix(key, "firmware/")
	}
	data, ok := o.objects[key]
	switch authorization := r.Header.Get("Authorization"); {
	case !strings.HasPrefix(authorization, "AWS4-HMAC-SHA256 Credential=KEY/"),
		!strings.Contains(authorization, "/eu-1/s3/"):
		w.WriteHeader(http.StatusForbidden)
	case !ok:
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("<Error><Code>NoSuchKey</Code></Error>"))
	case o.answer != nil:
		o.answer(w, r, data)
	default:
		honest(w, r, data)
	}
}

// newStore starts a store and a transport that finds oss.test there.
func newStore(t *testing.T, objects map[string][]byte) (*objectStore, *http.Transport) {
	o := &objectStore{objects: objects}
	s := httptest.NewServer(o)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasSuffix(address, "oss.test:80") {
			address = s.Listener.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	})
	return o, transport
}

func storage() *download.Storage {
	return &download.Storage{Endpoint: "http://oss.test", Region: "eu-1", AccessKey: "KEY", SecretKey: "SECRET"}
}

func TestStoreInBothStyles(t *testing.T) {
	t.Parallel()
	data := image(20_000, 1)
	file := describe("fw", data, 4096)
	for host, pathStyle := range map[string]bool{"oss.test": true, "firmware.oss.test": false} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			o, transport := newStore(t, map[string][]byte{"dir/fw 1.bin": data})
			config := quick()
			config.Transport, config.Storage = transport, storage()
			config.Storage.PathStyle = pathStyle
			place := newPlace(t, file)
			place.put(data[:8192], 0)
			succeeded(t, newFetcher(t, config).Fetch(t.Context(), jobOf(file, place, "s3://firmware/dir/fw 1.bin")))
			place.holds(data)
			require.Len(t, o.requests, 1, "no request for a region, none repeated")
			assert.Equal(t, host, o.requests[0].Host)
			assert.Equal(t, "bytes=8192-19999", o.requests[0].Header.Get("Range"))
		})
	}
}

func TestStoreResumesTheSameObject(t *testing.T) {
	t.Parallel()
	data := image(20_000, 1)
	file := describe("fw", data, 4096)
	o, transport := newStore(t, map[string][]byte{"fw": data})
	o.answer = func(w http.ResponseWriter, r *http.Request, data []byte) {
		first, last := asked(r)
		w.Header().Set("ETag", `"one"`)
		partial(w, first, last, len(data))
		_, _ = w.Write(data[first:min(first+9000, last+1)])
	}
	config := quick()
	config.Transport, config.Storage = transport, storage()
	place := newPlace(t, file)
	succeeded(t, newFetcher(t, config).Fetch(t.Context(), jobOf(file, place, "s3://firmware/fw")))
	place.holds(data)
	require.Len(t, o.requests, 3)
	assert.Equal(t, `"one"`, o.requests[1].Header.Get("If-Match"))
}

// TestStoreWithWrongBytes tells the store's download every lie of a plain server.
func TestStoreWithWrongBytes(t *testing.T) {
	t.Parallel()
	data := image(20_000, 1)
	file := describe("fw", data, 4096)
	for _, lie := range wrongAnswers {
		t.Run(lie.name, func(t *testing.T) {
			t.Parallel()
			o, transport := newStore(t, map[string][]byte{"fw": data})
			o.answer = lie.tell
			config := quick()
			config.Transport, config.Storage = transport, storage()
			config.StallTimeout = patience(lie.name)
			place := newPlace(t, file)
			job := jobOf(file, place, "s3://firmware/fw")
			job.Setbacks.Renewed = true
			result := newFetcher(t, config).Fetch(t.Context(), job)
			if lie.code == "" {
				succeeded(t, result)
				place.holds(data)
				return
			}
			require.NotNil(t, result.Failure)
			assert.True(t, result.Failure.Code.Transient(), "%v", result.Failure)
			assert.Equal(t, download.DefaultAttempts, result.Setbacks.Fruitless)
			if strings.HasPrefix(lie.name, "50") {
				assert.Equal(t, ota.StorageUnavailable, result.Failure.Code)
			}

			honestServer, second := newServer(t, data), newPlace(t, file)
			job = jobOf(file, second, "s3://firmware/fw", honestServer.URL)
			job.Setbacks.Renewed = true
			succeeded(t, newFetcher(t, config).Fetch(t.Context(), job))
			second.holds(data)
		})
	}
}

func TestStoreAddressesThatAreSkipped(t *testing.T) {
	t.Parallel()
	data := image(20_000, 1)
	file := describe("fw", data, 4096)
	_, transport := newStore(t, map[string][]byte{"fw": data})
	for name, row := range map[string]struct {
		url     string
		storage *download.Storage
	}{
		"no such key": {"s3://firmware/other", storage()},
		"wrong credentials": {"s3://firmware/fw", &download.Storage{Endpoint: "http://oss.test", Region: "eu-1",
			AccessKey: "OTHER", SecretKey: "x"}},
		"no key file": {"s3://firmware/fw", &download.Storage{Endpoint: "http://oss.test",
			AccessKeyFile: filepath.Join(t.TempDir(), "none"), SecretKey: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := quick()
			config.Transport, config.Storage = transport, row.storage
			f := newFetcher(t, config)
			result := f.Fetch(t.Context(), jobOf(file, newPlace(t, file), row.url))
			require.Nil(t, result.Failure)
			assert.Equal(t, ota.AddressExpired, result.Need)
			assert.Equal(t, 1, result.Setbacks.Fruitless)
		})
	}
}

func TestStoreNamesThatLeadElsewhere(t *testing.T) {
	t.Parallel()
	data := image(20_000, 1)
	file := describe("fw", data, 4096)
	var hosts sync.Map
	config := quick()
	config.Storage = storage()
	config.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
		hosts.Store(r.URL.Host, true)
		return nil, errors.New("no answer")
	})
	for _, address := range []string{"s3://evil.test#/fw", "s3://evil.test?/fw", "s3://evil.test:80/fw",
		"s3://user@evil/fw", "s3://a/fw", "s3://firmware/a\xff"} {
		result := newFetcher(t, config).Fetch(t.Context(), jobOf(file, newPlace(t, file), address))
		assert.Equal(t, ota.AddressExpired, result.Need, address)
	}
	hosts.Range(func(host, _ any) bool {
		assert.Fail(t, "asked", "%s", host)
		return true
	})
}

func TestStoreKeysFromFiles(t *testing.T) {
	t.Parallel()
	data := image(20_000, 1)
	file := describe("fw", data, 4096)
	_, transport := newStore(t, map[string][]byte{"fw": data})
	access, secret := filepath.Join(t.TempDir(), "access"), filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(access, []byte("OLD\n"), 0o600))
	require.NoError(t, os.WriteFile(secret, []byte("SECRET\n"), 0o600))
	config := quick()
	config.Transport = transport
	config.Storage = &download.Storage{Endpoint: "http://oss.test", Region: "eu-1", AccessKeyFile: access,
		SecretKeyFile: secret}
	f := newFetcher(t, config)
	require.Equal(t, ota.AddressExpired, f.Fetch(t.Context(), jobOf(file, newPlace(t, file), "s3://firmware/fw")).Need)

	require.NoError(t, os.Remove(access))
	require.NoError(t, syscall.Mkfifo(access, 0o600))
	require.Equal(t, ota.AddressExpired, f.Fetch(t.Context(), jobOf(file, newPlace(t, file), "s3://firmware/fw")).Need,
		"a pipe is not waited for")

	require.NoError(t, os.Remove(access))
	require.NoError(t, os.WriteFile(access, []byte("KEY\n"), 0o600))
	place := newPlace(t, file)
	succeeded(t, f.Fetch(t.Context(), jobOf(file, place, "s3://firmware/fw")))
	place.holds(data)
}
