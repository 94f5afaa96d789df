// Package linktest is the suite that every dialect of agent/link passes: what a
// session promises, played against the dialect's own idea of a platform.
//
// One flow through it: a test of the dialect gives Run a function that makes a
// Platform; each case opens a session on it, sends in both directions, cuts
// connections and restarts the device, and compares what arrived on either side. All
// of it runs in a bubble of testing/synctest, so that no case waits.
//
// It does not test a dialect's protocol: packets, refusals, keep-alive and
// certificates are matters of the dialect's own tests.
package linktest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
)

// Traits are what the suite must know of a dialect. What a session promises is the same
// for all of them.
type Traits struct {
	// Window is how many messages the platform has under way to a device at most.
	Window int
	// Quiet says that the protocol has no goodbye.
	Quiet bool
	// Down is the n-th message to a device, from 1, and Up the n-th report of one: messages
	// that the protocol carries one by one.
	Down func(n int) ota.Down
	Up   func(n int) *ota.Report
	// DownNumber and UpNumber give that n; 0 for what is no such message.
	DownNumber func(ota.Down) int
	UpNumber   func(ota.Up) int
}

// Numbered are the traits of a protocol that carries every message, with its number.
func Numbered() Traits {
	return Traits{
		Window: link.MaxUnhandled,
		Down:   func(n int) ota.Down { return &ota.Ack{Plan: "p", Seq: n} },
		Up: func(n int) *ota.Report {
			return &ota.Report{Time: time.Unix(1e9, 0).UTC(), Plan: "p", Attempt: 1, Seq: n, Component: "app",
				Status: ota.Downloading, Version: "1"}
		},
		DownNumber: func(m ota.Down) int {
			if ack, is := m.(*ota.Ack); is {
				return ack.Seq
			}
			return 0
		},
		UpNumber: func(m ota.Up) int {
			if report, is := m.(*ota.Report); is {
				return report.Seq
			}
			return 0
		},
	}
}

// Platform is the other end of a dialect, as its test plays it.
type Platform interface {
	// Traits are the same for every platform of the dialect.
	Traits() Traits
	// Session makes a session with this platform, for a device and its members.
	Session(t *testing.T, own link.Device, members []link.Device) link.Session
	// Give sends a message to a device: now, or when it is connected; and again on each
	// connection until the device has acknowledged it.
	Give(to ota.Identity, message ota.Down)
	// Unacknowledged is how many messages given to a device are not acknowledged.
	Unacknowledged(to ota.Identity) int
	// Taken are the messages of a device that have arrived, in their order.
	Taken(from ota.Identity) []ota.Up
	// Cut breaks every connection, without a word. Where connections are made for each
	// question, the next one is.
	Cut()
	// Stall makes the platform read nothing of what arrives from now on, on the
	// connections that there are.
	Stall()
}

// Run plays every case of the suite.
func Run(t *testing.T, platform func(*testing.T) Platform) {
	for name, play := range map[string]func(*testing.T, *bench){
		"messages keep their order":            order,
		"acknowledged when handled":            acknowledgement,
		"not acknowledged, delivered again":    replay,
		"a lost connection comes back":         reconnect,
		"a restart at any point loses nothing": restart,
		"cuts at any time lose nothing":        cuts,
		"a slow device holds few messages":     slowDevice,
		"a platform that takes nothing":        slowPlatform,
		"an end with and without a goodbye":    end,
		"members have their own messages":      members,
		"a blocked member blocks no other":     blockedMember,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := platform(t)
				play(t, &bench{Traits: p.Traits(), platform: p})
			})
		})
	}
}

// settle lets everything happen that happens by itself, reconnecting included.
func settle() { time.Sleep(5 * time.Minute) }

// bench is a platform, and the devices of one session with it.
type bench struct {
	Traits
	platform Platform
	session  link.Session
}

// device is one of them. It handles each message at once, unless it has to wait.
type device struct {
	b   *bench
	id  ota.Identity
	mu  sync.Mutex // guards the following
	got []agent.Input
	// What was delivered and is not handled; kept while the device waits.
	waits   bool
	waiting []func()
	heard   func(agent.Input) // called with what is delivered; nil for nothing
}

func (b *bench) device(key string) *device {
	return &device{b: b, id: ota.Identity{Product: "gw-200", Device: key}}
}

func (d *device) link() link.Device {
	return link.Device{Identity: d.id, Deliver: d.deliver, After: d.after}
}

// deliver takes what the suite plays with. Protocols have other messages, too.
func (d *device) deliver(in agent.Input) {
	if r, is := in.(agent.Received); is && d.b.DownNumber(r.Message) == 0 {
		return
	}
	d.mu.Lock()
	d.got = append(d.got, in)
	heard := d.heard
	d.mu.Unlock()
	if heard != nil {
		heard(in)
	}
}

