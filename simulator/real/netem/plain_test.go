package netem

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// file serves a text by ranges, and counts connections.
func file(t testing.TB, text string) (url string, conns *atomic.Int32) {
	t.Helper()
	conns = new(atomic.Int32)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "f.bin", time.Time{}, strings.NewReader(text))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, conns
}

func newPlain(t testing.TB) *Plain {
	p := NewPlain(&http.Transport{}, 4)
	t.Cleanup(p.CloseIdleConnections)
	return p
}

// part asks for a range and gives what comes.
func part(t testing.TB, by http.RoundTripper, url string, first, last int) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, last))
	answer, err := by.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(body)
}

// TestPlainAnswersAsNetHTTP does, one request after the other on one connection.
func TestPlainAnswersAsNetHTTP(t *testing.T) {
	text := strings.Repeat("0123456789", 20_000)
	url, conns := file(t, text)
	p := newPlain(t)
	for _, ends := range [][2]int{{0, 9}, {5, 100_000}, {199_990, 300_000}, {0, 199_999}, {500_000, 600_000}} {
		got, body := part(t, p, url, ends[0], ends[1])
		want, same := part(t, http.DefaultTransport, url, ends[0], ends[1])
		assert.Equal(t, same, body)
		assert.Equal(t, want.StatusCode, got.StatusCode)
		assert.Equal(t, want.ContentLength, got.ContentLength)
		want.Header.Del("Date")
		got.Header.Del("Date")
		assert.Equal(t, want.Header, got.Header)
	}
	assert.EqualValues(t, 2, conns.Load(), "one each")
}

// TestPlainAtOnce from many devices.
func TestPlainAtOnce(t *testing.T) {
	text := strings.Repeat("abcdefghij", 1000)
	url, _ := file(t, text)
	p := newPlain(t)
	var running sync.WaitGroup
	for i := range 40 {
		running.Go(func() {
			for n := range 10 {
				_, body := part(t, p, url, i, i+100*n)
				assert.Equal(t, text[i:i+100*n+1], body)
			}
		})
	}
	running.Wait()
	assert.LessOrEqual(t, len(p.idle), 4)
}

