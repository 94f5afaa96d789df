package netem

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startPoller serves until the test ends.
func startPoller(t *testing.T) *Poller {
	t.Helper()
	p, err := NewPoller()
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(p.Run)
	t.Cleanup(func() {
		assert.NoError(t, p.Close())
		serving.Wait()
		assert.Empty(t, p.waiting)
	})
	return p
}

// pair is a connection that the poller waits for, and its other end.
func pair(t *testing.T, p *Poller) (*polledConn, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	conn, err := (&polledDialer{poller: p}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	other, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = conn.Close(), other.Close() })
	return conn.(*polledConn), other.(*net.TCPConn)
}

const patience = 2 * time.Minute

// awaited begins to wait and gives what tells that it is over.
func awaited(c *polledConn) <-chan struct{} {
	ready := make(chan struct{})
	c.Await(func() { close(ready) })
	return ready
}

func comes(t *testing.T, ready <-chan struct{}) {
	t.Helper()
	select {
	case <-ready:
	case <-time.After(patience):
		require.FailNow(t, "nothing was woken")
	}
}

func TestPollerWakes(t *testing.T) {
	p := startPoller(t)
	for name, wake := range map[string]func(c *polledConn, other *net.TCPConn) error{
		"there is something to read": func(_ *polledConn, other *net.TCPConn) error {
			_,
				err := other.Write([]byte("x"))
			return err
		},
		"the other end closes":       func(_ *polledConn, other *net.TCPConn) error { return other.Close() },
		"the other end says no more": func(_ *polledConn, other *net.TCPConn) error { return other.CloseWrite() },
		"it is closed":               func(c *polledConn, _ *net.TCPConn) error { return c.Close() },
		"the other end resets": func(_ *polledConn, other *net.TCPConn) error {
			if err := other.SetLinger(0); err != nil {
				return err
			}
			return other.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, other := pair(t, p)
			ready := awaited(c)
			select {
			case <-ready:
				require.FailNow(t, "nothing has happened yet")
			case <-time.After(5 * time.Millisecond):
			}
			require.NoError(t, wake(c, other))
			comes(t, ready)
		})
	}
}

// TestPollerFindsWhatWasThere before anybody waited, as often as it is asked.
func TestPollerFindsWhatWasThere(t *testing.T) {
	c, other := pair(t, startPoller(t))
	_, err := other.Write([]byte("abc"))
	require.NoError(t, err)
	for range 3 {
		comes(t, awaited(c))
		n, err := c.Read(make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
	require.NoError(t, c.Close())
	comes(t, awaited(c))
	_, err = c.Read(make([]byte, 1))
	assert.ErrorIs(t, err, net.ErrClosed)
}

// TestPollerWakesOnce: whoever was woken is not woken by what comes later.
func TestPollerWakesOnce(t *testing.T) {
	c, other := pair(t, startPoller(t))
	var woken atomic.Int32
	first := make(chan struct{})
	c.Await(func() {
		if woken.Add(1) == 1 {
			close(first)
		}
	})
	_, err := other.Write([]byte("x"))
	require.NoError(t, err)
	comes(t, first)
	_, err = other.Write([]byte("y"))
	require.NoError(t, err)
	require.NoError(t, c.Close())
	time.Sleep(20 * time.Millisecond)
	assert.Equal(t, int32(1), woken.Load())
}

// TestPollerOfAClosedRun lets none wait for ever.
func TestPollerOfAClosedRun(t *testing.T) {
	p, err := NewPoller()
	require.NoError(t, err)
	c, _ := pair(t, p)
	require.NoError(t, p.Close())
	p.Run() // returns at once
	comes(t, awaited(c))
	assert.Empty(t, p.waiting)
}

// TestPollerWithMany wakes everybody, while sockets come and go under the same
// numbers and more of them tell something than are asked about at once.
func TestPollerWithMany(t *testing.T) {
	p := startPoller(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { // sends back what comes, byte by byte
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })

	const conns, rounds, generations = 3 * pollEvents, 5, 2
	dialer := &polledDialer{poller: p}
	for range generations {
		var running sync.WaitGroup
		for range conns {
			conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
			require.NoError(t, err)
			c := conn.(*polledConn)
			running.Add(1)
			left := rounds
			var ask func()
			ask = func() {
				if left--; left < 0 {
					assert.NoError(t, c.Close())
					running.Done()
					return
				}
				_, err := c.Write([]byte{byte(left)})
				assert.NoError(t, err)
				c.Await(func() {
					b := make([]byte, 2)
					n, err := c.Read(b)
					assert.NoError(t, err)
					assert.Equal(t, []byte{byte(left)}, b[:n])
					ask()
				})
			}
			go ask()
		}
		ended := make(chan struct{})
		go func() { running.Wait(); close(ended) }()
		comes(t, ended)
	}
}
