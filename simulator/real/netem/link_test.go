package netem

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
)

// echo listens and sends every link back.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

func newLink(t *testing.T, spec scenario.Link) *Link {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	began := time.Now()
	return NewLink(model.NewLine(&spec, 1, "d-000001"), func() time.Duration { return time.Since(began) },
		func() float64 { return 0.5 }, &net.Dialer{}, transport)
}

func TestLinkIsCut(t *testing.T) {
	l, address := newLink(t, scenario.Link{}), echo(t)
	conn, err := l.Dial(t.Context(), "tcp", address)
	require.NoError(t, err)
	_, err = fmt.Fprintln(conn, "hello")
	require.NoError(t, err)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "hello\n", answer)

	l.Cut(time.Hour)
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = l.Dial(t.Context(), "tcp", address)
	require.ErrorIs(t, err, ErrDown)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
	require.NoError(t, err)
	_, err = l.RoundTrip(request)
	require.ErrorIs(t, err, ErrDown)
	l.Cut(0)
	down, cuts := l.state()
	assert.True(t, down, "a shorter cut does not mend a longer one")
	assert.Equal(t, 2, cuts)
}

func TestLinkComesBack(t *testing.T) {
	l, address := newLink(t, scenario.Link{}), echo(t)
	l.Cut(50 * time.Millisecond)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		conn, err := l.Dial(t.Context(), "tcp", address)
		if assert.NoError(c, err) {
			assert.NoError(c, conn.Close())
		}
	}, patience, 10*time.Millisecond)
	assert.Empty(t, l.conns, "a closed connection is forgotten")
}

// TestLinkIsCutInABody: what has come is there, what is asked for later is not,
// though the connection behind it is shared and lives on.
func TestLinkIsCutInABody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 1<<20))
	}))
	defer server.Close()
	l := newLink(t, scenario.Link{})
	get := func() *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		answer, err := l.RoundTrip(request)
		require.NoError(t, err)
		t.Cleanup(func() { answer.Body.Close() })
		return answer
	}
	answer := get()
	_, err := io.ReadFull(answer.Body, make([]byte, 1000))
	require.NoError(t, err)
	l.Cut(0)
	_, err = io.ReadAll(answer.Body)
	require.ErrorIs(t, err, ErrDown)
	whole, err := io.ReadAll(get().Body)
	require.NoError(t, err)
	assert.Len(t, whole, 1<<20)
}

// TestLinkTakesItsTime measures lower bounds only: a loaded machine is slower.
func TestLinkTakesItsTime(t *testing.T) {
	const size = 64 << 10
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_,
			_ = w.Write(make([]byte, size))
	}))
	defer server.Close()
	fetch := func(spec scenario.Link) time.Duration {
		began := time.Now()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		answer, err := newLink(t, spec).RoundTrip(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		n, err := io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		assert.Equal(t, int64(size), n)
		return time.Since(began)
	}
	// What is owed below worthSleeping at the end is forgiven.
	assert.GreaterOrEqual(t, fetch(scenario.Link{Bandwidth: 10 * size}), 100*time.Millisecond-worthSleeping)
	assert.GreaterOrEqual(t, fetch(scenario.Link{Latency: 40 * time.Millisecond}), 80*time.Millisecond)

	l := newLink(t, scenario.Link{Latency: 20 * time.Millisecond})
	began := time.Now()
	conn, err := l.Dial(t.Context(), "tcp", echo(t))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(began), 40*time.Millisecond)
	began = time.Now()
	_, err = fmt.Fprintln(conn, "hello")
	require.NoError(t, err)
	_, err = bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(began), 40*time.Millisecond)
	require.NoError(t, conn.Close())
}

