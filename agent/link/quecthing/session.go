package quecthing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/internal/quecthing"
)

// Session is the session of a device, and of the members behind it, each of which is
// a device of its own for the platform, with a connection of its own.
type Session struct {
	link.Separate
	cfg Config
}

var _ link.Session = (*Session)(nil)

// New returns a session that is not connected.
func New(cfg Config) (*Session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cannot set up the session with the quecthing platform: %w", err)
	}
	s := &Session{cfg: cfg.withDefaults()}
	for _, d := range append([]link.Device{cfg.Device}, cfg.Members...) {
		product := d.Identity.Product
		if cfg.Product != "" {
			product = cfg.Product
		}
		s.Separate = append(s.Separate, &device{Device: d, session: s, product: product, kick: make(chan struct{}, 1),
			client: quecthing.ClientID(product, d.Identity.Device), log: s.cfg.Logger.With("device", d.Identity.Device),
			exchange: NewExchange(s.cfg.settings(d.Identity, ""))})
	}
	return s, nil
}

// device is one of those that the session serves.
type device struct {
	link.Device
	session         *Session
	product, client string
	log             *slog.Logger
	kick            chan struct{} // has one when something is to be looked at

	// Owned by Run.
	conn  *conn         // nil without a connection
	ended chan struct{} // closed with it

	mu       sync.Mutex // guards the following
	exchange *Exchange
	since    time.Time // when the agent has heard of a connection; zero without one
	said     string    // the last trouble that was logged
}

// Send takes a message, and returns at once. Without a connection it is dropped.
func (d *device) Send(m ota.Up) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.since.IsZero() {
		return
	}
	d.exchange.Send(d.session.cfg.Now(), m)
	d.look()
}

// look has the device looked at now.
func (d *device) look() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// Run does what the exchange wants until ctx ends.
func (d *device) Run(ctx context.Context) {
	d.begin()
	for ctx.Err() == nil {
		d.step(ctx)
	}
	if d.conn != nil && !errors.Is(context.Cause(ctx), link.ErrAbrupt) {
		d.goodbye()
	}
	d.hangUp()
	d.mu.Lock()
	d.exchange.Lost(d.session.cfg.Now(), ctx.Err())
	d.mu.Unlock()
	d.deliver()
}

// begin takes the device's secret from the disk.
func (d *device) begin() {
	secret, err := d.session.cfg.Secrets.Secret(d.Identity.Device)
	if err != nil {
		d.log.Error("cannot read the device's secret; the platform will be asked for it again", "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.exchange = NewExchange(d.session.cfg.settings(d.Identity, secret))
}

// step does one thing.
func (d *device) step(ctx context.Context) {
	now := d.session.cfg.Now()
	d.mu.Lock()
	action, at := d.exchange.Next(now)
	d.explain(d.exchange.Trouble())
	d.mu.Unlock()
	d.deliver() // of what was due
	switch a := action.(type) {
	case Connect:
		d.connect(ctx, a)
	case Publish:
		d.publish(a, now)
	case KeepSecret:
		if err := d.session.cfg.Secrets.KeepSecret(d.Identity.Device, a.Secret); err != nil {
			d.log.Error("cannot keep the device's secret; after a restart the platform is asked for it again", "error", err)
		}
	case Close:
		d.lost(a.Why)
	default:
		d.wait(ctx.Done(), at)
	}
}

// tell calls the exchange, and delivers what comes of it.
func (d *device) tell(f func(x *Exchange, now time.Time)) {
	d.mu.Lock()
	f(d.exchange, d.session.cfg.Now())
	d.explain(d.exchange.Trouble())
	d.mu.Unlock()
	d.deliver()
}

// connect opens a connection, or says why there is none.
func (d *device) connect(ctx context.Context, a Connect) {
	password, err := d.password(a)
	if err == nil {
		d.conn, err = d.open(ctx, password)
	}
	var no *rejected
	switch {
	case err == nil:
		d.ended = make(chan struct{})
		c := d.conn
		c.hurry = context.AfterFunc(ctx, func() { _ = c.SetWriteDeadline(time.Now().Add(goodbyeTimeout)) })
		early := d.conn.early
		d.conn.early = nil
		go d.conn.read(d.ended)
		d.tell(func(x *Exchange, now time.Time) { x.Connected(now) })
		for _, p := range early {
			d.conn.room <- struct{}{} // there is room for all of them
			d.heard(p)
		}
	case errors.As(err, &no):
		d.tell(func(x *Exchange, now time.Time) { x.Refused(now, no.code) })
	case ctx.Err() == nil:
		d.tell(func(x *Exchange, now time.Time) { x.Lost(now, err) })
	}
}

// password is the one to log in with.
func (d *device) password(a Connect) (string, error) {
	secret, err := d.session.cfg.ProductSecret()
	if err != nil {
		return "", fmt.Errorf("cannot read the product's secret: %w", err)
	}
	random, session := randomText(), d.session.cfg.SessionKey
	if a.First {
		return quecthing.FirstPassword(d.product, secret, d.Identity.Device, random, session)
	}
	return quecthing.LoginPassword(secret, a.Secret, random, session), nil
}

// randomText is the part of a password that differs each time.
func randomText() string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	raw := make([]byte, quecthing.RandomSize)
	_, _ = rand.Read(raw) // never fails
	for i, b := range raw {
		raw[i] = letters[int(b)%len(letters)]
	}
	return string(raw)
}

func (d *device) publish(m Publish, now time.Time) {
	if err := d.conn.publish(d.client, m, now); err != nil {
		d.lost(err)
		return
	}
	if m.QoS == 0 {
		d.tell(func(x *Exchange, now time.Time) { x.Taken(now) })
	}
}

// wait returns at a time, or when something has happened and been seen to.
func (d *device) wait(done <-chan struct{}, at time.Time) {
	var arrived chan packet
	if d.conn != nil {
		if d.overdue() {
			return
		}
		arrived = d.conn.packets
		if next := d.conn.next(); at.IsZero() || next.Before(at) {
			at = next
		}
	}
	var due <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(max(0, at.Sub(d.session.cfg.Now())))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case p := <-arrived:
		d.take(p)
	case <-due:
	case <-d.kick:
	case <-done:
	}
}

