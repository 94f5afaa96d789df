package hawkbit_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/agent"
	"otafleet/agent/link/hawkbit"
	"otafleet/internal/ota"
)

// values are what a server puts where something else belongs.
func values() []any {
	return []any{nil, true, -1, 1e300, "", "x", "\x00\u202e", strings.Repeat("9", 100_000), []any{}, []any{nil, 1, "x"},
		map[string]any{}, map[string]any{"href": 7}, map[string]any{"href": "//elsewhere/1"},
		map[string]any{"href": "file:///etc/passwd"}, "-01:99:99", "99:59:59", json.RawMessage(nested(5_000))}
}

func nested(deep int) string { return strings.Repeat(`{"a":[`, deep) + strings.Repeat(`]}`, deep) }

// places lists every value of a document, by the way to it.
func places(v any, way []any) (all [][]any) {
	all = append(all, append([]any(nil), way...))
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			all = append(all, places(v[k], append(way, k))...)
		}
	case []any:
		for i := range v {
			all = append(all, places(v[i], append(way, i))...)
		}
	}
	return all
}

// change gives the document with another value at a place.
func change(v any, way []any, to any) any {
	if len(way) == 0 {
		return to
	}
	switch v := v.(type) {
	case map[string]any:
		changed := map[string]any{}
		for k := range v {
			changed[k] = v[k]
		}
		key := way[0].(string)
		changed[key] = change(v[key], way[1:], to)
		return changed
	case []any:
		changed := append([]any(nil), v...)
		changed[way[0].(int)] = change(v[way[0].(int)], way[1:], to)
		return changed
	}
	return v
}

// TestEveryFieldWrong changes each field of the root and of a deployment to each of the
// values. Whatever comes, the device goes on asking, takes nothing that it could not
// use, and says why it has no connection if it has none.
func TestEveryFieldWrong(t *testing.T) {
	for _, word := range []bool{false, true} {
		b := newBench(t)
		a := b.server.assign("8", "1.1.0", "app")
		var root, document any
		assert.NoError(t, json.Unmarshal(b.server.root(), &root))
		_, text := b.server.document(a, "deploymentBase")
		assert.NoError(t, json.Unmarshal(text, &document))
		for _, way := range places(root, nil) {
			for _, value := range values() {
				b.hostile(word, change(root, way, value), document, fmt.Sprint("root ", way))
			}
		}
		for _, way := range places(document, nil) {
			for _, value := range values() {
				b.hostile(word, root, change(document, way, value), fmt.Sprint("document ", way))
			}
		}
	}
}

// hostile plays a server with these documents for ten minutes.
func (b *bench) hostile(word bool, root, document any, what string) {
	rootText, err := json.Marshal(root)
	assert.NoError(b.t, err)
	text, err := json.Marshal(document)
	assert.NoError(b.t, err)
	answers := map[string][]byte{base + "/DEFAULT/controller/v1/gw-0001": rootText,
		base + "/DEFAULT/controller/v1/gw-0001/deploymentBase/8": text}
	x := hawkbit.NewExchange(hawkbit.Settings{Identity: identity, URL: parse(b.t, base), OnFailure: ota.Stop,
		Vouched: word, Draw: func() float64 { return 0 }})
	now, asked, online := b.now, 0, false
	for end := now.Add(10 * time.Minute); now.Before(end); {
		inputs, handled := x.Deliveries()
		for _, in := range inputs {
			online = follow(online, in)
			check(b.t, word, in)
			reply(x, now, in)
		}
		if handled {
			x.Handled(now)
		}
		r, at := x.Next(now)
		if r == nil {
			if !assert.Positive(b.t, at.Sub(now), what) {
				return
			}
			now = at
			continue
		}
		if asked++; asked > 1000 {
			b.t.Fatal(what, ": it asks without an end")
		}
		p := hawkbit.Response{Status: http.StatusOK, Body: answers[r.URL]}
		if p.Body == nil && r.Method == http.MethodGet {
			p = hawkbit.Response{Status: http.StatusNotFound}
		}
		x.Answered(now, p)
	}
	if !online {
		assert.Error(b.t, x.Trouble(), what)
	}
	assert.Positive(b.t, asked, what)
}

func TestHugeDocuments(t *testing.T) {
	b := newBench(t)
	a := b.server.assign("8", "1.1.0", "app")
	for range 1000 {
		a.chunks = append(a.chunks, a.chunks[0])
	}
	b.start()
	assert.Contains(t, strings.Join(a.details, "\n"), "it has 1001 modules: want 1 to 20")

	b = newBench(t)
	a = b.server.assign("8", "1.1.0", "app")
	a.chunks = make([]any, 400_000) // of nothing
	before := allocated()
	b.start()
	assert.Contains(t, strings.Join(a.details, "\n"), "has more values than any of hawkBit's")
	assert.Less(t, allocated()-before, uint64(64<<20), "the server's own document is most of it")

	b = newBench(t)
	b.server.sleep = "99:99:99"
	b.server.assign("8", "1.1.0", "app")
	b.start()
	b.offered("8")
	assert.False(t, b.settle().After(b.now.Add(24*time.Hour)), "a pause without an end")
}

// allocated is how many bytes have been allocated since the start.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestSlowServers answer a byte at a time, or nothing: the device does not wait for ever,
// and says for what.
func TestSlowServers(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a body without an end": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" "))
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
		},
	} {
		h := serve(t, handler)
		s, _ := run(t, hawkbit.Config{URL: parse(t, h.URL), Timeout: 50 * time.Millisecond})
		assert.Eventually(t, func() bool { return s.Health().Trouble != "" }, patience, time.Millisecond, name)
	}
}

// TestManifestByRedirect is read from where hawkBit's storage is, without the token; one
// that leads in a circle is given up.
func TestManifestByRedirect(t *testing.T) {
	server := newServer(t)
	var storage, circle *httptest.Server
	storage = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Header.Get("Authorization"))
		status, text := server.answer(r.Method, r.URL.Path, nil)
		w.WriteHeader(status)
		_, _ = w.Write(text)
	}))
	circle = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, circle.URL+r.URL.Path, http.StatusFound)
	}))
	var to atomic.Pointer[httptest.Server]
	to.Store(storage)
	h := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/artifacts/") {
			http.Redirect(w, r, to.Load().URL+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		server.ServeHTTP(w, r)
	}))
	server.url = h.URL
	server.assign("8", "1.1.0", "app")
	cfg := hawkbit.Config{URL: parse(t, h.URL), Token: func() (string, error) { return "secret", nil }}
	_, heard := run(t, cfg)
	next(t, heard)
	assert.IsType(t, &ota.Plan{}, next(t, heard).(agent.Received).Message)

	to.Store(circle)
	s, heard := run(t, cfg)
	next(t, heard)
	assert.Eventually(t, func() bool { return s.Health().Trouble != "" }, patience, time.Millisecond)
	assert.Contains(t, s.Health().Trouble, `the signed manifest of module "app" cannot be read`)
	assert.Contains(t, s.Health().Trouble, "leads on")
	assert.NotContains(t, s.Health().Trouble, "/artifacts/")
	assert.False(t, s.Health().Since.IsZero(), "the session goes on")
}
