package native

import (
	"errors"
	"slices"
	"sync"
	"time"
)

var errGone = errors.New("the connection has ended")

// inflight is the messages that were sent on a connection and are not
// acknowledged. It ends with the connection, so that nothing is sent again that
// the agent sends again by itself.
//
// MQTT wants a client to send unacknowledged messages again under their old
// identifiers. For QoS 1 a broker cannot tell whether that happened: it has no
// memory of a message that it has not acknowledged.
type inflight struct {
	mu       sync.Mutex // guards the following
	changed  sync.Cond
	waiting  []uint16 // packet identifiers, the oldest first
	lastID   uint16
	credit   int       // messages that the broker still takes before it acknowledges one
	progress time.Time // of the last acknowledgement, or since there is something to acknowledge
	quiet    bool      // nothing is acknowledged to the broker any more
	gone     bool
}

// begin takes the broker's Receive Maximum.
func (f *inflight) begin(credit int) {
	f.changed.L = &f.mu
	f.credit = credit
}

// add gives a message its identifier, as soon as the broker takes another one.
func (f *inflight) add() (uint16, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.credit == 0 && !f.gone {
		f.changed.Wait()
	}
	if f.gone {
		return 0, errGone
	}
	// At most 65,535 wait, so that there is a free one when credit is left.
	for f.lastID++; f.lastID == 0 || slices.Contains(f.waiting, f.lastID); {
		f.lastID++
	}
	if len(f.waiting) == 0 {
		f.progress = time.Now()
	}
	f.credit--
	f.waiting = append(f.waiting, f.lastID)
	return f.lastID, nil
}

// full reports whether the broker takes no other message before it acknowledges one.
func (f *inflight) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.credit == 0
}

// acknowledged takes a message out.
func (f *inflight) acknowledged(id uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.waiting, id)
	if i < 0 {
		return
	}
	f.waiting = slices.Delete(f.waiting, i, i+1)
	if len(f.waiting) == 0 {
		f.waiting = nil // an idle link holds no list
	}
	f.credit++
	f.progress = time.Now()
	f.changed.Broadcast()
}

// await waits until a message is acknowledged.
func (f *inflight) await(id uint16) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for slices.Contains(f.waiting, id) && !f.gone {
		f.changed.Wait()
	}
	if f.gone {
		return errGone
	}
	return nil
}

// end lets go of everybody who waits: nothing is acknowledged any more.
func (f *inflight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone, f.quiet = true, true
	f.changed.Broadcast()
}

// stopAcks leaves what comes from now on with the broker, which sends it again in
// the next session.
func (f *inflight) stopAcks() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quiet = true
}

func (f *inflight) acksStopped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.quiet
}

// stalled tells for how long the broker has acknowledged nothing although it
// owes an acknowledgement.
func (f *inflight) stalled() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) == 0 {
		return 0
	}
	return time.Since(f.progress)
}
