package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// progressRoom is the length of the queue from which on progress is not worth
// adding to it.
const progressRoom = 16

var errOverflow = errors.New("too many messages wait for the broker")

// Session is the session of one device.
type Session struct {
	cfg        Config
	topics     wire.Topics
	log        *slog.Logger
	complaints complaints
	window     window

	// Owned by Run.
	backoff backoff
	broker  int    // index of the URL to try next
	said    string // the last trouble that was logged

	mu    sync.Mutex
	up    *live // nil without a connection
	last  error // why there is no connection
	queue []outgoing
	// sending says that a goroutine empties the queue: an idle link has none.
	sending bool
}

var _ link.Session = (*Session)(nil)

// New returns a link that is not connected.
func New(cfg Config) (*Session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cannot set up the link: %w", err)
	}
	l := &Session{cfg: cfg.withDefaults()}
	l.topics = wire.Topics{Prefix: l.cfg.Prefix}
	l.log = l.cfg.Logger.With("device", l.cfg.Identity.Device)
	l.backoff = backoff{first: l.cfg.FirstDelay, most: l.cfg.MaxDelay}
	return l, nil
}

// Run keeps the session until ctx ends, and returns nil then. It may be called
// again afterwards.
func (l *Session) Run(ctx context.Context) error {
	ended := make(chan struct{})
	l.Start(ctx, func() { close(ended) })
	<-ended
	return nil
}

// Start begins to keep the session and returns at once. When ctx has ended and
// nothing is done any more it calls ended, after which it may be called again.
//
// Every step runs on a goroutine that ends with it: a stack that has grown is not
// given back while its goroutine lives, and a session lives as long as its
// device.
func (l *Session) Start(ctx context.Context, ended func()) { go l.open(ctx, ended) }

// open connects, or tries again later.
func (l *Session) open(ctx context.Context, ended func()) {
	if ctx.Err() != nil {
		ended()
		return
	}
	s, err := l.reach(ctx)
	if err != nil {
		l.retry(ctx, err, ended)
		return
	}
	l.begin(s) // before there is anything to leave
	var leaving sync.WaitGroup
	leaving.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer leaving.Done()
		l.leave(ctx, s)
	})
	s.lost = func(err error) {
		s.end(err)
		if !stop() {
			leaving.Wait()
		}
		l.finish(s, err)
		l.retry(ctx, err, ended)
	}
	there, err := s.conn.more()
	l.hear(s, there, err)
}

// retry opens another connection after a pause, unless ctx ends before.
func (l *Session) retry(ctx context.Context, err error, ended func()) {
	if ctx.Err() == nil {
		l.explain(err)
	}
	go func() {
		l.pause(ctx)
		go l.open(ctx, ended)
	}()
}

// reach tries each broker once, the last good one first.
func (l *Session) reach(ctx context.Context) (*live, error) {
	var errs []error
	for range l.cfg.URLs {
		s, err := l.connect(ctx, l.cfg.URLs[l.broker])
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		errs = append(errs, err)
		l.broker = (l.broker + 1) % len(l.cfg.URLs)
	}
	return nil, errors.Join(errs...)
}

// begin delivers that there is a connection, and what came before that could be
// said.
func (l *Session) begin(s *live) {
	l.attach(s)
	l.said = ""
	l.log.Info("connected to the broker")
	l.deliverAll(s, agent.Connected{})
	early := s.early
	s.early = nil
	for i, p := range early {
		early[i] = nil // each may have a MiB
		l.handOn(s, p)
	}
}

// hear takes the packets that are there, and waits for the next one.
func (l *Session) hear(s *live, there bool, err error) {
	for there && err == nil {
		if err = l.take(s); err == nil {
			there, err = s.conn.more()
		}
	}
	if err != nil {
		s.conn.letGo()
		s.lost(hungUp(s.conn.why(err), "the broker has closed the connection"))
		return
	}
	s.conn.await(func(err error) { l.hear(s, err == nil, err) })
}

// finish lets go of a connection that has ended.
func (l *Session) finish(s *live, err error) {
	l.detach(err)
	s.senders.Wait()
	l.deliverAll(s, agent.Disconnected{})
	l.backoff.held(time.Since(s.since))
}

// take reads and handles one packet.
func (l *Session) take(s *live) error {
	p, err := s.conn.next()
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case *packets.Publish:
		return l.receive(s, p)
	case *packets.Puback:
		if p.ReasonCode >= 0x80 {
			l.complaints.say(l.log, "the broker did not take a message", "reason", link.Clip(p.Reason()))
		}
		s.inflight.acknowledged(p.PacketID)
	case *packets.Suback, *packets.Pingresp:
	default:
		return unexpected(p)
	}
	return nil
}

