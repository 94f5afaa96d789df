package barrier

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// network is one on which shard 1 may listen, in the time of a bubble.
type network struct {
	conns       chan net.Conn
	gone        chan struct{}
	once        sync.Once
	there, back time.Duration // what a message takes
}

func newNetwork() *network {
	return &network{conns: make(chan net.Conn), gone: make(chan struct{})}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.gone:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.gone) })
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

func (n *network) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case n.conns <- slow{theirs, n.back}:
		return slow{ours, n.there}, nil
	case <-n.gone:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// slow is a connection whose messages take a while.
type slow struct {
	net.Conn
	latency time.Duration
}

func (s slow) Write(b []byte) (int, error) {
	time.Sleep(s.latency)
	return s.Conn.Write(b)
}

// clockBy gives a clock that is ahead of the others.
func clockBy(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }

func party(t *testing.T, shard, of int) *Party {
	return &Party{Shard: shard, Shards: of, Within: 5 * time.Minute, Facts: []Fact{{"seed", "7"}},
		Log: func(text string) { t.Logf("shard %d: %s", shard, text) }}
}

func TestShardsWithDifferentClocksBeginTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		network.there, network.back = 5*time.Millisecond, 45*time.Millisecond // the worst for comparing clocks
		ahead := []time.Duration{0, 7 * time.Minute, -3 * time.Hour, 1500 * time.Millisecond}
		began, starts := make([]time.Time, 4), make([]Start, 4)
		var running sync.WaitGroup
		for i := range 4 {
			running.Go(func() {
				time.Sleep(time.Duration(3-i) * 20 * time.Second) // shard 1 comes last
				p := party(t, i+1, 4)
				p.Now = clockBy(ahead[i])
				var err error
				if i == 0 {
					leader := p.Lead(network)
					defer leader.Close()
					starts[i], err = leader.Wait(t.Context())
				} else {
					starts[i], err = p.Join(t.Context(), network.dial)
				}
				assert.NoError(t, err)
				time.Sleep(starts[i].At.Sub(p.now()))
				began[i] = time.Now()
			})
		}
		running.Wait()
		for i := range 4 {
			apart := began[i].Sub(began[0]).Abs()
			assert.LessOrEqual(t, apart, 25*time.Millisecond, "shard %d", i+1)
			assert.LessOrEqual(t, apart, starts[i].Within, "shard %d", i+1)
			assert.InDelta(t, ahead[i].Seconds(), starts[i].Offset.Seconds(), 0.025, "shard %d", i+1)
		}
	})
}

// outcome is how a process came out of the barrier.
type outcome struct {
	start Start
	err   error
}

// join lets a process join, and gives its outcome when it has one.
func join(ctx context.Context, p *Party, n *network) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		start, err := p.Join(ctx, n.dial)
		out <- outcome{start, err}
	}()
	return out
}

// wait lets shard 1 wait, and gives its outcome when it has one.
func wait(ctx context.Context, leader *Leader) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		start, err := leader.Wait(ctx)
		out <- outcome{start, err}
	}()
	return out
}

func TestMissingShardsAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		leader := party(t, 1, 4).Lead(network)
		defer leader.Close()
		first, second := wait(t.Context(), leader), join(t.Context(), party(t, 2, 4), network)
		for _, out := range []outcome{<-first, <-second} {
			require.ErrorIs(t, out.err, ErrMissing)
			assert.ErrorContains(t, out.err, "shards 3/4, 4/4 not ready")
		}
	})
}

func TestShardWithLessPatienceKnowsWhoIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		leader := party(t, 1, 3).Lead(network)
		defer leader.Close()
		first := wait(t.Context(), leader)
		hasty := party(t, 2, 3)
		hasty.Within = time.Minute
		out := <-join(t.Context(), hasty, network)
		require.ErrorIs(t, out.err, ErrMissing)
		assert.ErrorContains(t, out.err, "shard 3/3 not ready within 2m0s")
		assert.ErrorContains(t, (<-first).err, "shards 2/3, 3/3", "it has left")
	})
}

