package link

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	pahologger "github.com/eclipse/paho.golang/paho/log"
	"github.com/eclipse/paho.golang/paho/session"
)

// inflight is paho's session: what has been sent on this connection and is not
// acknowledged. It ends with the connection, so that nothing is sent again that
// the agent sends again by itself.
//
// MQTT wants a client to send unacknowledged messages again under their old
// identifiers. For QoS 1 a broker cannot tell whether that happened: it has no
// memory of a message that it has not acknowledged.
type inflight struct {
	refused func(reason string) // a message that the broker did not take

	mu       sync.Mutex
	conn     io.Writer // nil without a connection
	waiting  map[uint16]request
	lastID   uint16
	credit   int       // messages that the broker still takes before it acknowledges one
	progress time.Time // of the last acknowledgement, or since there is something to acknowledge
	quiet    bool      // nothing is acknowledged to the broker any more

	room chan struct{} // credit was given back
	gone chan struct{} // closed when the connection is lost
}

type request struct {
	answer  chan<- packets.ControlPacket // has room for one
	message bool                         // takes credit
}

var _ session.SessionManager = (*inflight)(nil)

func newInflight(refused func(string)) *inflight {
	return &inflight{refused: refused, room: make(chan struct{}, 1), gone: make(chan struct{})}
}

// ConAckReceived begins the session.
func (f *inflight) ConAckReceived(conn io.Writer, _ *packets.Connect, ack *packets.Connack) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn, f.credit = conn, 65535 // MQTT's value for a broker that says nothing
	if ack.Properties != nil && ack.Properties.ReceiveMaximum != nil {
		f.credit = int(*ack.Properties.ReceiveMaximum)
	}
	return nil
}

// ConnectionLost ends it: nothing is answered any more. Paho calls it more than
// once.
func (f *inflight) ConnectionLost(*packets.Disconnect) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		return nil
	}
	f.conn = nil
	close(f.gone)
	for _, r := range f.waiting {
		r.answer <- packets.ControlPacket{} // how paho says that there is none
	}
	f.waiting = nil
	return nil
}

// AddToSession gives a packet its identifier. A message waits for the broker's
// credit. The link sends from one goroutine, so one is woken at most.
func (f *inflight) AddToSession(ctx context.Context, p session.Packet, answer chan<- packets.ControlPacket) error {
	for {
		added, err := f.add(p, answer)
		if added || err != nil {
			return err
		}
		select {
		case <-f.room:
		case <-f.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *inflight) add(p session.Packet, answer chan<- packets.ControlPacket) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	message := p.Type() == packets.PUBLISH
	switch {
	case f.conn == nil:
		return false, session.ErrNoConnection
	case message && f.credit == 0:
		return false, nil
	case len(f.waiting) >= 65535:
		return false, session.ErrPacketIdentifiersExhausted
	}
	if f.waiting == nil {
		f.waiting = make(map[uint16]request)
		f.progress = time.Now()
	}
	for used := true; used || f.lastID == 0; _, used = f.waiting[f.lastID] {
		f.lastID++
	}
	if message {
		f.credit--
	}
	f.waiting[f.lastID] = request{answer: answer, message: message}
	p.SetIdentifier(f.lastID)
	return true, nil
}

// PacketReceived takes what the broker sends under an identifier.
func (f *inflight) PacketReceived(p *packets.ControlPacket, messages chan<- *packets.Publish) error {
	switch content := p.Content.(type) {
	case *packets.Publish:
		messages <- content
	case *packets.Puback:
		if content.ReasonCode >= 0x80 {
			f.refused(content.Reason())
		}
		f.answer(content.PacketID, p)
	case *packets.Suback:
		f.answer(content.PacketID, p)
	}
	return nil
}

func (f *inflight) answer(id uint16, p *packets.ControlPacket) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.waiting[id]
	if !ok {
		return
	}
	r.answer <- *p
	f.progress = time.Now()
	if delete(f.waiting, id); len(f.waiting) == 0 {
		f.waiting = nil // an idle link holds no table
	}
	if !r.message {
		return
	}
	f.credit++
	select {
	case f.room <- struct{}{}:
	default:
	}
}

// Ack acknowledges a message to the broker after it was delivered.
func (f *inflight) Ack(p *packets.Publish) error {
	f.mu.Lock()
	conn := f.conn
	if f.quiet || p.QoS == 0 {
		conn = nil
	}
	f.mu.Unlock()
	if conn == nil {
		return nil
	}
	_, err := (&packets.Puback{PacketID: p.PacketID, Properties: &packets.Properties{}}).WriteTo(conn)
	return err
}

// hush leaves what comes from now on with the broker, which sends it again in
// the next session.
func (f *inflight) hush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quiet = true
}

func (f *inflight) hushed() bool {
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

// Close is called by paho for sessions of its own only.
func (f *inflight) Close() error { return f.ConnectionLost(nil) }

// SetErrorLogger does nothing: errors are returned.
func (f *inflight) SetErrorLogger(pahologger.Logger) {}

// SetDebugLogger does nothing.
func (f *inflight) SetDebugLogger(pahologger.Logger) {}