// drain sends what is in the queue until nothing is left. It waits while the
// broker owes as many acknowledgements as it allows.
func (l *Session) drain(s *live) {
	b := l.newBatch(s)
	defer b.end()
	for {
		m, ended := l.next(s, len(b.out) == 0)
		switch {
		case ended:
			return
		case m.message != nil:
			if _, err := l.publish(b, m); err != nil {
				return // the connection has ended, or ends now
			}
		default:
			if b.flush() != nil {
				return
			}
		}
	}
}

// batch is messages of one moment, and acknowledgements of such as have come, which leave
// in one write.
type batch struct {
	session *Session
	live    *live
	out     []byte
	payload []byte // of the message that is added
}

func (l *Session) newBatch(s *live) *batch {
	return &batch{session: l, live: s, out: s.conn.buffers.take()[:0], payload: s.conn.buffers.take()[:0]}
}

// flush writes them.
func (b *batch) flush() error {
	b.out = b.session.joined(b.live, b.out)
	if len(b.out) == 0 {
		return nil
	}
	err := b.live.conn.write(b.out)
	b.out = b.out[:0]
	return err
}

// end gives the memory back.
func (b *batch) end() {
	b.live.conn.buffers.give(b.out)
	b.live.conn.buffers.give(b.payload)
}

// publish adds a message to a batch and gives its identifier; 0 if it is not
// acknowledged.
func (l *Session) publish(b *batch, m outgoing) (id uint16, err error) {
	s := b.live
	kind, payload, err := wire.AppendUp(b.payload[:0], m.message)
	topic := l.topics.Up(*m.id, kind)
	for excess := s.excess(topic, payload); err == nil && excess > 0; excess = s.excess(topic, payload) {
		short := shortened(m.message, excess)
		if short == nil {
			break
		}
		m.message = short
		kind, payload, err = wire.AppendUp(b.payload[:0], short)
	}
	if err != nil {
		l.complaints.say(l.log, "a message cannot be encoded and is dropped", "error", err)
		return 0, nil
	}
	if s.excess(topic, payload) > 0 {
		l.complaints.say(l.log, "a message is larger than the broker takes and is dropped", "kind", kind, "bytes",
			len(payload), "limit", s.maxPacket)
		return 0, nil
	}
	qos := wire.QoS(kind)
	if qos > 0 {
		if id, err = b.identify(); err != nil {
			return 0, err
		}
	}
	if len(b.out)+len(topic)+len(payload)+overhead > bufferSize {
		if err := b.flush(); err != nil {
			return 0, err
		}
	}
	b.out = appendPublish(b.out, topic, qos, id, payload)
	return id, nil
}

// identify gives a message its identifier. It may have to wait for acknowledgements of
// what is in the batch.
func (b *batch) identify() (uint16, error) {
	if b.live.inflight.full() {
		if err := b.flush(); err != nil {
			return 0, err
		}
	}
	return b.live.inflight.add()
}

// excess is by how many bytes a message is larger than the broker takes.
func (s *live) excess(topic string, payload []byte) int {
	if s.maxPacket == 0 {
		return 0
	}
	return max(0, len(topic)+len(payload)+overhead-s.maxPacket)
}

// shortened is a message whose detail is some bytes shorter; nil for one without a
// detail that could be.
func shortened(m ota.Up, excess int) ota.Up {
	switch m := m.(type) {
	case *ota.Report:
		if m.Failure != nil && m.Failure.Detail != "" {
			short := *m
			short.Failure = &ota.Failure{Code: m.Failure.Code, Detail: shorter(m.Failure.Detail, excess)}
			return &short
		}
	case *ota.Decision:
		if m.Detail != "" {
			short := *m
			short.Detail = shorter(m.Detail, excess)
			return &short
		}
	}
	return nil
}

// shorter takes bytes out of a text, or all of a short one.
func shorter(text string, excess int) string {
	const least = 16 // as Clip asks
	if most := len(text) - excess; most >= least {
		return ota.Clip(text, most)
	}
	return ""
}

// leave ends the connection because ctx has ended: with a goodbye, unless that
// was a power cut.
func (l *Session) leave(ctx context.Context, s *live) {
	if !errors.Is(context.Cause(ctx), link.ErrAbrupt) {
		timer := time.AfterFunc(l.cfg.GoodbyeTimeout, func() { s.end(errSlow) })
		l.goodbye(ctx, s)
		timer.Stop()
	}
	s.conn.fail(ctx.Err())
}