// overdue ends a connection on which the broker owes something for too long, and pings
// on another.
func (d *device) overdue() bool {
	now := d.session.cfg.Now()
	err := d.conn.overdue(now)
	if err == nil {
		err = d.conn.ping(now)
	}
	if err != nil {
		d.lost(err)
	}
	return err != nil
}

// take handles a packet of the broker.
func (d *device) take(p packet) {
	if p.err != nil {
		d.lost(hungUp(p.err, "the broker has closed the connection"))
		return
	}
	var err error
	switch p := p.ControlPacket.(type) {
	case *packets.PublishPacket:
		d.heard(p)
	case *packets.PubackPacket:
		err = d.acknowledged(packets.Puback, p.MessageID)
	case *packets.PubrecPacket:
		err = d.acknowledged(packets.Pubrec, p.MessageID)
	case *packets.PubcompPacket:
		err = d.acknowledged(packets.Pubcomp, p.MessageID)
	case *packets.PubrelPacket:
		err = d.conn.release(p.MessageID)
	case *packets.PingrespPacket:
		d.conn.pongBy = time.Time{}
	default:
		err = fmt.Errorf("the broker sent a packet out of turn: %T", p)
	}
	if err != nil {
		d.lost(err)
	}
}

func (d *device) acknowledged(kind byte, id uint16) error {
	done, err := d.conn.acknowledged(kind, id, d.session.cfg.Now())
	if done {
		d.tell(func(x *Exchange, now time.Time) { x.Taken(now) })
	}
	return err
}

// heard hands on a message, and acknowledges it once it has been handled.
func (d *device) heard(p *packets.PublishPacket) {
	c, qos, id := d.conn, p.Qos, p.MessageID
	done := func() {
		<-c.room
		switch qos { // an error closes the connection, which the reader sees
		case 1:
			_ = c.send(acknowledgement(packets.Puback, id))
		case 2:
			_ = c.send(acknowledgement(packets.Pubrec, id))
		}
	}
	if qos == 2 {
		again, err := c.again(id)
		if again || err != nil {
			done()
			if err != nil {
				d.lost(err)
			}
			return
		}
	}
	if p.Retain || !quecthing.IsDownlink(d.client, p.TopicName) {
		done() // platforms retain nothing, and what has been retained once is not news
		return
	}
	d.tell(func(x *Exchange, now time.Time) { x.Heard(now, p.Payload) })
	d.WhenHandled(func() {
		done()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.exchange.Handled(d.session.cfg.Now())
		d.look()
	})
}

// lost ends the connection, if there is one.
func (d *device) lost(why error) {
	d.hangUp()
	d.tell(func(x *Exchange, now time.Time) { x.Lost(now, why) })
}

func (d *device) hangUp() {
	if d.conn != nil {
		d.conn.hurry()
		_ = d.conn.Close()
		close(d.ended)
		d.conn = nil
	}
}

// goodbye sends what waits, and says that the device goes.
func (d *device) goodbye() {
	until := d.session.cfg.Now().Add(goodbyeTimeout)
	c := d.conn
	stop := time.AfterFunc(goodbyeTimeout, func() { _ = c.Close() })
	defer stop.Stop()
	for d.conn != nil && d.session.cfg.Now().Before(until) {
		now := d.session.cfg.Now()
		d.mu.Lock()
		action, _ := d.exchange.Next(now)
		idle := !d.exchange.sending
		d.mu.Unlock()
		switch p, is := action.(Publish); {
		case is:
			d.publish(p, now)
		case idle:
			_ = c.send(packets.NewControlPacket(packets.Disconnect))
			return
		default:
			d.wait(nil, until)
		}
	}
}

// deliver tells the agent what there is.
func (d *device) deliver() {
	d.mu.Lock()
	inputs := d.exchange.Deliveries()
	d.mu.Unlock()
	for _, in := range inputs {
		d.follow(in)
		d.Deliver(in)
	}
}

// follow notes whether there is a connection, before the agent hears of it and sends.
func (d *device) follow(in agent.Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch in.(type) {
	case agent.Connected:
		d.since = d.session.cfg.Now()
		d.said = ""
		d.log.Info("connected to the quecthing platform")
	case agent.Disconnected:
		d.since = time.Time{}
	}
}

// explain logs what is wrong, once as long as it is the same.
func (d *device) explain(trouble error) {
	text := ""
	if trouble != nil {
		text = link.Reason(trouble)
	}
	if text != d.said && text != "" {
		d.log.Warn("trouble with the quecthing platform", "error", text)
	}
	d.said = text
}

// Health is how the session of the device does (link.Single).
func (d *device) Health() link.Health {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := link.Health{Since: d.since}
	if trouble := d.exchange.Trouble(); trouble != nil {
		h.Trouble = link.Reason(trouble)
	}
	return h
}
