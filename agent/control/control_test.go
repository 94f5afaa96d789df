package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/control"
	"otafleet/internal/ota"
)

// fakeAgent answers with a status and keeps what is posted.
type fakeAgent struct {
	mu     sync.Mutex
	status control.Status
	err    error
	view   agent.View
	posted []agent.Input
	// Of a package.
	rehearsed ota.Envelope
	rehearses func() // while a rehearsal is under way; nil for nothing
	installs  func(path string) (string, error)
}

func (f *fakeAgent) View() agent.View { return f.view }

func (f *fakeAgent) Events() ([]json.RawMessage, error) {
	return []json.RawMessage{json.RawMessage(`{"kind":"started"}`)}, f.err
}

func (f *fakeAgent) Rehearse(_ context.Context, envelope ota.Envelope) (control.Rehearsal, error) {
	if f.rehearses != nil {
		f.rehearses()
	}
	f.rehearsed = envelope
	return control.Rehearsal{Component: "app", Blocked: []control.Blocker{}}, f.err
}

func (f *fakeAgent) Install(_ context.Context, path string) (string, error) { return f.installs(path) }

// server serves an agent at a path.
func server(path string, f *fakeAgent) *control.Server {
	return &control.Server{Path: path, Agent: f, Records: f, Packages: f}
}

func (f *fakeAgent) Status(context.Context) (control.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status, f.err
}

func (f *fakeAgent) Post(in agent.Input) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posted = append(f.posted, in)
}

func (f *fakeAgent) inputs() []agent.Input {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.posted
}

// serve runs a server until the test ends and waits until it answers.
func serve(t testing.TB, server *control.Server) *control.Client {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
		assert.NoFileExists(t, server.Path)
	})
	client := &control.Client{Path: server.Path}
	require.Eventually(t, func() bool {
		var unreachable *control.Unreachable
		_, err := client.Status(ctx)
		return !errors.As(err, &unreachable)
	}, time.Minute, 5*time.Millisecond)
	return client
}

func socket(t testing.TB) string { return filepath.Join(t.TempDir(), "agent.sock") }

var view = agent.View{
	Identity: ota.Identity{Product: "gw-200", Device: "gw-0001"}, Connected: true,
	Components: []agent.ComponentView{{ID: "rootfs", Type: ota.Module, Version: "1.0.0", Release: 41},
		{ID: "motor", Type: ota.MCU}},
	Plan: &agent.PlanView{
		ID: "p-17", Name: "spring", Attempt: 2, Ends: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), Answer: "asking",
		Components: []agent.PartView{
			{ID: "rootfs", Status: ota.Downloading, Target: "1.1.0", Done: 10, Total: 20},
			{ID: "motor", Status: ota.DownloadFailed, Target: "3_1",
				Failure: &ota.Failure{Code: ota.DigestMismatch, Detail: "chunk 12"}},
		},
	},
	Pending: 3, Waiting: "plan p-17 waits for your answer", Trouble: "disk full",
}

const viewJSON = `{"product":"gw-200","device":"gw-0001","agent":"","uptime_seconds":0,"connected":true,
 "waiting":"plan p-17 waits for your answer",
 "components":[{"id":"rootfs","type":"module","version":"1.0.0","release":41},
  {"id":"motor","type":"mcu","version":"","release":0}],
 "plan":{"id":"p-17","name":"spring","attempt":2,"ends":"2026-12-01T00:00:00Z","answer":"asking","components":[
  {"id":"rootfs","status":"downloading","version":"1.0.0","target":"1.1.0","done":10,"total":20},
  {"id":"motor","status":"download_failed","version":"","target":"3_1",
   "failure":{"code":"digest_mismatch","detail":"chunk 12"}}]},
 "pending_reports":3,"journal":{"saves":0,"trouble":"disk full"}}`

