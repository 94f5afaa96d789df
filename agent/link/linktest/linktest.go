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

// Platform is the other end of a dialect, as its test plays it.
type Platform interface {
	// Session makes a session with this platform, for a device and its members.
	Session(t *testing.T, own link.Device, members []link.Device) link.Session
	// Give sends a message to a device: now, or when it is connected; and again on each
	// connection until the device has acknowledged it.
	Give(to ota.Identity, message ota.Down)
	// Unacknowledged is how many messages given to a device are not acknowledged.
	Unacknowledged(to ota.Identity) int
	// Taken are the messages of a device that have arrived, in their order.
	Taken(from ota.Identity) []ota.Up
	// Cut breaks every connection, without a word.
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
			synctest.Test(t, func(t *testing.T) { play(t, &bench{platform: platform(t)}) })
		})
	}
}

// settle lets everything happen that happens by itself, reconnecting included.
func settle() { time.Sleep(5 * time.Minute) }

// bench is a platform, and the devices of one session with it.
type bench struct {
	platform Platform
	session  link.Session
}

// device is one of them. It handles each message at once, unless it has to wait.
type device struct {
	id  ota.Identity
	mu  sync.Mutex // guards the following
	got []agent.Input
	// What was delivered and is not handled; kept while the device waits.
	waits   bool
	waiting []func()
	heard   func(agent.Input) // called with what is delivered; nil for nothing
}

func newDevice(key string) *device { return &device{id: ota.Identity{Product: "gw-200", Device: key}} }

func (d *device) link() link.Device {
	return link.Device{Identity: d.id, Deliver: d.deliver, After: d.after}
}

func (d *device) deliver(in agent.Input) {
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

// acks are the numbers of the acks that were delivered so far.
func (d *device) acks() (numbers []int) {
	for _, in := range d.inputs() {
		if received, is := in.(agent.Received); is {
			numbers = append(numbers, received.Message.(*ota.Ack).Seq)
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

// give sends acks with the numbers from first to last.
func (b *bench) give(to *device, first, last int) {
	for seq := first; seq <= last; seq++ {
		b.platform.Give(to.id, &ota.Ack{Plan: "p", Seq: seq})
	}
}

// reports are the numbers of the reports that the platform has of a device.
func (b *bench) reports(from *device) (numbers []int) {
	for _, message := range b.platform.Taken(from.id) {
		if report, is := message.(*ota.Report); is {
			numbers = append(numbers, report.Seq)
		}
	}
	return numbers
}

func report(seq int) *ota.Report {
	return &ota.Report{Time: time.Unix(1e9, 0).UTC(), Plan: "p", Attempt: 1, Seq: seq, Component: "app",
		Status: ota.Downloading, Version: "1"}
}

func upTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i+1)
	}
	return numbers
}

func order(t *testing.T, b *bench) {
	d := newDevice("a")
	stop := b.open(t, d)
	for seq := range 100 {
		b.session.Send(report(seq + 1))
	}
	b.give(d, 1, 100)
	settle()
	assert.Equal(t, upTo(100), b.reports(d))
	assert.Equal(t, upTo(100), d.acks())
	stop(context.Canceled)
}

func acknowledgement(t *testing.T, b *bench) {
	d := newDevice("a")
	d.wait()
	stop := b.open(t, d)
	b.give(d, 1, 3)
	settle()
	assert.Equal(t, upTo(3), d.acks())
	assert.Equal(t, 3, b.platform.Unacknowledged(d.id), "nothing is handled yet")
	d.handle()
	settle()
	assert.Zero(t, b.platform.Unacknowledged(d.id))
	stop(context.Canceled)
}

func replay(t *testing.T, b *bench) {
	d := newDevice("a")
	d.wait()
	stop := b.open(t, d)
	b.give(d, 1, 3)
	settle()
	b.platform.Cut()
	settle()
	assert.Equal(t, []int{1, 2, 3, 1, 2, 3}, d.acks())
	d.handle()
	settle()
	assert.Zero(t, b.platform.Unacknowledged(d.id))
	stop(context.Canceled)
}

func reconnect(t *testing.T, b *bench) {
	d := newDevice("a")
	stop := b.open(t, d)
	assert.False(t, b.session.Health().Since.IsZero())
	d.heard = func(in agent.Input) {
		if in == (agent.Disconnected{}) {
			b.session.Send(report(1)) // dropped: the device sends it again after Connected
		}
	}
	b.platform.Cut()
	settle()
	b.session.Send(report(2))
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
		first, second := newDevice(fmt.Sprint("d-", handled)), newDevice(fmt.Sprint("d-", handled))
		stop := b.open(t, first)
		b.give(first, 1, handled)
		settle()
		first.wait()
		b.give(first, handled+1, messages)
		settle()
		stop(link.ErrAbrupt)
		assert.Equal(t, messages-handled, b.platform.Unacknowledged(first.id))
		stop = b.open(t, second)
		assert.Equal(t, upTo(messages)[handled:], append([]int{}, second.acks()...))
		stop(context.Canceled)
		assert.Zero(t, b.platform.Unacknowledged(second.id))
	}
}

