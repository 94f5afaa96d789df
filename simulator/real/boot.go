package real

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/verdict"
)

// boot is a device between two power cuts: the agent's own runner and link, on
// hooks that faults have been at.
type boot struct {
	cancel  context.CancelCauseFunc
	runner  *agent.Runner
	session link.Session // nil behind a gateway
	hear    func(agent.Input)
	request func(*fault.Request) // is asked before each request to a platform that is polled
	sensors agent.Sensors
	tasks   sync.WaitGroup
}

// powerOn boots the device, unless the world has ended or the device is gone.
func (d *device) powerOn() {
	if l := d.boot(); l != nil && d.member != nil {
		d.member.join(l)
	}
}

// boot boots the device; nil if it cannot. Whoever looks for the current
// boot waits for d.mu, and so finds it whole.
func (d *device) boot() *boot {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.world.ctx.Err() != nil || d.gone {
		return nil
	}
	ctx, cancel := context.WithCancelCause(d.world.ctx)
	l := &boot{cancel: cancel}
	hooks := d.Hooks(late(func(m ota.Up) { d.send(l, m) }), func(in agent.Input) { d.deliver(l, in) }, d)
	l.sensors, l.hear, l.request = hooks.Sensors, hooks.Deliver, hooks.Request
	machine := agent.New(d.ID, d.Config, d.Memory.State)
	l.runner = agent.NewRunner(machine, agent.Ports{
		Link: hooks.Link, Store: store{d, machine, ctx, hooks.Reported}, URLCache: d,
		Fetcher:   meter{d.world.fetcher, d, hooks.Clock},
		Installer: operated{d, hooks.Operate, hooks.Version}.installer, Health: hooks.Health, Power: d,
		Sensors: hooks.Sensors,
		Now:     func() time.Time { return hooks.Clock(time.Now()) },
	})
	d.current = l
	downloads := storage{d.link, d.world.downloads(d), d.Busy, hooks.Exchange}
	l.runner.Start(withTransport(ctx, downloads), &l.tasks, "boot-"+strconv.Itoa(int(d.boots)))
	if d.member == nil {
		l.session = d.newSession(hooks.Deliver, func(then func()) { l.runner.After(then) })
		l.tasks.Add(1)
		l.session.Start(ctx, l.tasks.Done) // it ends with ctx, and only then
	}
	return l
}

// send passes a message of the agent to the session. What an external platform
// gets can only be recorded here.
func (d *device) send(l *boot, m ota.Up) {
	if answer, is := m.(*ota.Decision); is {
		d.answered(answer)
	}
	if d.member != nil {
		d.member.Send(m)
	} else {
		l.session.Send(m)
	}
}

// answered notes the device's answer to a plan. A dialect that is not native tells of
// what the device has reported before by a refusal, and acknowledges it much later.
func (d *device) answered(answer *ota.Decision) {
	if d.world.platform == nil {
		d.record(verdict.AnswerEvent(d.ID.Device, answer))
	}
	if !answer.Accept && !d.world.dialect.IsNative() {
		d.acked(&ota.Ack{Plan: answer.Plan, Seq: math.MaxInt})
	}
}

// late is a session that is made after what uses it.
type late func(ota.Up)

// Send sends a message.
func (f late) Send(m ota.Up) { f(m) }

func (d *device) newSession(deliver func(agent.Input), after func(func())) link.Session {
	l, err := d.world.face.session(d, deliver, after)
	if err != nil {
		// The scenario and the options were checked; only a bug gets here.
		panic("internal error: " + err.Error())
	}
	return l
}

// deliver passes what the session brings to the runner, and keeps the records.
func (d *device) deliver(l *boot, in agent.Input) {
	switch in := in.(type) {
	case agent.Connected:
		d.setConnected(true)
	case agent.Disconnected:
		d.setConnected(false)
	case agent.Received:
		d.meet()
		d.hear(in.Message)
		if plan, ok := in.Message.(*ota.Plan); ok && !d.world.dialect.IsNative() { // else it is shared already
			d.names.learn(d.world, d.Fleet, plan)
			l.runner.Post(agent.Received{Message: d.world.shared.plan(plan)})
			return
		}
	}
	l.runner.Post(in)
}

// hear looks at a message of the platform before the agent does.
func (d *device) hear(m ota.Down) {
	d.mu.Lock()
	e, tells := d.Heard(m)
	d.mu.Unlock()
	if tells {
		d.record(e)
	}
	switch m := m.(type) {
	case *ota.Plan:
		d.world.planned.Store(true)
	case *ota.Ack:
		if d.world.byAcks() {
			d.acked(m)
		}
	}
}

func (d *device) setConnected(up bool) {
	d.mu.Lock()
	d.connected = up
	d.reached = d.reached || up
	d.mu.Unlock()
	kind := verdict.Disconnected
	if up {
		kind = verdict.Connected
	}
	d.record(verdict.Event{Kind: kind})
}

// meet lets the device's users speak when the platform has said something to it
// for the first time, and so knows it.
func (d *device) meet() {
	d.mu.Lock()
	first := !d.met
	d.met = true
	d.mu.Unlock()
	if first {
		d.letUsersAnswer()
	}
}

// measure lets the machine look at the sensors.
func (l *boot) measure() {
	l.runner.Post(agent.Measured{Readings: l.sensors.Read(context.Background())})
}

func (d *device) booted() *boot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

// stop ends the boot as cause says; it does not wait for its tasks.
func (l *boot) stop(cause error) {
	l.cancel(cause)
	l.runner.Stop()
}

// transportKey finds the transport of a device's downloads in a context: one
// Fetcher serves the whole fleet, so that its buffers are few.
type transportKey struct{}

func withTransport(ctx context.Context, t http.RoundTripper) context.Context {
	return context.WithValue(ctx, transportKey{}, t)
}

// ownTransport sends each request over the link of the device that makes it.
type ownTransport struct{}

// RoundTrip sends one request.
func (ownTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t, ok := r.Context().Value(transportKey{}).(http.RoundTripper)
	if !ok {
		return nil, fmt.Errorf("internal error: a request without a device")
	}
	return t.RoundTrip(r)
}

// meter records what a device has downloaded.
type meter struct {
	agent.Fetcher
	device *device
	clock  func(time.Time) time.Time // of the device
}

// Fetch downloads, and counts the verified bytes that this call put in place.
func (m meter) Fetch(ctx context.Context, job agent.FetchJob) agent.FetchResult {
	before := m.device.written()
	job.Addresses = m.expiring(job.Addresses)
	result := m.Fetcher.Fetch(ctx, job)
	if n := m.device.written() - before; n > 0 {
		m.device.record(verdict.Event{Kind: verdict.Downloaded, N: n})
	}
	return result
}

// expiring gives addresses as the device's clock sees them: the Fetcher, which is
// the whole fleet's, has the right time.
func (m meter) expiring(addresses []ota.FileAddress) []ota.FileAddress {
	now := time.Now()
	skew := m.clock(now).Sub(now)
	if skew == 0 {
		return addresses
	}
	seen := slices.Clone(addresses)
	for i := range seen {
		if !seen[i].Expires.IsZero() {
			seen[i].Expires = seen[i].Expires.Add(-skew)
		}
	}
	return seen
}