func TestStatus(t *testing.T) {
	written, err := json.Marshal(control.NewStatus(view))
	require.NoError(t, err)
	assert.JSONEq(t, viewJSON, string(written))

	since := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	want := control.NewStatus(view)
	want.Agent, want.Uptime, want.Since = "ota-agent/1.0.0", 77, &since
	client := serve(t, server(socket(t), &fakeAgent{status: want}))
	got, err := client.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestOrders(t *testing.T) {
	connected := control.Status{Connected: true, Waiting: "idle: no plan yet"}
	asking := control.Status{Plan: &control.Plan{ID: "p-17", Attempt: 2, Answer: control.AnswerAsking,
		Components: []control.Part{{ID: "rootfs", Version: "1.0.0", Target: "1.1.0"}}}}
	const changed = "another question waits now: plan p-17, attempt 2: rootfs 1.0.0 to 1.1.0"
	open := agent.View{Plan: &agent.PlanView{ID: "p-17", Open: true}}
	switching := agent.View{Plan: &agent.PlanView{ID: "p-17", Open: true, Switching: true}}
	check := func(c *control.Client, ctx context.Context) (string, error) { return c.Check(ctx) }
	confirm := func(c *control.Client, ctx context.Context) (string, error) {
		return c.Confirm(ctx, control.Question{})
	}
	decline := func(c *control.Client, ctx context.Context) (string, error) {
		return c.Refuse(ctx, control.Question{}, " not today ")
	}
	for name, test := range map[string]struct {
		agent  *fakeAgent
		order  func(*control.Client, context.Context) (string, error)
		posted []agent.Input
		says   string
		code   int // of the refusal; 0 if it is carried out
	}{
		"check": {&fakeAgent{status: connected}, check, []agent.Input{agent.CheckRequested{}},
			"the platform is asked", 0},
		"check, offline": {&fakeAgent{}, check, nil, "not connected", http.StatusConflict},
		"check, broken": {&fakeAgent{err: errors.New("is ending")}, check, nil, "is ending",
			http.StatusServiceUnavailable},
		"confirm": {&fakeAgent{status: asking}, confirm,
			[]agent.Input{agent.Decided{Accept: true, Plan: "p-17", Attempt: 2, Targets: []string{"1.1.0"}}},
			"confirmed plan p-17", 0},
		"confirm what was read": {&fakeAgent{status: asking}, meant("p-17", 2, "1.1.0"),
			[]agent.Input{agent.Decided{Accept: true, Plan: "p-17", Attempt: 2, Targets: []string{"1.1.0"}}},
			"confirmed plan p-17, attempt 2: rootfs 1.0.0 to 1.1.0", 0},
		"confirm an old attempt": {&fakeAgent{status: asking}, meant("p-17", 1), nil, changed, http.StatusConflict},
		"confirm old versions":   {&fakeAgent{status: asking}, meant("p-17", 2, "1.0.9"), nil, changed, http.StatusConflict},
		"confirm fewer versions": {&fakeAgent{status: asking}, meant("", 0, "1.1.0", "3_1"), nil, changed,
			http.StatusConflict},
		"confirm another plan": {&fakeAgent{status: asking}, meant("p-16", 2), nil, changed, http.StatusConflict},
		"abandon": {&fakeAgent{view: open}, abandon(""),
			[]agent.Input{agent.Abandon{Plan: "p-17", Detail: "not today"}}, "abandoned plan p-17", 0},
		"abandon, nothing": {&fakeAgent{}, abandon(""), nil, "no plan is in progress", http.StatusConflict},
		"abandon another plan": {&fakeAgent{view: open}, abandon("p-16"), nil, "plan p-17 is the current one",
			http.StatusConflict},
		"abandon in the switch": {&fakeAgent{view: switching}, abandon("p-17"), nil,
			"is being switched, and goes on to its end", http.StatusConflict},
		"confirm, nothing": {&fakeAgent{status: connected}, confirm, nil,
			"no plan waits for an answer: idle: no plan yet", http.StatusConflict},
		"confirm, broken": {&fakeAgent{err: errors.New("is ending")}, confirm, nil, "is ending",
			http.StatusServiceUnavailable},
		"refuse": {&fakeAgent{status: asking}, decline,
			[]agent.Input{agent.Decided{Detail: "not today", Plan: "p-17", Attempt: 2, Targets: []string{"1.1.0"}}},
			"refused plan p-17", 0},
		"refuse what has run": {&fakeAgent{status: control.Status{Plan: &control.Plan{Answer: "accepted"}}}, decline, nil,
			"no plan waits", http.StatusConflict},
		"refuse, with a novel": {&fakeAgent{status: asking}, novel(ota.MaxDetail + 1), nil, "at most 4096",
			http.StatusBadRequest},
		"refuse, with a flood": {&fakeAgent{status: asking}, novel(1 << 20), nil, "longer than 8192 bytes",
			http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, server(socket(t), test.agent))
			done, err := test.order(client, t.Context())
			if test.code == 0 {
				require.NoError(t, err)
				assert.Contains(t, done, test.says)
			} else {
				var refused *control.Refused
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, test.code, refused.Code)
				assert.Contains(t, refused.Message, test.says)
			}
			assert.Equal(t, test.posted, test.agent.inputs())
		})
	}
}

func meant(plan string, attempt int, targets ...string) func(*control.Client, context.Context) (string, error) {
	return func(c *control.Client, ctx context.Context) (string, error) {
		return c.Confirm(ctx, control.Question{Plan: plan, Attempt: attempt, Targets: targets})
	}
}

func abandon(plan string) func(*control.Client, context.Context) (string, error) {
	return func(c *control.Client, ctx context.Context) (string, error) {
		return c.Abandon(ctx, plan, " not today ")
	}
}