func (d *device) after(then func()) {
	d.mu.Lock()
	if d.waits {
		d.waiting = append(d.waiting, then)
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	then()
}

// wait keeps what is delivered from being handled.
func (d *device) wait() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waits = true
}

// handle handles what waits, and what is delivered from now on.
func (d *device) handle() {
	d.mu.Lock()
	d.waits = false
	waiting := d.waiting
	d.waiting = nil
	d.mu.Unlock()
	for _, then := range waiting {
		then()
	}
}

// inputs are what was delivered so far.
func (d *device) inputs() []agent.Input {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

// messages are the numbers of the messages that were delivered so far.
func (d *device) messages() (numbers []int) {
	for _, in := range d.inputs() {
		if received, is := in.(agent.Received); is {
			numbers = append(numbers, d.b.DownNumber(received.Message))
		}
	}
	return numbers
}

// count is how often an input was delivered.
func (d *device) count(in agent.Input) (n int) {
	for _, got := range d.inputs() {
		if got == in {
			n++
		}
	}
	return n
}

// open runs a session of a device until it is stopped with a cause.
func (b *bench) open(t *testing.T, own *device, behind ...*device) (stop func(cause error)) {
	var members []link.Device
	for _, d := range behind {
		members = append(members, d.link())
	}
	b.session = b.platform.Session(t, own.link(), members)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.session.Run(ctx) }()
	settle()
	require.Positive(t, own.count(agent.Connected{}), "the session is not connected")
	return func(cause error) {
		cancel(cause)
		require.NoError(t, <-ended)
		settle()
	}
}

// give sends the messages from first to last.
func (b *bench) give(to *device, first, last int) {
	for n := first; n <= last; n++ {
		b.platform.Give(to.id, b.Down(n))
	}
}

// reports are the numbers of the reports that the platform has of a device.
func (b *bench) reports(from *device) (numbers []int) {
	for _, message := range b.platform.Taken(from.id) {
		if n := b.UpNumber(message); n > 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func upTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i+1)
	}
	return numbers
}

func order(t *testing.T, b *bench) {
	d := b.device("a")
	stop := b.open(t, d)
	for seq := range 100 {
		b.session.Send(b.Up(seq + 1))
	}
	b.give(d, 1, 100)
	settle()
	assert.Equal(t, upTo(100), b.reports(d))
	assert.Equal(t, upTo(100), d.messages())
	stop(context.Canceled)
}

func acknowledgement(t *testing.T, b *bench) {
	d := b.device("a")
	d.wait()
	stop := b.open(t, d)
	b.give(d, 1, 3)
	settle()
	assert.Equal(t, upTo(min(3, b.Window)), d.messages())
	assert.Equal(t, 3, b.platform.Unacknowledged(d.id), "nothing is handled yet")
	d.handle()
	settle()
	assert.Equal(t, upTo(3), d.messages())
	assert.Zero(t, b.platform.Unacknowledged(d.id))
	stop(context.Canceled)
}

func replay(t *testing.T, b *bench) {
	d := b.device("a")
	d.wait()
	stop := b.open(t, d)
	b.give(d, 1, 3)
	settle()
	b.platform.Cut()
	settle()
	first := upTo(min(3, b.Window))
	assert.Equal(t, slices.Concat(first, first), d.messages())
	d.handle()
	settle()
	assert.Equal(t, upTo(3), firsts(d.messages()))
	assert.Zero(t, b.platform.Unacknowledged(d.id))
	stop(context.Canceled)
}

func reconnect(t *testing.T, b *bench) {
	d := b.device("a")
	stop := b.open(t, d)
	assert.False(t, b.session.Health().Since.IsZero())
	d.heard = func(in agent.Input) {
		if in == (agent.Disconnected{}) {
			b.session.Send(b.Up(1)) // dropped: the device sends it again after Connected
		}
	}
	b.platform.Cut()
	settle()
	b.session.Send(b.Up(2))
	settle()
	assert.Equal(t, []agent.Input{agent.Connected{}, agent.Disconnected{}, agent.Connected{}}, d.inputs())
	assert.Equal(t, []int{2}, b.reports(d))
	stop(context.Canceled)
	assert.True(t, b.session.Health().Since.IsZero())
}

// restart ends the process after each number of messages that it has handled.
func restart(t *testing.T, b *bench) {
	const messages = 8
	for handled := range messages + 1 {
		first, second := b.device(fmt.Sprint("d-", handled)), b.device(fmt.Sprint("d-", handled))
		stop := b.open(t, first)
		b.give(first, 1, handled)
		settle()
		first.wait()
		b.give(first, handled+1, messages)
		settle()
		stop(link.ErrAbrupt)
		assert.Equal(t, messages-handled, b.platform.Unacknowledged(first.id))
		stop = b.open(t, second)
		assert.Equal(t, upTo(messages)[handled:], append([]int{}, second.messages()...))
		stop(context.Canceled)
		assert.Zero(t, b.platform.Unacknowledged(second.id))
	}
}