// TestLinkDoesNotHoldUpItsEnd: a long way is not waited for when the connection
// or the caller ends.
func TestLinkDoesNotHoldUpItsEnd(t *testing.T) {
	l, address := newLink(t, scenario.Link{}), echo(t)
	conn, err := l.Dial(t.Context(), "tcp", address)
	require.NoError(t, err)
	l.line = model.NewLine(&scenario.Link{Latency: time.Hour}, 1, "d")
	_, err = fmt.Fprintln(conn, "hello")
	require.NoError(t, err)
	read := make(chan struct{})
	go func() { defer close(read); _, _ = conn.Read(make([]byte, 10)) }()
	time.AfterFunc(20*time.Millisecond, func() { l.Cut(0) })
	select {
	case <-read:
	case <-time.After(patience):
		require.FailNow(t, "the connection does not end")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = l.Dial(ctx, "tcp", address)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestLinkJitter(t *testing.T) {
	l := newLink(t, scenario.Link{Latency: 30 * time.Millisecond, Jitter: 30 * time.Millisecond})
	l.random = func() float64 { return 1 }
	began := time.Now()
	require.NoError(t, l.travel(t.Context(), 1))
	assert.GreaterOrEqual(t, time.Since(began), 60*time.Millisecond)
	l.random = func() float64 { return 0 }
	require.NoError(t, l.travel(t.Context(), 1), "it may be none at all")
}

// TestLinkLosesPackets: what is lost comes later, a message or a segment at a
// time.
func TestLinkLosesPackets(t *testing.T) {
	spec := scenario.Link{Loss: 50}
	l := newLink(t, spec)
	began := time.Now()
	l.random = func() float64 { return 0.4 }
	require.NoError(t, l.travel(t.Context(), 1))
	assert.GreaterOrEqual(t, time.Since(began), spec.ResendTime())
	assert.Equal(t, 2*time.Second, model.Resend(&scenario.Link{Loss: 50, Latency: time.Second}, l.random))
	l.random = func() float64 { return 0.6 }
	assert.Zero(t, model.Resend(&spec, l.random))
}

// exchangeWords sends a link and gives what comes back.
func exchangeWords(t *testing.T, conn net.Conn, words string) string {
	t.Helper()
	_, err := fmt.Fprintln(conn, words)
	require.NoError(t, err)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return answer
}

// TestLinkIsSilent: nothing passes, neither end learns, and nothing is lost or
// overtaken.
func TestLinkIsSilent(t *testing.T) {
	l, address := newLink(t, scenario.Link{}), echo(t)
	conn, err := l.Dial(t.Context(), "tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	began := time.Now()
	l.Freeze(100 * time.Millisecond)
	l.Freeze(20 * time.Millisecond) // it ends with the longer one
	_, err = fmt.Fprint(conn, "one ")
	require.NoError(t, err, "the agent learns of nothing")
	_, err = fmt.Fprint(conn, "two ")
	require.NoError(t, err)
	assert.Equal(t, "one two three\n", exchangeWords(t, conn, "three"))
	assert.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
	assert.Equal(t, "four\n", exchangeWords(t, conn, "four"))

	l.Freeze(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = l.Dial(ctx, "tcp", address)
	require.ErrorIs(t, err, context.DeadlineExceeded, "new connections do not come up either")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
	require.NoError(t, err)
	_, err = l.RoundTrip(request)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	l.Cut(0)
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed, "a silent connection can still be dropped")
}

// TestLinkIsSilentInABody: a download goes on where it was.
func TestLinkIsSilentInABody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_,
			_ = w.Write(make([]byte, 1<<20))
	}))
	defer server.Close()
	l := newLink(t, scenario.Link{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	answer, err := l.RoundTrip(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	_, err = io.ReadFull(answer.Body, make([]byte, 1000))
	require.NoError(t, err)
	began := time.Now()
	l.Freeze(50 * time.Millisecond)
	n, err := io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	assert.EqualValues(t, 1<<20-1000, n)
	assert.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)
}

// TestLinkIsReset: the other end learns so at once.
func TestLinkIsReset(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	l := newLink(t, scenario.Link{})
	conn, err := l.Dial(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	peer, err := listener.Accept()
	require.NoError(t, err)
	defer peer.Close()
	l.Reset()
	_, err = peer.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	again, err := l.Dial(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err, "it may be up again at once")
	require.NoError(t, again.Close())
}

func TestLinkIsLost(t *testing.T) {
	l, address := newLink(t, scenario.Link{}), echo(t)
	assert.False(t, l.IsLost())
	l.Lose()
	_, err := l.Dial(t.Context(), "tcp", address)
	require.ErrorIs(t, err, ErrDown)
	assert.True(t, l.IsLost())
}

// TestLinkIsWorse: the worst of what lasts counts, and passes.
func TestLinkIsWorse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, scenario.Link{Bandwidth: 1000})
		l.worsen(trouble{lag: time.Second}, time.Hour)
		l.worsen(trouble{lag: time.Minute}, 30*time.Millisecond)
		l.worsen(trouble{rate: 100}, 30*time.Millisecond)
		l.worsen(trouble{rate: 5000}, time.Hour)
		lag, _ := l.worst()
		assert.Equal(t, time.Minute, lag)
		assert.EqualValues(t, 100, l.down())
		time.Sleep(31 * time.Millisecond)
		lag, _ = l.worst()
		assert.Equal(t, time.Second, lag)
		assert.EqualValues(t, 1000, l.down())
	})

	l := newLink(t, scenario.Link{})
	l.worsen(trouble{rate: 1000}, time.Hour)
	conn, err := l.Dial(t.Context(), "tcp", echo(t))
	require.NoError(t, err)
	defer conn.Close()
	began := time.Now()
	exchangeWords(t, conn, strings.Repeat("x", 49))
	assert.GreaterOrEqual(t, time.Since(began), 90*time.Millisecond, "50 bytes there, and 50 back")
}

// TestLinkDelaysAMessageOnce, in however many pieces it is read.
func TestLinkDelaysAMessageOnce(t *testing.T) {
	const way = 100 * time.Millisecond
	l := newLink(t, scenario.Link{})
	conn, err := l.Dial(t.Context(), "tcp", echo(t))
	require.NoError(t, err)
	defer conn.Close()
	l.line = model.NewLine(&scenario.Link{Latency: way}, 1, "d")
	_, err = conn.Write([]byte("0123456789"))
	require.NoError(t, err)
	delays := 0
	for range 10 {
		began := time.Now()
		_, err := io.ReadFull(conn, make([]byte, 1))
		require.NoError(t, err)
		if time.Since(began) >= 2*way {
			delays++
		}
	}
	assert.Less(t, delays, 10, "a busy machine may stretch one or the other")
}
