package native

import (
	"errors"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// keepAlive is a timer, since a goroutine that sleeps for a minute costs every
// idle device its stack. It pings when nothing was read or nothing was written
// for an interval, and closes the connection when half an interval later no byte
// has come back: a dead connection is noticed within 1.5 intervals.
type keepAlive struct {
	// Immutable once it has begun.
	of       *live
	interval time.Duration

	mu      sync.Mutex // guards the following
	timer   *time.Timer
	pinged  time.Duration // when the ping was begun whose answer is awaited, after conn.opened; 0 for none
	stopped bool
}

var (
	errSilent  = errors.New("the broker has gone silent")
	errStalled = errors.New("the broker acknowledges nothing")
)

// begin starts the timer.
func (k *keepAlive) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(k.interval, k.tick)
}

// stop ends the timer. A tick that has begun ends with the connection.
func (k *keepAlive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// tick looks whether the connection lives. Each tick has its own goroutine, so
// that one that cannot write its ping does not keep the next one from giving up.
func (k *keepAlive) tick() {
	if k.look() {
		_ = k.of.conn.send(packets.NewControlPacket(packets.PINGREQ)) // an error closes the connection
	}
}

// look sets the timer again and reports whether to ping.
func (k *keepAlive) look() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return false
	}
	now, quiet := k.of.conn.now(), k.of.conn.quietSince()
	switch {
	case k.of.inflight.stalled() > k.interval*3/2:
		k.of.conn.fail(errStalled)
		return false
	case k.pinged > 0 && quiet < k.pinged:
		k.of.conn.fail(errSilent)
		return false
	case now-quiet >= k.interval:
		k.pinged = now
		k.timer.Reset(k.interval / 2)
		return true
	}
	k.pinged = 0
	k.timer.Reset(k.interval - (now - quiet))
	return false
}