func TestShard1ThatNeverComesIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := party(t, 2, 2)
		tries := 0
		_, err := p.Join(t.Context(), func(context.Context) (net.Conn, error) {
			tries++
			return nil, &net.DNSError{Err: "no such host", Name: "sim-0.sim", IsNotFound: true}
		})
		require.ErrorIs(t, err, ErrMissing)
		assert.ErrorContains(t, err, "shard 1/2 not ready within 5m0s")
		assert.ErrorContains(t, err, "no such host")
		assert.Less(t, tries, 110, "it pauses between its tries")
	})
}

func TestShardOfAnotherRunIsRefusedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		var heard []string
		p := party(t, 1, 2)
		p.Log = func(text string) { heard = append(heard, text) }
		leader := p.Lead(network)
		defer leader.Close()
		first := wait(t.Context(), leader)

		other := party(t, 2, 2)
		other.Facts = []Fact{{"seed", "8"}}
		out := <-join(t.Context(), other, network)
		require.ErrorIs(t, out.err, ErrRefused)
		assert.ErrorContains(t, out.err, "shard 2/2 has the seed 8, and shard 1/2 has 7")
		out = <-join(t.Context(), party(t, 2, 3), network)
		require.ErrorIs(t, out.err, ErrRefused)
		assert.ErrorContains(t, out.err, "shard 2/3 is of 3 shards, and shard 1/2 of 2")
		out = <-join(t.Context(), party(t, 1, 2), network)
		assert.ErrorIs(t, out.err, ErrRefused, "there is one shard 1")

		right := <-join(t.Context(), party(t, 2, 2), network)
		require.NoError(t, right.err, "the others have spoilt nothing")
		require.NoError(t, (<-first).err)
		assert.Len(t, heard, 3, "one for each cause: %v", heard)
	})
}

func TestNewerProcessTakesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		leader := party(t, 1, 3).Lead(network)
		defer leader.Close()
		first := wait(t.Context(), leader)
		older := join(t.Context(), party(t, 2, 3), network)
		time.Sleep(10 * time.Second)
		newer := join(t.Context(), party(t, 2, 3), network)
		out := <-older
		require.ErrorIs(t, out.err, ErrRefused)
		assert.ErrorContains(t, out.err, "a newer process is the same shard")
		third := join(t.Context(), party(t, 3, 3), network)
		for _, out := range []outcome{<-first, <-newer, <-third} {
			assert.NoError(t, out.err)
		}

		late := <-join(t.Context(), party(t, 2, 3), network)
		require.ErrorIs(t, late.err, ErrMissing)
		assert.ErrorContains(t, late.err, "the run has begun without this process, which is shard 2/3")
	})
}

func TestShardThatHasGoneIsWaitedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		leader := party(t, 1, 3).Lead(network)
		defer leader.Close()
		first := wait(t.Context(), leader)
		ctx, kill := context.WithCancel(t.Context())
		gone := join(ctx, party(t, 2, 3), network)
		time.Sleep(10 * time.Second)
		kill()
		require.ErrorIs(t, (<-gone).err, context.Canceled)
		third := join(t.Context(), party(t, 3, 3), network)
		time.Sleep(10 * time.Second)
		require.Empty(t, first, "it does not begin without the one that has gone")
		second := join(t.Context(), party(t, 2, 3), network)
		for _, out := range []outcome{<-first, <-second, <-third} {
			assert.NoError(t, out.err)
		}
	})
}

func TestShard1ThatIsStartedAnewIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var address atomic.Pointer[network] // where shard 1 is
		address.Store(newNetwork())
		leader := party(t, 1, 2).Lead(address.Load())
		second := make(chan outcome, 1)
		go func() {
			start, err := party(t, 2, 2).Join(t.Context(), func(ctx context.Context) (net.Conn, error) {
				return address.Load().dial(ctx)
			})
			second <- outcome{start, err}
		}()
		time.Sleep(10 * time.Second)
		require.NoError(t, leader.Close(), "it is killed before it is ready itself")

		address.Store(newNetwork())
		p := party(t, 1, 2)
		p.Now = clockBy(-time.Hour)
		leader = p.Lead(address.Load())
		defer leader.Close()
		start, err := leader.Wait(t.Context())
		require.NoError(t, err)
		out := <-second
		require.NoError(t, out.err)
		assert.InDelta(t, time.Hour.Seconds(), out.start.Offset.Seconds(), 0.01)
		assert.Less(t, out.start.At.Sub(start.At.Add(time.Hour)).Abs(), 10*time.Millisecond)
	})
}

