package native

import (
	"fmt"
	"sync"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/internal/ota"
)

const (
	// maxWaiting bounds the bytes of what has come and is not handled. A session of
	// one device has too few places to reach it.
	maxWaiting = (DefaultReceiveMaximum + 1) * ota.MaxPacket
	// maxLossy bounds them for a message of QoS 0, which the broker does not count.
	maxLossy = ota.MaxPacket
)

// window is what has come and is not handled yet. A broker has promised to keep to
// some of its bounds; they hold whether it does or not, and over its connections: on
// each it sends again what was not acknowledged.
type window struct {
	mu     sync.Mutex // guards the following, and the counts of each connection
	bytes  int        // of all that waits
	held   []int      // the listener of each
	missed []int      // listeners of which messages were dropped
}

// counts is what of that came on one connection.
type counts struct{ acknowledged, lossy int } // of QoS 1 and of QoS 0

// places is how many messages of QoS 1 the broker may send ahead of their
// acknowledgement. A session of several devices has twice as many.
func (c *Config) places() int {
	if len(c.Members) == 0 {
		return int(c.ReceiveMaximum)
	}
	return min(2*int(c.ReceiveMaximum), 1<<16-1)
}

// share is how many of them one device may hold, so that one that handles nothing
// does not silence the others.
func (c *Config) share() int {
	if len(c.Members) == 0 {
		return 2 * int(c.ReceiveMaximum) // those of QoS 0, too
	}
	return max(1, int(c.ReceiveMaximum)/2)
}

// enter takes a message of a listener into the window. It is false for one that
// must be dropped, and an error for one that the broker had no right to send.
func (w *window) enter(c *counts, p *packets.Publish, listener int, cfg *Config) (taken bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lossy, bytes := p.QoS == 0, w.bytes+len(p.Payload)
	switch {
	case !lossy && c.acknowledged == cfg.places():
		return false, fmt.Errorf("the broker sent more than %d messages ahead of their acknowledgement", c.acknowledged)
	case bytes > maxWaiting, count(w.held, listener) == cfg.share(),
		lossy && (bytes > maxLossy || c.lossy == int(cfg.ReceiveMaximum)):
		if count(w.missed, listener) == 0 {
			w.missed = append(w.missed, listener)
		}
		return false, nil
	case lossy:
		c.lossy++
	default:
		c.acknowledged++
	}
	w.bytes = bytes
	w.held = append(w.held, listener)
	return true, nil
}

// count is how often a listener is in a list.
func count(list []int, listener int) (n int) {
	for _, l := range list {
		if l == listener {
			n++
		}
	}
	return n
}

// leave takes a message out that was handled. It returns the listeners that have
// missed something and have nothing left to handle.
func (w *window) leave(c *counts, qos byte, bytes, listener int) (ready []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bytes -= bytes; qos > 0 {
		c.acknowledged--
	} else {
		c.lossy--
	}
	last := len(w.held) - 1
	for i, l := range w.held {
		if l == listener {
			w.held[i] = w.held[last]
			break
		}
	}
	if w.held = w.held[:last]; last == 0 {
		w.held = nil // an idle link holds no list
	}
	var waiting []int
	for _, l := range w.missed {
		if count(w.held, l) == 0 {
			ready = append(ready, l)
		} else {
			waiting = append(waiting, l)
		}
	}
	w.missed = waiting
	return ready
}