var errSlow = errors.New("the broker did not take the goodbye in time")

// goodbye sends what is still in the queue and what else the will would have
// said, and disconnects. What arrives meanwhile stays with the broker.
func (l *Session) goodbye(ctx context.Context, s *live) {
	s.inflight.stopAcks()
	l.detach(ctx.Err())
	s.senders.Wait()
	id, err := l.publishOffline(s)
	if err == nil {
		err = s.inflight.await(id)
	}
	s.keepAlive.stop()
	if err != nil {
		l.log.Debug("cannot say goodbye to the broker", "error", s.conn.why(err))
		return // without DISCONNECT, the broker publishes the will
	}
	_ = s.conn.send(&packets.Disconnect{Properties: &packets.Properties{}})
}

// publishOffline says that the members are gone, and last the device itself.
func (l *Session) publishOffline(s *live) (id uint16, err error) {
	b := l.newBatch(s)
	defer b.end()
	for i := range l.cfg.Members {
		if s.rejected[i] {
			continue
		}
		if _, err := l.publish(b, outgoing{&l.cfg.Members[i].Identity, &ota.Offline{}}); err != nil {
			return 0, err
		}
	}
	if id, err = l.publish(b, outgoing{&l.cfg.Identity, &ota.Offline{}}); err != nil {
		return 0, err
	}
	return id, b.flush()
}

// Send queues a message and returns at once. Without a connection the message
// is dropped, and progress also when many messages wait. Too many waiting
// messages end the connection.
func (l *Session) Send(m ota.Up) { l.send(&l.cfg.Identity, m) }

func (l *Session) send(id *ota.Identity, m ota.Up) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, lossy := m.(*ota.Progress)
	switch {
	case l.up == nil, lossy && len(l.queue) >= progressRoom:
		return
	case len(l.queue) >= l.cfg.queueLimit():
		l.queue = nil
		l.up.conn.fail(errOverflow)
		return
	}
	l.queue = append(l.queue, outgoing{id, m})
	if !l.sending {
		l.sending = true
		s := l.up
		s.senders.Go(func() { l.drain(s) })
	}
}

// next takes a message out of the queue, which has none when it is time to write. The
// sender has ended if all is written.
func (l *Session) next(s *live, written bool) (m outgoing, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		ended = written && len(s.acks) == 0
		l.queue, l.sending = nil, !ended // an idle link holds no queue
		return outgoing{}, ended
	}
	m = l.queue[0]
	l.queue[0], l.queue = outgoing{}, l.queue[1:]
	return m, false
}

// acknowledge says to the broker what has become of a message: with the messages that
// are about to leave, if there are any. An error closes the connection.
func (l *Session) acknowledge(s *live, id uint16, reason byte) {
	if !l.join(s, id, reason) {
		_ = s.conn.write(appendPuback(nil, id, reason))
	}
}

// join reports whether a sender takes an acknowledgement along. One that waits for the
// broker does not: the broker may be waiting, too.
func (l *Session) join(s *live, id uint16, reason byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up != s || !l.sending || s.inflight.full() {
		return false
	}
	s.acks = appendPuback(s.acks, id, reason)
	return true
}

// joined appends the acknowledgements that wait to what leaves.
func (l *Session) joined(s *live, out []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	out = append(out, s.acks...)
	s.acks = s.acks[:0]
	return out
}

func (l *Session) attach(s *live) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.since = time.Now()
	l.up, l.last, l.queue, l.sending = s, nil, nil, false
}

// detach takes no more messages. What is in the queue is still sent.
func (l *Session) detach(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.last = nil, err
}

// explain logs why there is no connection, once as long as it is the same.
func (l *Session) explain(err error) {
	l.mu.Lock()
	l.last = err
	l.mu.Unlock()
	text := link.Reason(err)
	if text == l.said {
		l.log.Debug("still not connected to the broker", "error", text)
		return
	}
	l.said = text
	l.log.Warn("not connected to the broker; trying again", "error", text)
}

func (l *Session) pause(ctx context.Context) {
	timer := time.NewTimer(l.backoff.next(l.cfg.Jitter()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Health says how the session does.
func (l *Session) Health() link.Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	var h link.Health
	if l.up != nil {
		h.Since = l.up.since
	}
	if l.last != nil {
		h.Trouble = link.Reason(l.last)
	}
	return h
}
