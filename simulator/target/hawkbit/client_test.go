package hawkbit_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/hawkbit/management"
	"otafleet/simulator/target/hawkbit"
)

// answers carries requests to a handler without a socket.
type answers struct{ http.Handler }

// RoundTrip answers one request.
func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w.Result(), nil
}

func operator(t *testing.T, address string, h http.Handler) *hawkbit.Client {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	c, err := hawkbit.New(hawkbit.Config{URL: u, User: "admin", Password: "secret", Transport: answers{h}})
	require.NoError(t, err)
	return c
}

func server() http.Handler {
	return management.NewAPI(management.NewStore(90*time.Second), func(user, password string) bool {
		return user == "admin" && password == "secret"
	}, nil)
}

// A run makes what it needs, and all of it goes by the run's name, by a client that has
// not made it too.
func TestRun(t *testing.T) {
	h := server()
	c := operator(t, "http://127.0.0.1", h)
	polls, err := c.Check(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 90*time.Second, polls)
	theirs, err := c.Begin(t.Context(), "theirs")
	require.NoError(t, err)
	require.NoError(t, theirs.AddTargets(t.Context(), []hawkbit.Target{{Key: "theirs-1", Token: "t"}}))
	run, err := c.Begin(t.Context(), "ota-sim-1")
	require.NoError(t, err)
	var all []hawkbit.Target
	var keys []string
	for n := range 1201 {
		keys = append(keys, fmt.Sprint("device-", n))
		all = append(all, hawkbit.Target{Key: keys[n], Token: "token"})
	}
	require.NoError(t, run.AddTargets(t.Context(), all))
	modules, err := run.AddModules(t.Context(), []hawkbit.Module{{Name: "rootfs", Version: "2",
		Files: []hawkbit.File{{Name: "rootfs.bin", Content: []byte("new")}, {Name: "rootfs.ota-manifest"}}},
		{Name: "motor", Version: "3", Files: []hawkbit.File{{Name: "motor.bin"}}}})
	require.NoError(t, err)
	set, err := run.AddSet(t.Context(), "spring", "1", modules)
	require.NoError(t, err)
	require.NoError(t, run.Assign(t.Context(), set, keys))
	actions, err := run.Actions(t.Context(), set, "")
	require.NoError(t, err)
	require.Len(t, actions, len(keys))
	assert.Equal(t, "device-1200", actions[1200].Target)
	assert.True(t, actions[0].Active)
	failed, err := run.Actions(t.Context(), set, "error")
	require.NoError(t, err)
	assert.Empty(t, failed)
	require.ErrorContains(t, run.Assign(t.Context(), set, []string{"device-1", "nobody"}), "it took 1 of 2 targets")

	require.NoError(t, operator(t, "http://127.0.0.1", h).Remove(t.Context(), run.Name()))
	require.NoError(t, run.Remove(t.Context()), "nothing is left of it")
	again, err := c.Begin(t.Context(), "ota-sim-1")
	require.NoError(t, err)
	require.NoError(t, again.AddTargets(t.Context(), all))
	require.ErrorContains(t, theirs.AddTargets(t.Context(), []hawkbit.Target{{Key: "theirs-1"}}), "409", "theirs is there")
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		handler http.HandlerFunc
		want    string
	}{
		{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "not let this operator in"},
		{func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"value":false}`) }, "switch that on"},
		{func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "is not hawkBit"},
		{func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"value":true}`) }, "want HH:MM:SS"},
		{func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat(" ", 17<<20)) }, "longer than any"},
		{func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"message":"no\n  way"}`)
		}, "403 Forbidden: no way"},
	} {
		_, err := operator(t, "http://127.0.0.1", tt.handler).Check(t.Context())
		require.ErrorContains(t, err, tt.want)
		assert.NotContains(t, err.Error(), "secret")
	}
	for _, c := range []hawkbit.Config{{}, {URL: &url.URL{Scheme: "ftp", Host: "x"}},
		{URL: &url.URL{Scheme: "http", Host: "x", User: url.UserPassword("a", "b")}},
		{URL: &url.URL{Scheme: "http", Host: "x"}, User: "admin"}} {
		_, err := hawkbit.New(c)
		require.Error(t, err)
	}
}

// A server that asks for patience gets it.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		asked := 0
		c := operator(t, "http://127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked < 3 {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			fmt.Fprint(w, `[{"id":5}]`)
		}))
		_, err := c.Begin(t.Context(), "x")
		require.NoError(t, err)
		assert.Equal(t, 3, asked)
		assert.GreaterOrEqual(t, time.Since(began), 14*time.Second)
	})
}

// A server in a public network is asked no faster than it allows, one here as fast as
// it answers; a context that ends ends the wait.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.Method == http.MethodGet {
				fmt.Fprint(w, `{"content":[],"total":0}`)
				return
			}
			fmt.Fprint(w, `[{"id":1}]`)
		})
		for address, want := range map[string]time.Duration{"http://10.1.2.3": 0, "http://localhost": 0,
			"https://hawkbit.example.com": time.Second - time.Second/50} {
			began := time.Now()
			c := operator(t, address, h)
			for range 50 {
				_, err := c.Begin(t.Context(), "x")
				require.NoError(t, err)
			}
			assert.Equal(t, want, time.Since(began), address)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := asked.Load()
		_, err := operator(t, "https://hawkbit.example.com", h).Begin(ctx, "x")
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, before, asked.Load())
	})
}