// cuts plays a device that sends what must arrive again after each connect.
func cuts(t *testing.T, b *bench) {
	const messages = 40
	random := rand.New(rand.NewPCG(1, 2))
	d := b.device("a")
	var made atomic.Int32
	d.heard = func(in agent.Input) {
		if in == (agent.Connected{}) {
			for seq := range made.Load() {
				b.session.Send(b.Up(int(seq) + 1))
			}
		}
	}
	stop := b.open(t, d)
	for seq := 1; seq <= messages; seq++ {
		made.Store(int32(seq))
		b.session.Send(b.Up(seq))
		b.give(d, seq, seq)
		if random.IntN(3) == 0 {
			b.platform.Cut()
		}
		if random.IntN(2) == 0 {
			settle()
		}
	}
	settle()
	assert.Equal(t, upTo(messages), firsts(b.reports(d)))
	assert.Equal(t, upTo(messages), firsts(d.messages()))
	assert.Zero(t, b.platform.Unacknowledged(d.id))
	stop(context.Canceled)
}

// firsts leaves out what was there before.
func firsts(numbers []int) (kept []int) {
	for _, n := range numbers {
		if !slices.Contains(kept, n) {
			kept = append(kept, n)
		}
	}
	return kept
}

func slowDevice(t *testing.T, b *bench) {
	d := b.device("a")
	d.wait()
	stop := b.open(t, d)
	b.give(d, 1, 200)
	settle()
	assert.LessOrEqual(t, len(d.messages()), link.MaxUnhandled)
	d.handle()
	settle()
	assert.Equal(t, upTo(200), d.messages(), "what waited with the platform has come")
	assert.Zero(t, b.platform.Unacknowledged(d.id))
	stop(context.Canceled)
}

func slowPlatform(t *testing.T, b *bench) {
	d := b.device("a")
	stop := b.open(t, d)
	b.platform.Stall()
	for seq := range 10 * link.MaxQueue {
		b.session.Send(b.Up(seq + 1))
	}
	settle()
	assert.Equal(t, 1, d.count(agent.Disconnected{}), "the connection is given up")
	assert.Equal(t, 2, d.count(agent.Connected{}))
	assert.LessOrEqual(t, len(b.reports(d)), link.MaxQueue)
	stop(context.Canceled)
}

func end(t *testing.T, b *bench) {
	d, member := b.device("a"), b.device("b")
	offline := func(d *device) bool {
		return slices.ContainsFunc(b.platform.Taken(d.id), func(m ota.Up) bool { _, is := m.(*ota.Offline); return is })
	}
	b.open(t, d, member)(link.ErrAbrupt)
	assert.False(t, offline(d) || offline(member), "as after a power cut")
	stop := b.open(t, d, member)
	b.session.Send(b.Up(1))
	stop(context.Canceled)
	assert.Equal(t, []int{1}, b.reports(d), "what waited has left")
	assert.NotEqual(t, b.Quiet, offline(d) && offline(member))
	for _, one := range []*device{d, member} {
		assert.Equal(t, []agent.Input{agent.Connected{}, agent.Disconnected{}, agent.Connected{}, agent.Disconnected{}},
			one.inputs())
	}
}

func members(t *testing.T, b *bench) {
	all := []*device{b.device("a"), b.device("b"), b.device("c")}
	stop := b.open(t, all[0], all[1:]...)
	b.session.Send(b.Up(1))
	for i, d := range all {
		b.give(d, i+1, i+1)
		if i > 0 {
			b.session.Member(i - 1).Send(b.Up(i + 1))
		}
	}
	settle()
	for i, d := range all {
		assert.Equal(t, agent.Connected{}, d.inputs()[0])
		assert.Len(t, d.inputs(), 2)
		assert.Equal(t, []int{i + 1}, d.messages())
		assert.Equal(t, []int{i + 1}, b.reports(d))
	}
	stop(context.Canceled)
}

func blockedMember(t *testing.T, b *bench) {
	own, blocked, other := b.device("a"), b.device("b"), b.device("c")
	blocked.wait()
	stop := b.open(t, own, blocked, other)
	b.give(blocked, 1, 2*link.MaxUnhandled)
	settle()
	b.give(other, 1, 20)
	settle()
	assert.Equal(t, upTo(20), other.messages())
	assert.LessOrEqual(t, len(blocked.messages()), link.MaxUnhandled)
	stop(context.Canceled)
}