// What a port is sent by strangers neither ends the run nor holds it up.
func TestGarbageIsLetGo(t *testing.T) {
	garbage := []string{"", "\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "null\n", "{}\n", `{"ready":true}` + "\n",
		`{"hello":{"protocol":1,"id":"x","shard":-1,"shards":2}}` + "\n",
		`{"hello":{"protocol":1,"id":"x","shard":2,"shards":100000000}}` + "\n",
		`{"hello":{"protocol":99,"id":"x","shard":2,"shards":2}}` + "\n",
		"\x16\x03\x01\x02\x00", strings.Repeat("[", 1<<20), strings.Repeat("x", 100<<10) + "\n"}
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		leader := party(t, 1, 2).Lead(network)
		defer leader.Close()
		first := wait(t.Context(), leader)
		for range strangers {
			for _, text := range garbage {
				conn, err := network.dial(t.Context())
				require.NoError(t, err)
				go func() {
					defer conn.Close()
					_, _ = conn.Write([]byte(text))
					time.Sleep(time.Minute) // and says nothing more
				}()
			}
		}
		begun := time.Now()
		second := join(t.Context(), party(t, 2, 2), network)
		assert.NoError(t, (<-second).err)
		assert.NoError(t, (<-first).err)
		assert.Less(t, time.Since(begun), 20*time.Second)
		time.Sleep(2 * time.Minute)
		assert.Empty(t, leader.waiting)
	})
}

// A process that asks without a pause is let go.
func TestFloodIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		leader := party(t, 1, 2).Lead(network)
		defer leader.Close()
		conn, err := network.dial(t.Context())
		require.NoError(t, err)
		l, asked := newLine(conn), 0
		require.NoError(t, l.write(request{Hello: &hello{Protocol: protocol, ID: "x", Shard: 2, Shards: 2,
			Facts: []Fact{{"seed", "7"}}}}, time.Second))
		for ; asked < 1000; asked++ {
			if _, err = l.read(time.Second); err != nil {
				break
			}
			if err = l.write(request{}, time.Second); err != nil {
				break
			}
		}
		assert.Less(t, asked, 100)
	})
}

func TestPartyThatCannotBe(t *testing.T) {
	for name, p := range map[string]*Party{
		"too many": {Shard: 1, Shards: MaxShards + 1, Within: 1}, "no shard": {Shard: 0, Shards: 2, Within: 1},
		"beyond the last": {Shard: 3, Shards: 2, Within: 1}, "no patience": {Shard: 1, Shards: 2},
		"a long fact": {Shard: 1, Shards: 2, Within: 1, Facts: []Fact{{"x", strings.Repeat("y", 300)}}},
	} {
		assert.Error(t, p.Validate(), name)
	}
	assert.NoError(t, party(t, 1, 1).Validate())
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"hello":{"protocol":1,"id":"x","shard":2,"shards":4,"facts":[{"name":"seed","value":"7"}]}}`))
	f.Add([]byte(`{"ready":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRequest(text)
		if err == nil && r.Hello != nil && (r.Hello.Shard < 1 || r.Hello.Shard > MaxShards || len(r.Hello.Facts) > maxFacts) {
			t.Errorf("%q is taken as %+v", text, r.Hello)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"since":1,"clock":2,"missing":[3,4],"start":3000000000}`))
	f.Add([]byte(`{"since":1,"clock":2,"refused":"why","late":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := parseAnswer(text)
		if err != nil {
			return
		}
		now := time.Now()
		c := &clocks{epoch: now}
		c.compare(now, now, a)
		if at := c.start(a.Start).At; a.Start != 0 && at.Sub(now) > longestLead {
			t.Errorf("%q begins %s from now", text, at.Sub(now))
		}
	})
}
