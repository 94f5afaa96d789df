package hawkbit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
)

// Session is the session of a device, and of the members behind it, each of which is
// a device of its own for hawkBit.
type Session struct {
	link.Separate
	cfg    Config
	client *http.Client
	follow *http.Client // for what hawkBit may keep elsewhere
}

var _ link.Session = (*Session)(nil)

// New returns a session that is not connected.
func New(cfg Config) (*Session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cannot set up the session with hawkBit: %w", err)
	}
	s := &Session{cfg: cfg.withDefaults()}
	s.client = &http.Client{Transport: s.cfg.Transport, Timeout: s.cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token must not follow
		}}
	s.follow = &http.Client{Transport: s.cfg.Transport, Timeout: s.cfg.Timeout, CheckRedirect: s.redirected}
	for _, d := range append([]link.Device{s.cfg.Device}, s.cfg.Members...) {
		s.Separate = append(s.Separate, &device{Device: d, session: s, kick: make(chan struct{}, 1),
			log: s.cfg.Logger.With("device", d.Identity.Device), exchange: NewExchange(s.cfg.settings(d.Identity))})
	}
	return s, nil
}

// device is one of those that the session serves.
type device struct {
	link.Device
	session *Session
	log     *slog.Logger
	kick    chan struct{} // has one when something is to be looked at

	mu       sync.Mutex // guards the following
	exchange *Exchange
	since    time.Time // when the connection was made; zero without one
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

// Run asks for what the exchange wants until ctx ends.
func (d *device) Run(ctx context.Context) {
	defer d.session.client.CloseIdleConnections()
	defer d.left()
	for ctx.Err() == nil {
		d.mu.Lock()
		request, at := d.exchange.Next(d.session.cfg.Now())
		d.mu.Unlock()
		if request == nil {
			d.wait(ctx, at)
		} else {
			d.answered(ctx, d.session.ask(ctx, request))
		}
		d.deliver()
	}
	if !errors.Is(context.Cause(ctx), link.ErrAbrupt) {
		d.finish()
	}
}

// goodbye bounds what is still said at the end of a session.
const goodbye = 5 * time.Second

// finish says what waits to be said, before the session ends: a restart of the device
// may follow, and who looks at hawkBit should see why.
func (d *device) finish() {
	ctx, end := context.WithTimeout(context.Background(), goodbye)
	defer end()
	for ctx.Err() == nil {
		d.mu.Lock()
		request := d.exchange.Rest(d.session.cfg.Now())
		d.mu.Unlock()
		if request == nil {
			return
		}
		d.answered(ctx, d.session.ask(ctx, request))
	}
}

// wait returns at a time, or when there is something to look at.
func (d *device) wait(ctx context.Context, at time.Time) {
	timer := time.NewTimer(max(0, at.Sub(d.session.cfg.Now())))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.kick:
	case <-ctx.Done():
	}
}

// answered hands an answer to the exchange, unless it is none because ctx has ended.
func (d *device) answered(ctx context.Context, p Response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.Err != nil && ctx.Err() != nil {
		d.exchange.Abandon()
		return
	}
	d.exchange.Answered(d.session.cfg.Now(), p)
	d.explain(d.exchange.Trouble())
}

// explain logs what is wrong, once as long as it is the same.
func (d *device) explain(trouble error) {
	text := ""
	if trouble != nil {
		text = trouble.Error()
	}
	if text != d.said && text != "" {
		d.log.Warn("trouble with hawkBit; trying again", "error", text)
	}
	d.said = text
}

// deliver tells the agent what there is.
func (d *device) deliver() {
	d.mu.Lock()
	inputs, handled := d.exchange.Deliveries()
	d.mu.Unlock()
	for _, in := range inputs {
		d.follow(in)
		d.Deliver(in)
	}
	if handled {
		d.WhenHandled(func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.exchange.Handled(d.session.cfg.Now())
			d.look()
		})
	}
}

// follow notes whether there is a connection, before the agent hears of it and sends.
func (d *device) follow(in agent.Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch in.(type) {
	case agent.Connected:
		d.since = d.session.cfg.Now()
		d.log.Info("connected to hawkBit")
	case agent.Disconnected:
		d.since = time.Time{}
	}
}

// left ends the session of the device. hawkBit knows no goodbye.
func (d *device) left() {
	d.mu.Lock()
	connected := !d.since.IsZero()
	d.since = time.Time{}
	d.exchange = NewExchange(d.session.cfg.settings(d.Identity))
	d.mu.Unlock()
	if connected {
		d.Deliver(agent.Disconnected{})
	}
}

// Health is how the session of the device does (link.Single).
func (d *device) Health() link.Health {
	d.mu.Lock()
	defer d.mu.Unlock()
	return link.Health{Since: d.since, Trouble: d.said}
}

// ask carries a request.
func (s *Session) ask(ctx context.Context, r *Request) Response {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Response{Err: fmt.Errorf("cannot ask hawkBit: %w", err)}
	}
	request.Header.Set("Accept", "application/hal+json, application/json")
	request.Header.Set("User-Agent", s.cfg.UserAgent)
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if err := s.cfg.Authorize(request); err != nil {
		return Response{Err: err}
	}
	client := s.client
	if r.kind == readingManifest {
		client = s.follow
	}
	answer, err := client.Do(request)
	if err != nil {
		return s.unanswered(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, r.Limit+1))
	switch {
	case err != nil:
		err = fmt.Errorf("hawkBit's answer broke off: %w", err)
	case int64(len(body)) > r.Limit:
		err = errors.New("hawkBit's answer is longer than any of its documents")
	}
	return Response{Status: answer.StatusCode, Body: body, RetryAfter: RetryAfter(answer.Header), Err: err,
		Elsewhere: !sameOrigin(answer.Request.URL, s.cfg.URL)}
}

// unanswered says why a request has no answer. The text of a *url.Error repeats the
// address, which may be signed.
func (s *Session) unanswered(err error) Response {
	at := s.cfg.URL
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
		if u, wrong := url.Parse(failed.URL); wrong == nil && !sameOrigin(u, at) {
			at = &url.URL{Scheme: u.Scheme, Host: u.Host}
			return Response{Elsewhere: true, Err: fmt.Errorf("cannot reach %s: %w", at, err)}
		}
	}
	return Response{Err: fmt.Errorf("cannot reach hawkBit at %s: %w", at.Redacted(), err)}
}

// redirected follows a redirect of an artifact, without the token where it leads away.
func (s *Session) redirected(r *http.Request, before []*http.Request) error {
	const most = 5
	switch {
	case len(before) > most:
		return fmt.Errorf("it leads on %d times", len(before))
	case r.URL.Scheme != "https" && before[0].URL.Scheme == "https":
		return errors.New("it leads to a connection that is not encrypted")
	}
	r.Header.Del("Authorization")
	return s.cfg.Authorize(r)
}

// RetryAfter is how long a server asks for patience, in seconds; 0 if it does not, or
// by a date, which needs a clock that is right.
func RetryAfter(h http.Header) time.Duration {
	n, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// Authorize adds the device's token to a request of hawkBit's own server, such as for
// an artifact. A request that leads elsewhere stays as it is.
func (c *Config) Authorize(r *http.Request) error {
	if c.Token == nil || !sameOrigin(r.URL, c.URL) {
		return nil
	}
	secret, err := c.Token()
	if err != nil {
		return fmt.Errorf("the token for hawkBit cannot be read: %w", err)
	}
	kind := "TargetToken "
	if c.Gateway {
		kind = "GatewayToken "
	}
	r.Header.Set("Authorization", kind+secret)
	return nil
}