// talk is a server that answers the n-th connection, from 0, as told.
func talk(t *testing.T, treat func(n int, c net.Conn, requests *bufio.Reader)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for n := 0; ; n++ {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				treat(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return "http://" + listener.Addr().String() + "/f"
}

// TestPlainAsksAgain when a connection that it has kept was closed, on another one.
func TestPlainAsksAgain(t *testing.T) {
	var asked atomic.Int32
	url := talk(t, func(_ int, c net.Conn, requests *bufio.Reader) {
		_, err := http.ReadRequest(requests)
		if assert.NoError(t, err) {
			asked.Add(1)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	p := newPlain(t)
	for range 3 {
		_, body := part(t, p, url, 0, 1)
		assert.Equal(t, "ok", body)
	}
	assert.EqualValues(t, 3, asked.Load())
}

// TestPlainFails without an answer, and keeps no connection.
func TestPlainFails(t *testing.T) {
	for name, say := range map[string]string{
		"nothing":             "",
		"no HTTP":             "SSH-2.0-OpenSSH\r\n",
		"a head without end":  "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHead),
		"no end of interims":  strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 2*maxInterim),
		"another protocol":    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"half a head":         "HTTP/1.1 206 Partial Content\r\nContent-Le",
		"a length of letters": "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
	} {
		t.Run(name, func(t *testing.T) {
			url := talk(t, func(_ int, c net.Conn, requests *bufio.Reader) {
				_, err := http.ReadRequest(requests)
				assert.NoError(t, err)
				_, _ = io.WriteString(c, say)
			})
			p := newPlain(t)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			require.NoError(t, err)
			_, err = p.RoundTrip(r)
			require.Error(t, err)
			assert.Empty(t, p.idle)
		})
	}
}

// TestPlainBodies of other kinds, and those that break off.
func TestPlainBodies(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct {
		say, body string
		breaks    bool
		kept      int
	}{
		"in pieces":         {head + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", false, 1},
		"after an interim":  {"HTTP/1.1 103 Early Hints\r\n\r\n" + head + "Content-Length: 2\r\n\r\nok", "ok", false, 1},
		"empty":             {head + "Content-Length: 0\r\n\r\n", "", false, 1},
		"up to the end":     {"HTTP/1.0 200 OK\r\n\r\nok", "ok", false, 0},
		"the last one":      {head + "Connection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false, 0},
		"half":              {head + "Content-Length: 4\r\n\r\nok", "ok", true, 0},
		"half of the piece": {head + "Transfer-Encoding: chunked\r\n\r\n4\r\nok", "ok", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			url := talk(t, func(_ int, conn net.Conn, requests *bufio.Reader) {
				_, err := http.ReadRequest(requests)
				assert.NoError(t, err)
				_, _ = io.WriteString(conn, c.say)
			})
			p := newPlain(t)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			require.NoError(t, err)
			answer, err := p.RoundTrip(r)
			require.NoError(t, err)
			body, err := io.ReadAll(answer.Body)
			assert.Equal(t, c.body, string(body))
			assert.Equal(t, c.breaks, err != nil, "%v", err)
			require.NoError(t, answer.Body.Close())
			assert.Len(t, p.idle, c.kept)
		})
	}
}

// TestPlainEndsWithItsContext, before the answer and within it, and says why.
func TestPlainEndsWithItsContext(t *testing.T) {
	why := errors.New("the power is gone")
	for name, say := range map[string]string{"before the answer": "",
		"in the body": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			asked := make(chan struct{})
			url := talk(t, func(_ int, c net.Conn, requests *bufio.Reader) {
				_, err := http.ReadRequest(requests)
				assert.NoError(t, err)
				_, _ = io.WriteString(c, say)
				close(asked)
				_, _ = requests.ReadByte() // until the other end is closed
			})
			p := newPlain(t)
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			require.NoError(t, err)
			go func() {
				<-asked
				cancel(why)
			}()
			answer, err := p.RoundTrip(r)
			if err == nil {
				_, err = io.ReadAll(answer.Body)
				_ = answer.Body.Close()
			}
			require.ErrorIs(t, err, why)
			assert.Empty(t, p.idle)
		})
	}
}

// TestPlainLeavesTheRest to the other transport.
func TestPlainLeavesTheRest(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(secure.Close)
	p := NewPlain(secure.Client().Transport.(*http.Transport), 4)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, secure.URL, strings.NewReader("hello"))
	require.NoError(t, err)
	answer, err := p.RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(body))
	require.NoError(t, answer.Body.Close())
	assert.Empty(t, p.idle)
}

// TestPlainLetsGo of connections that are not used.
func TestPlainLetsGo(t *testing.T) {
	url, _ := file(t, "text")
	p := newPlain(t)
	part(t, p, url, 0, 1)
	require.Len(t, p.idle, 1)
	p.sweep()
	require.Len(t, p.idle, 1, "it is young")
	p.idle[0].since = time.Now().Add(-idleTime)
	p.sweep()
	assert.Empty(t, p.idle)
	part(t, p, url, 0, 1)
	p.CloseIdleConnections()
	assert.Empty(t, p.idle)
}

func BenchmarkRange(b *testing.B) {
	url, _ := file(b, strings.Repeat("x", 64<<10))
	const inFlight = 64
	ways := map[string]http.RoundTripper{"plain": NewPlain(&http.Transport{}, inFlight),
		"nethttp": &http.Transport{MaxIdleConnsPerHost: inFlight}}
	for name, by := range ways {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := processor(b)
			b.SetParallelism(inFlight / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					part(b, by, url, 0, 999)
				}
			})
			b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processor is the time that this process has had of one.
func processor(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
