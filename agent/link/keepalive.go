package link

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	pahologger "github.com/eclipse/paho.golang/paho/log"
)

// keepAlive is paho's pinger as a timer, since a goroutine that sleeps for a
// minute costs every idle device its stack. It pings when nothing was read or
// nothing was written for an interval, and closes the connection when half an
// interval later no byte has come back: a dead connection is noticed within 1.5
// intervals.
type keepAlive struct {
	conn     *conn
	session  *inflight
	interval time.Duration

	mu      sync.Mutex
	timer   *time.Timer
	pinged  time.Duration // when the ping was begun whose answer is awaited, after conn.opened; 0 for none
	stopped bool
}

var _ paho.Pinger = (*keepAlive)(nil)

var (
	errSilent  = errors.New("the broker has gone silent")
	errStalled = errors.New("the broker acknowledges nothing")
)

// Run starts the timer and returns at once. The broker may have set another
// interval than was asked for, in seconds; none (0) leaves ours, because it also
// finds out whether the broker is there.
func (k *keepAlive) Run(_ context.Context, _ net.Conn, seconds uint16) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if seconds > 0 {
		k.interval = time.Duration(seconds) * time.Second
	}
	if !k.stopped {
		k.timer = time.AfterFunc(k.interval, k.tick)
	}
	return nil
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
		// An error closes the connection.
		_, _ = packets.NewControlPacket(packets.PINGREQ).WriteTo(k.conn)
	}
}

// look sets the timer again and reports whether to ping.
func (k *keepAlive) look() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return false
	}
	now, quiet := k.conn.now(), k.conn.quietSince()
	switch {
	case k.session.stalled() > k.interval*3/2:
		k.conn.fail(errStalled)
		return false
	case k.pinged > 0 && quiet < k.pinged:
		k.conn.fail(errSilent)
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

// PacketSent, PacketReceived and PingResp tell what the connection notes itself.
func (k *keepAlive) PacketSent() {}

// PacketReceived does nothing.
func (k *keepAlive) PacketReceived() {}

// PingResp does nothing.
func (k *keepAlive) PingResp() {}

// SetDebug does nothing.
func (k *keepAlive) SetDebug(pahologger.Logger) {}