// cuts plays a device that sends what must arrive again after each connect.
func cuts(t *testing.T, b *bench) {
	const messages = 40
	random := rand.New(rand.NewPCG(1, 2))
	d := newDevice("a")
	var made atomic.Int32
	d.heard = func(in agent.Input) {
		if in == (agent.Connected{}) {
			for seq := range made.Load() {
				b.session.Send(report(int(seq) + 1))
			}
		}
	}
	stop := b.open(t, d)
	for seq := 1; seq <= messages; seq++ {
		made.Store(int32(seq))
		b.session.Send(report(seq))
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
	assert.Equal(t, upTo(messages), firsts(d.acks()))
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
	d := newDevice("a")
	d.wait()
	stop := b.open(t, d)
	b.give(d, 1, 200)
	settle()
	assert.LessOrEqual(t, len(d.acks()), link.MaxUnhandled)
	d.handle()
	settle()
	assert.Equal(t, upTo(200), d.acks(), "what waited with the platform has come")
	assert.Zero(t, b.platform.Unacknowledged(d.id))
	stop(context.Canceled)
}

func slowPlatform(t *testing.T, b *bench) {
	d := newDevice("a")
	stop := b.open(t, d)
	b.platform.Stall()
	for seq := range 10 * link.MaxQueue {
		b.session.Send(report(seq + 1))
	}
	settle()
	assert.Equal(t, 1, d.count(agent.Disconnected{}), "the connection is given up")
	assert.Equal(t, 2, d.count(agent.Connected{}))
	assert.LessOrEqual(t, len(b.reports(d)), link.MaxQueue)
	stop(context.Canceled)
}

func end(t *testing.T, b *bench) {
	d, member := newDevice("a"), newDevice("b")
	offline := func(d *device) bool {
		return slices.ContainsFunc(b.platform.Taken(d.id), func(m ota.Up) bool { _, is := m.(*ota.Offline); return is })
	}
	b.open(t, d, member)(link.ErrAbrupt)
	assert.False(t, offline(d) || offline(member), "as after a power cut")
	stop := b.open(t, d, member)
	b.session.Send(report(1))
	stop(context.Canceled)
	assert.Equal(t, []int{1}, b.reports(d), "what waited has left")
	assert.True(t, offline(d) && offline(member))
	for _, one := range []*device{d, member} {
		assert.Equal(t, []agent.Input{agent.Connected{}, agent.Disconnected{}, agent.Connected{}, agent.Disconnected{}},
			one.inputs())
	}
}

func members(t *testing.T, b *bench) {
	all := []*device{newDevice("a"), newDevice("b"), newDevice("c")}
	stop := b.open(t, all[0], all[1:]...)
	b.session.Send(report(1))
	for i, d := range all {
		b.give(d, i+1, i+1)
		if i > 0 {
			b.session.Member(i - 1).Send(report(i + 1))
		}
	}
	settle()
	for i, d := range all {
		assert.Equal(t, []agent.Input{agent.Connected{}, agent.Received{Message: &ota.Ack{Plan: "p", Seq: i + 1}}},
			d.inputs())
		assert.Equal(t, []int{i + 1}, b.reports(d))
	}
	stop(context.Canceled)
}

func blockedMember(t *testing.T, b *bench) {
	own, blocked, other := newDevice("a"), newDevice("b"), newDevice("c")
	blocked.wait()
	stop := b.open(t, own, blocked, other)
	b.give(blocked, 1, 2*link.MaxUnhandled)
	settle()
	b.give(other, 1, 20)
	settle()
	assert.Equal(t, upTo(20), other.acks())
	assert.LessOrEqual(t, len(blocked.acks()), link.MaxUnhandled)
	stop(context.Canceled)
}