func novel(size int) func(*control.Client, context.Context) (string, error) {
	return func(c *control.Client, ctx context.Context) (string, error) {
		return c.Refuse(ctx, control.Question{}, strings.Repeat("x", size))
	}
}

// TestRawRequests sends what a Client would not.
func TestRawRequests(t *testing.T) {
	path := socket(t)
	serve(t, server(path, &fakeAgent{status: control.NewStatus(view)}))
	for _, test := range []struct {
		method, path, body string
		code               int
	}{
		{"GET", "/v1/status", "", http.StatusOK},
		{"POST", "/v1/confirm", `{"detail":"x","later":1}`, http.StatusAccepted},
		{"POST", "/v1/refuse", "", http.StatusAccepted},
		{"POST", "/v1/refuse", "{", http.StatusBadRequest},
		{"POST", "/v1/refuse", `{"detail":7}`, http.StatusBadRequest},
		{"POST", "/v1/reboot", "", http.StatusNotFound},
		{"DELETE", "/", "", http.StatusNotFound},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			transport := &http.Transport{
				DisableKeepAlives: true,
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, "unix", path)
				},
			}
			request, err := http.NewRequestWithContext(t.Context(), test.method, "http://x"+test.path,
				strings.NewReader(test.body))
			require.NoError(t, err)
			response, err := transport.RoundTrip(request)
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, errors.Join(err, response.Body.Close()))
			assert.Equal(t, test.code, response.StatusCode)
			assert.True(t, json.Valid(bytes.TrimSpace(body)), "%s", body)
		})
	}
}

func TestNoAgentAnswers(t *testing.T) {
	path := socket(t)
	_, err := (&control.Client{Path: path}).Status(t.Context())
	var unreachable *control.Unreachable
	require.ErrorAs(t, err, &unreachable)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "cannot reach the agent at "+path+": is ota-agent running?")

	denied := &control.Unreachable{Path: path, Err: fs.ErrPermission}
	assert.ErrorContains(t, denied, "run as root or as a member of the socket's group")
}

// TestStrangersAnswer meets servers on the socket that are no agent.
func TestStrangersAnswer(t *testing.T) {
	for name, test := range map[string]struct{ answer, says string }{
		"no JSON":        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "cannot understand"},
		"no explanation": {"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nhello", "HTTP status 500 and no explanation"},
		"cut off":        {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "cannot read"},
		"no HTTP":        {"SSH-2.0\r\n", "cannot reach"},
		"endless":        {"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 33<<20), "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			path := socket(t)
			listener, err := net.Listen("unix", path)
			require.NoError(t, err)
			var served sync.WaitGroup
			served.Go(func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = fmt.Fprint(conn, test.answer)
				_ = conn.Close()
			})
			_, err = (&control.Client{Path: path}).Status(t.Context())
			assert.ErrorContains(t, err, test.says)
			require.NoError(t, listener.Close())
			served.Wait()
		})
	}
}

func TestModeOfTheSocket(t *testing.T) {
	for given, want := range map[fs.FileMode]fs.FileMode{0: 0o660, 0o600: 0o600} {
		path := socket(t)
		srv := server(path, &fakeAgent{})
		srv.Mode = given
		serve(t, srv)
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm())
	}
}

func TestWhatStandsInTheWay(t *testing.T) {
	t.Run("stale socket", func(t *testing.T) {
		path := socket(t)
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		require.NoError(t, err)
		listener.SetUnlinkOnClose(false)
		require.NoError(t, listener.Close())
		require.FileExists(t, path)
		serve(t, server(path, &fakeAgent{}))
	})
	t.Run("another agent", func(t *testing.T) {
		path := socket(t)
		client := serve(t, server(path, &fakeAgent{}))
		second := server(path, &fakeAgent{})
		assert.ErrorContains(t, second.Run(t.Context()), "another agent answers")
		_, err := client.Status(t.Context())
		assert.NoError(t, err, "the first one goes on")
	})
	t.Run("a file", func(t *testing.T) {
		path := socket(t)
		require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
		srv := server(path, &fakeAgent{})
		assert.ErrorContains(t, srv.Run(t.Context()), "is not a socket")
		assert.FileExists(t, path)
	})
	t.Run("no directory", func(t *testing.T) {
		srv := server(filepath.Join(t.TempDir(), "run", "agent.sock"), &fakeAgent{})
		assert.ErrorContains(t, srv.Run(t.Context()), "cannot open the control socket")
	})
}

func TestServerProblemsAreSaidTogether(t *testing.T) {
	err := (&control.Server{Mode: fs.ModeSetuid}).Run(t.Context())
	for _, part := range []string{"no path", "mode", "no agent", "no records"} {
		assert.ErrorContains(t, err, part)
	}
}
