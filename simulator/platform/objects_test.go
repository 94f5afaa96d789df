package platform_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/objectstore"
)

// bucketOf is an external store that tells which objects lie in it.
func bucketOf(t *testing.T) (remote *platform.RemoteStore, keys func() []string) {
	t.Helper()
	credentials := objectstore.Credentials{AccessKey: "staff", SecretKey: "secret-of-the-store"}
	store, err := objectstore.New(objectstore.Config{Credentials: credentials, Buckets: []string{"ota"}})
	require.NoError(t, err)
	var mu sync.Mutex
	lying := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		switch r.Method {
		case http.MethodPut:
			lying[strings.TrimPrefix(r.URL.Path, "/ota/")] = true
		case http.MethodDelete:
			delete(lying, strings.TrimPrefix(r.URL.Path, "/ota/"))
		}
		mu.Unlock()
		store.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return &platform.RemoteStore{URL: server.URL, Bucket: "ota", Credentials: credentials}, func() []string {
		mu.Lock()
		defer mu.Unlock()
		var all []string
		for key := range lying {
			all = append(all, key)
		}
		return all
	}
}

// TestOneBucketForTwo: two platforms with packages of one name do not replace each
// other's objects, and each removes its own when it ends.
func TestOneBucketForTwo(t *testing.T) {
	store, keys := bucketOf(t)
	open := func() *platform.Service {
		s, err := platform.New(platform.Config{Store: store})
		require.NoError(t, err)
		_, err = s.Upload(t.Context(), bytes.NewReader(packageFile(t)), platform.Label{}, nil)
		require.NoError(t, err)
		return s
	}
	first := open()
	of := keys()
	second := open()
	assert.Len(t, keys(), 2)
	require.NoError(t, second.Close())
	assert.Equal(t, of, keys(), "the other's stay")
	require.NoError(t, first.Close())
	assert.Empty(t, keys())
	require.NoError(t, first.Close(), "twice")
}

// TestKeptObjects: a platform with a state directory finds its objects again, also
// those of a state that was written before their keys began with the platform's.
func TestKeptObjects(t *testing.T) {
	store, keys := bucketOf(t)
	state := t.TempDir()
	config := platform.Config{Store: store, State: state}
	s, err := platform.New(config)
	require.NoError(t, err)
	id, err := s.Upload(t.Context(), bytes.NewReader(packageFile(t)), platform.Label{}, nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	assert.Len(t, keys(), 1)

	s, err = platform.New(config)
	require.NoError(t, err)
	require.NoError(t, s.DeletePackage(t.Context(), id))
	assert.Empty(t, keys(), "it knows where they lie")
	_, err = s.Upload(t.Context(), bytes.NewReader(packageFile(t)), platform.Label{}, nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())

	root := filepath.Join(state, "objects")
	require.NoError(t, os.WriteFile(root, []byte("elsewhere/../"), 0o600))
	_, err = platform.New(config)
	require.ErrorContains(t, err, "objects: does not say where the packages lie")

	require.NoError(t, os.Remove(root))
	s, err = platform.New(config)
	require.NoError(t, err, "a state of an older platform")
	_, err = s.Upload(t.Context(), bytes.NewReader(packageOf(t, "1.2.0")), platform.Label{}, nil)
	require.NoError(t, err)
	assert.Contains(t, keys(), "gw-200/rootfs/full/1.2.0/rootfs.bin")
	require.NoError(t, s.Close())
}
