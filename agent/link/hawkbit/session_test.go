package hawkbit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/agent/link/hawkbit"
	"otafleet/internal/ota"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// serve runs a server over sockets.
func serve(t *testing.T, handler http.Handler) *httptest.Server {
	h := httptest.NewServer(handler)
	t.Cleanup(h.Close)
	return h
}

// run keeps a session, and gives what its device receives.
func run(t *testing.T, cfg hawkbit.Config) (*hawkbit.Session, <-chan agent.Input) {
	heard := make(chan agent.Input, 64)
	cfg.Device = link.Device{Identity: identity, Deliver: func(in agent.Input) { heard <- in }}
	s, err := hawkbit.New(cfg)
	require.NoError(t, err)
	ctx, end := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Add(1)
	s.Start(ctx, ended.Done)
	t.Cleanup(func() {
		end()
		ended.Wait()
	})
	return s, heard
}

func next(t *testing.T, heard <-chan agent.Input) agent.Input {
	t.Helper()
	select {
	case in := <-heard:
		return in
	case <-time.After(patience):
		t.Fatal("the device receives nothing")
		return nil
	}
}

func TestSession(t *testing.T) {
	server := newServer(t)
	h := serve(t, server)
	server.url = h.URL
	a := server.assign("8", "1.1.0", "app")
	s, heard := run(t, hawkbit.Config{URL: parse(t, h.URL), Token: func() (string, error) { return "secret", nil }})
	require.Equal(t, agent.Connected{}, next(t, heard))
	assert.False(t, s.Health().Since.IsZero())
	plan := next(t, heard).(agent.Received).Message.(*ota.Plan)
	report := func(seq int, status ota.Status) {
		s.Send(&ota.Report{Plan: plan.ID, Attempt: 1, Seq: seq, Component: "app", Status: status, Version: "1.1.0"})
	}
	report(1, ota.PlanReceived)
	s.Send(&ota.Decision{Plan: plan.ID, Attempt: 1, Accept: true})
	assert.IsType(t, &ota.Package{}, next(t, heard).(agent.Received).Message)
	report(2, ota.NoUpdateRequired)
	assert.Equal(t, &ota.Ack{Plan: "8", Seq: 2}, next(t, heard).(agent.Received).Message)
	server.mu.Lock()
	defer server.mu.Unlock()
	assert.Equal(t, "FINISHED", a.status)
}

// TestToken goes with each request of hawkBit's server, and with no other.
func TestToken(t *testing.T) {
	var bare, elsewhere atomic.Int32
	other := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			elsewhere.Add(1)
		}
	}))
	server := newServer(t)
	server.fail = func(r *http.Request) int {
		if r.Header.Get("Authorization") != "GatewayToken secret" {
			bare.Add(1)
		}
		return 0
	}
	h := serve(t, server)
	server.url = h.URL
	cfg := hawkbit.Config{URL: parse(t, h.URL), Gateway: true, Token: func() (string, error) { return "secret", nil }}
	_, heard := run(t, cfg)
	require.Equal(t, agent.Connected{}, next(t, heard))
	assert.Zero(t, bare.Load())
	r, err := http.NewRequest(http.MethodGet, other.URL, nil)
	require.NoError(t, err)
	require.NoError(t, cfg.Authorize(r))
	assert.Empty(t, r.Header.Get("Authorization"))

	// A redirect is not followed, lest the token goes there.
	redirecting := serve(t, http.RedirectHandler(other.URL, http.StatusFound))
	cfg.URL = parse(t, redirecting.URL)
	s, _ := run(t, cfg)
	assert.Eventually(t, func() bool { return s.Health().Trouble != "" }, patience, time.Millisecond)
	assert.Contains(t, s.Health().Trouble, "302")
	assert.Zero(t, elsewhere.Load())
}

// TestServerGone and back again: the device hears of both, and what it sends meanwhile
// is dropped.
func TestServerGone(t *testing.T) {
	var down atomic.Bool
	server := newServer(t)
	server.sleep = "00:00:01"
	server.fail = func(*http.Request) int {
		if down.Load() {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	h := serve(t, server)
	server.url = h.URL
	s, heard := run(t, hawkbit.Config{URL: parse(t, h.URL)})
	require.Equal(t, agent.Connected{}, next(t, heard))
	down.Store(true)
	require.Equal(t, agent.Disconnected{}, next(t, heard))
	s.Send(&ota.Inventory{Request: true})
	assert.Contains(t, s.Health().Trouble, "503")
	down.Store(false)
	require.Equal(t, agent.Connected{}, next(t, heard))
	assert.Empty(t, s.Health().Trouble)
}

// TestHugeAnswers are refused before they fill the memory.
func TestHugeAnswers(t *testing.T) {
	h := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 1024 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	s, _ := run(t, hawkbit.Config{URL: parse(t, h.URL)})
	assert.Eventually(t, func() bool { return s.Health().Trouble != "" }, patience, time.Millisecond)
	assert.Contains(t, s.Health().Trouble, "longer than any of its documents")
}

func TestConfigProblems(t *testing.T) {
	_, err := hawkbit.New(hawkbit.Config{Tenant: "a/b", Members: []link.Device{{}}, Timeout: -1})
	for _, want := range []string{"https://host or http://host", `tenant "a/b"`, "gateway token", "time-out",
		"its messages go nowhere"} {
		assert.ErrorContains(t, err, want)
	}
}
