package broker

import (
	"container/list"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	deviceBacklog   = 4 << 20  // bytes that may wait for a device
	platformBacklog = 64 << 20 // bytes that may wait for a platform's client
	messageOverhead = 256      // bytes a waiting message costs beside its payload
	maxWindow       = 256      // messages unacknowledged, however many a client allows
)

// message is a publication on its way to one session.
type message struct {
	topic       string
	contentType string
	payload     []byte    // shared by every receiver, never changed
	expires     time.Time // zero if never
	qos         byte
	id          uint16 // packet id, once it has been sent with QoS 1
}

func (m *message) size() int { return len(m.payload) + len(m.topic) + messageOverhead }

func (m *message) expired(now time.Time) bool { return !m.expires.IsZero() && !now.Before(m.expires) }

// packet is the message as the client receives it, with what is left of its
// life in whole seconds, rounded up.
func (m *message) packet(now time.Time, again bool) packets.Packet {
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: m.qos, Dup: again},
		TopicName:   m.topic,
		Payload:     m.payload,
		PacketID:    m.id,
	}
	pk.Properties.ContentType = m.contentType
	if !m.expires.IsZero() {
		left := math.Ceil(m.expires.Sub(now).Seconds())
		pk.Properties.MessageExpiryInterval = uint32(min(left, math.MaxUint32))
	}
	return pk
}

// session is what the broker owes one client, connected or not: messages in
// the order of their publication. While there is something to send and the
// client's window is open, one goroutine writes; an idle session has none, and
// whoever publishes never waits for a client.
type session struct {
	// immutable
	id    string
	limit int // bytes that may wait
	spawn func(write func())

	// guarded by the directory's mu
	owner   *mqtt.Client  // the last connection that opened the session
	away    *list.Element // its place among those that wait for their clients; nil while the owner is connected
	left    chan struct{} // closed when the owner's connection has ended
	filters []string      // what the client subscribed to

	mu      sync.Mutex
	client  *mqtt.Client // nil while no client is connected
	window  int          // Receive Maximum of the client
	queue   []message    // to be sent, oldest first; those sent before keep their packet id
	sent    []message    // sent and not acknowledged, oldest first
	waiting int          // bytes in queue and sent
	lastID  uint16
	writing bool
	dropped int64
}

// attach gives the session a connection. What was not acknowledged is sent
// again, first.
func (s *session) attach(client *mqtt.Client, window int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client, s.window = client, window
	s.queue = append(s.sent, s.queue...)
	s.sent = nil
	s.wake()
}

// detach takes the connection away, unless another has replaced it.
func (s *session) detach(client *mqtt.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == client {
		s.client = nil
	}
}

// connection is the session's client; nil while it is not connected.
func (s *session) connection() *mqtt.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client
}

// enqueue adds a message, or drops it: with QoS 0 when no client is connected,
// otherwise when too much waits.
func (s *session) enqueue(m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.qos == 0 && s.client == nil {
		return
	}
	if s.waiting+m.size() > s.limit {
		s.expire(time.Now())
	}
	if s.waiting+m.size() > s.limit {
		s.dropped++
		return
	}
	s.waiting += m.size()
	s.queue = append(s.queue, m)
	s.wake()
}

// owes reports whether a message to a topic with a prefix is not acknowledged.
func (s *session) owes(prefix string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	owed := func(m message) bool { return strings.HasPrefix(m.topic, prefix) && !m.expired(now) }
	return slices.ContainsFunc(s.queue, owed) || slices.ContainsFunc(s.sent, owed)
}

// expire makes room. The caller holds mu.
func (s *session) expire(now time.Time) {
	s.queue = slices.DeleteFunc(s.queue, func(m message) bool {
		gone := m.expired(now)
		if gone {
			s.waiting -= m.size()
		}
		return gone
	})
}

// acknowledged ends the life of a sent message.
func (s *session) acknowledged(client *mqtt.Client, id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != client {
		return
	}
	if i := slices.IndexFunc(s.sent, func(m message) bool { return m.id == id }); i >= 0 {
		s.waiting -= s.sent[i].size()
		s.sent = slices.Delete(s.sent, i, i+1)
	}
	s.wake()
}

// wake starts the writer if there is work for it. The caller holds mu.
func (s *session) wake() {
	if !s.writing && s.client != nil && len(s.queue) > 0 && len(s.sent) < s.window {
		s.writing = true
		s.spawn(s.write)
	}
}

// write sends until nothing is left that may be sent now.
func (s *session) write() {
	for {
		pk, client := s.next(time.Now())
		if client == nil {
			return
		}
		switch err := client.WritePacket(pk); {
		case errors.Is(err, packets.ErrPacketTooLarge):
			s.acknowledged(client, pk.PacketID) // the client announced that it cannot take it
		case err != nil:
			cut(client.Net.Conn)
			s.detach(client)
		}
	}
}

// next takes the oldest message that has not expired; a nil client means that
// the writer has to stop.
func (s *session) next(now time.Time) (packets.Packet, *mqtt.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.client != nil && len(s.queue) > 0 && len(s.sent) < s.window {
		m := s.queue[0]
		s.queue[0] = message{} // lets go of the payload
		if s.queue = s.queue[1:]; len(s.queue) == 0 {
			s.queue = nil
		}
		if m.expired(now) || m.qos == 0 {
			s.waiting -= m.size()
		}
		if m.expired(now) {
			continue
		}
		again := m.id != 0
		if m.qos > 0 {
			if !again {
				m.id = s.freeID()
			}
			s.sent = append(s.sent, m)
		}
		return m.packet(now, again), s.client
	}
	s.writing = false
	return packets.Packet{}, nil
}

// freeID gives the next packet id that no message of the session has. Sent
// messages are few, so there always is one. The caller holds mu.
func (s *session) freeID() uint16 {
	for {
		s.lastID++
		taken := func(m message) bool { return m.id == s.lastID }
		again := s.queue[:min(len(s.queue), maxWindow)] // only the first can have been sent before
		if s.lastID != 0 && !slices.ContainsFunc(s.sent, taken) && !slices.ContainsFunc(again, taken) {
			return s.lastID
		}
	}
}
