package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

const (
	// maxQueue is how many messages wait to be written. Who falls so far behind
	// has a broker that takes nothing; reconnecting sends again what matters.
	maxQueue = 512
	// progressRoom is the length of the queue from which on progress is not
	// worth adding to it.
	progressRoom = 16
)

// ErrAbrupt is a cause of Run's context that ends the connection as a power cut
// does: without a goodbye, so that the broker publishes the will.
var ErrAbrupt = errors.New("the connection ends without a goodbye")

var errOverflow = fmt.Errorf("more than %d messages wait for the broker", maxQueue)

// Link is the session of one device.
type Link struct {
	cfg        Config
	topics     wire.Topics
	log        *slog.Logger
	complaints complaints
	wake       chan struct{} // there is something in the queue

	// Owned by Run.
	backoff backoff
	broker  int    // index of the URL to try next
	said    string // the last trouble that was logged

	mu    sync.Mutex
	up    *live // nil without a connection
	since time.Time
	last  error // why there is no connection
	queue []ota.Up
}

var _ agent.Link = (*Link)(nil)

// New returns a link that is not connected.
func New(cfg Config) (*Link, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cannot set up the link: %w", err)
	}
	l := &Link{cfg: cfg.withDefaults(), wake: make(chan struct{}, 1)}
	l.topics = wire.Topics{Prefix: l.cfg.Prefix}
	l.log = l.cfg.Logger.With("device", l.cfg.Identity.Device)
	l.backoff = backoff{first: l.cfg.FirstDelay, most: l.cfg.MaxDelay}
	return l, nil
}

// Run keeps the session until ctx ends, and returns nil then. It may be called
// again afterwards.
func (l *Link) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		s, err := l.reach(ctx)
		if err == nil {
			err = l.serve(ctx, s)
		}
		if ctx.Err() == nil {
			l.explain(err)
			l.pause(ctx)
		}
	}
	return nil
}

// reach tries each broker once, the last good one first.
func (l *Link) reach(ctx context.Context) (*live, error) {
	var errs []error
	for range l.cfg.URLs {
		var s *live
		var err error
		aside(func() { s, err = l.connect(ctx, l.cfg.URLs[l.broker]) })
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

// aside runs f on a goroutine of its own and waits for it. A stack that has
// grown is not given back while its goroutine lives, and Run's lives as long as
// the device: what connecting and sending need is taken from goroutines that
// end.
func aside(f func()) {
	var done sync.WaitGroup
	done.Go(f)
	done.Wait()
}

// serve delivers and sends until the connection is lost or ctx ends.
func (l *Link) serve(ctx context.Context, s *live) error {
	began := time.Now()
	aside(func() { l.begin(s) })
	err := l.exchange(ctx, s)
	l.detach(err)
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), ErrAbrupt) {
		l.goodbye(ctx, s)
	}
	s.end(err)
	l.cfg.Deliver(agent.Disconnected{})
	l.backoff.held(time.Since(began))
	return err
}

func (l *Link) begin(s *live) {
	l.attach(s)
	l.said = ""
	l.log.Info("connected to the broker")
	l.cfg.Deliver(agent.Connected{})
	s.release()
}

func (l *Link) exchange(ctx context.Context, s *live) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.lost:
			return err
		case <-l.wake:
			var err error
			aside(func() { err = l.drain(ctx, s) })
			if err != nil && ctx.Err() == nil && !errors.Is(err, session.ErrNoConnection) {
				s.conn.fail(err)
			}
		}
	}
}

// drain sends what is in the queue. It waits while the broker owes as many
// acknowledgements as it allows.
func (l *Link) drain(ctx context.Context, s *live) error {
	for m := l.next(nil); m != nil; m = l.next(m) {
		if err := l.publish(ctx, s, m, paho.PublishMethod_AsyncSend); err != nil {
			return err
		}
	}
	return nil
}

func (l *Link) publish(ctx context.Context, s *live, m ota.Up, method paho.PublishMethod) error {
	kind, payload, err := wire.EncodeUp(m)
	if err != nil {
		l.complaints.say(l.log, "a message cannot be encoded and is dropped", "error", err)
		return nil
	}
	topic := l.topics.Up(l.cfg.Identity, kind)
	if size := len(topic) + len(payload) + overhead; s.maxPacket > 0 && size > s.maxPacket {
		l.complaints.say(l.log, "a message is larger than the broker takes and is dropped", "kind", kind, "bytes", size, "limit", s.maxPacket)
		return nil
	}
	_, err = s.client.PublishWithOptions(ctx, &paho.Publish{
		Topic: topic, QoS: wire.QoS(kind), Payload: payload,
		Properties: &paho.PublishProperties{ContentType: wire.ContentType},
	}, paho.PublishOptions{Method: method})
	return err
}

// goodbye sends what is still in the queue and what else the will would have
// said, and disconnects, in bounded time. What arrives meanwhile stays with the
// broker.
func (l *Link) goodbye(ctx context.Context, s *live) {
	s.inflight.hush()
	_ = s.conn.SetDeadline(time.Now().Add(goodbyeWithin))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeWithin)
	defer cancel()
	err := l.drain(ctx, s)
	if err == nil {
		err = l.publish(ctx, s, &ota.Offline{}, paho.PublishMethod_Blocking)
	}
	s.keepAlive.stop()
	if err != nil {
		l.log.Debug("cannot say goodbye to the broker", "error", err)
		return // without DISCONNECT, the broker publishes the will
	}
	_ = s.client.Disconnect(&paho.Disconnect{})
}

// Send queues a message and returns at once. Without a connection the message
// is dropped, and progress also when many messages wait. Too many waiting
// messages end the connection.
func (l *Link) Send(m ota.Up) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, lossy := m.(*ota.Progress)
	switch {
	case l.up == nil, lossy && len(l.queue) >= progressRoom:
		return
	case len(l.queue) >= maxQueue:
		l.queue = nil
		l.up.conn.fail(errOverflow)
		return
	}
	l.queue = append(l.queue, m)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next takes a message that was sent out of the queue, and gives the one after
// it; nil if there is none.
func (l *Link) next(sent ota.Up) ota.Up {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sent != nil && len(l.queue) > 0 && l.queue[0] == sent {
		l.queue[0], l.queue = nil, l.queue[1:]
	}
	if len(l.queue) == 0 {
		l.queue = nil // an idle link holds no queue
		return nil
	}
	return l.queue[0]
}

func (l *Link) attach(s *live) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.since, l.last, l.queue = s, time.Now(), nil, nil
}

// detach takes no more messages. The queue is left for a goodbye.
func (l *Link) detach(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.since, l.last = nil, time.Time{}, err
}

// explain logs why there is no connection, once as long as it is the same.
func (l *Link) explain(err error) {
	l.mu.Lock()
	l.last = err
	l.mu.Unlock()
	text := reason(err)
	if text == l.said {
		l.log.Debug("still not connected to the broker", "error", text)
		return
	}
	l.said = text
	l.log.Warn("not connected to the broker; trying again", "error", text)
}

func (l *Link) pause(ctx context.Context) {
	timer := time.NewTimer(l.backoff.next(l.cfg.Jitter()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Health is how the session does, for people.
type Health struct {
	Since   time.Time // when the connection was made; zero without one
	Trouble string    // why there is none, if that is known
}

// Health says how the session does.
func (l *Link) Health() Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := Health{Since: l.since}
	if l.last != nil {
		h.Trouble = reason(l.last)
	}
	return h
}
