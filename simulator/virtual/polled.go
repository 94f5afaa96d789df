package virtual

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"otafleet/agent"
	"otafleet/agent/link/hawkbit"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// polled is the conversation of a device that asks hawkBit whether there is something
// for it: the agent's own Exchange, whose requests go over a modelled line.
type polled struct {
	device   *device
	settings hawkbit.Settings
	exchange *hawkbit.Exchange // nil without power
	trip     *trip             // the request under way; nil for none
	looks    uint64            // number of the next look that is planned
	open     bool              // there is a connection for the next request
	up       bool              // the device knows itself connected
	found    uint64            // things that had happened when it last found nothing
	stored   model.Numbers     // of the reports that the platform has taken
}

// trip is one request on its way, and its answer.
type trip struct {
	request *hawkbit.Request
	began   time.Duration
	lost    bool // the line was cut
}

// nowhere is where the modelled hawkBit is.
func nowhere() *url.URL { return &url.URL{Scheme: "http", Host: "hawkbit.invalid"} }

// errCut is why an answer does not come over a line that was cut, and errRefused why
// no connection comes up.
var (
	errCut     = errors.New("the link is down")
	errRefused = errors.New("the connection is refused")
	errSilent  = errors.New("no answer came in time")
)

func newPolled(d *device) *polled {
	p := &polled{device: d, settings: hawkbit.Settings{Identity: d.ID, URL: nowhere(),
		OnFailure: model.OnFailure(d.world.run.scenario, d.Fleet), Draw: d.random.next}}
	if d.Fleet.Hardware != "" {
		p.settings.Attributes = map[string]string{"hardware": d.Fleet.Hardware}
	}
	return p
}

func (p *polled) begin() {
	p.exchange = hawkbit.NewExchange(p.settings)
	p.look()
}

// end forgets everything. hawkBit knows no goodbye; a request that has left arrives.
func (p *polled) end(bool) {
	if p.up {
		p.device.record(verdict.Event{Kind: verdict.Disconnected})
	}
	p.exchange, p.trip, p.up, p.open = nil, nil, false, false
	p.device.world.missPolls()
}

func (p *polled) broken() {
	p.open = false
	if t := p.trip; t != nil {
		t.lost = true
		p.answered(t, hawkbit.Response{Err: errCut})
	}
	p.device.world.missPolls()
}

func (p *polled) publish(ota.Down) {} // it asks for what there is

func (p *polled) online() bool { return p.up }

func (p *polled) quiet() bool {
	return p.exchange == nil || p.device.link.dead == never ||
		p.trip == nil && p.found == p.device.world.happened
}

// Send takes a message of the device (agent.Link).
func (p *polled) Send(m ota.Up) {
	if p.up {
		p.found = 0
		p.exchange.Send(p.device.world.clock(), m)
		p.lookAt(p.device.world.now)
	}
}

// received keeps the record of what the platform has taken: its acknowledgement is all
// that is known of a report.
func (p *polled) received(m ota.Down) { p.device.heardOf(m, &p.stored) }

// heardOf learns what plans are called, and what reports the platform has taken, from a
// message. stored are those that are known already.
func (d *device) heardOf(m ota.Down, stored *model.Numbers) {
	switch m := m.(type) {
	case *ota.Plan:
		d.names.Learn(d.world.run.scenario, d.Fleet, m)
	case *ota.Ack:
		for _, r := range d.Memory.Reports() {
			if r.Plan == m.Plan && r.Seq <= m.Seq && stored.Raise(r.Plan, r.Seq) {
				d.record(verdict.ReportEvent(0, verdict.Stored, d.ID.Device, &r))
			}
		}
	}
}

// lookAt looks at a time, and not at the one that was planned. If polls were left out
// until something happened, that was at any time between two of them.
func (p *polled) lookAt(at time.Duration) {
	p.looks++
	w, number := p.device.world, p.looks
	w.polls.add(at, func() {
		switch {
		case p.looks != number:
		case w.now > at:
			p.lookAt(w.now + time.Duration(p.device.random.next()*float64(w.run.sleep)))
		default:
			p.look()
		}
	})
}

// look lets the exchange go on: its next request leaves, or it waits for its time.
func (p *polled) look() {
	if p.exchange == nil || p.trip != nil {
		return
	}
	w := p.device.world
	request, at := p.exchange.Next(w.clock())
	if request == nil {
		p.lookAt(max(w.now, at.Sub(w.run.epoch)))
		return
	}
	p.ask(request)
}

// ask sends a request.
func (p *polled) ask(r *hawkbit.Request) {
	w := p.device.world
	t := &trip{request: r, began: w.now}
	p.trip = t
	if p.device.link.isDown() {
		p.answered(t, hawkbit.Response{Err: errCut})
		return
	}
	ways := 1
	if !p.open {
		ways += 2 // TCP comes first
	}
	p.pass(t, ways, func() {
		if w.platform.brokerDown {
			p.pass(t, 1, func() { p.answered(t, hawkbit.Response{Err: errRefused}) })
			return
		}
		answer := p.answerTo(r)
		p.pass(t, 1, func() { p.answered(t, answer) })
	})
}

// answerTo is what comes of a request at the platform.
func (p *polled) answerTo(r *hawkbit.Request) hawkbit.Response {
	x := fault.Request{Place: model.HawkBitPlace(r.Method, r.URL)}
	p.device.hooks.Request(&x)
	if x.Status != 0 {
		return hawkbit.Response{Status: x.Status, RetryAfter: x.RetryAfter}
	}
	return p.device.world.askHawkBit(r)
}

// pass lets a request or its answer go over the line so many times.
func (p *polled) pass(t *trip, ways int, arrived func()) {
	w := p.device.world
	takes := time.Duration(0)
	for range ways {
		takes += p.device.link.delay()
	}
	if left := t.began + hawkbit.DefaultTimeout - w.now; takes >= left {
		w.polls.add(w.now+left, func() { p.answered(t, hawkbit.Response{Err: errSilent}) })
	}
	w.polls.add(w.now+takes, func() { p.arrive(t, arrived) })
}

// arrive lets what was sent arrive, as soon as the line carries something.
func (p *polled) arrive(t *trip, arrived func()) {
	w := p.device.world
	late := t.began + hawkbit.DefaultTimeout
	switch until := p.device.link.still(); {
	case t.lost:
	case until <= w.now:
		arrived()
	case until < late:
		w.polls.add(until, func() { p.arrive(t, arrived) })
	default:
		w.polls.add(max(w.now, late), func() { p.answered(t, hawkbit.Response{Err: errSilent}) })
	}
}

// answered gives the exchange the answer to the request under way.
func (p *polled) answered(t *trip, answer hawkbit.Response) {
	if p.trip != t {
		return
	}
	p.trip, p.open = nil, answer.Err == nil
	p.exchange.Answered(p.device.world.clock(), answer)
	found := p.deliver()
	p.look()
	poll := model.HawkBitPlace(t.request.Method, t.request.URL) == scenario.AtPoll
	if !found && poll && answer.Status == http.StatusOK && p.trip == nil {
		p.found = p.device.world.happened
	}
}

// deliver gives the device what there is for it, and reports whether there was
// anything.
func (p *polled) deliver() bool {
	d, exchange := p.device, p.exchange
	inputs, handled := exchange.Deliveries()
	for _, in := range inputs {
		p.up = d.follow(in, p.up)
		d.hooks.Deliver(in)
		if p.exchange != exchange {
			return true // it has lost its power
		}
	}
	if l := d.current; handled {
		l.handled = func() {
			exchange.Handled(d.world.clock())
			p.lookAt(d.world.now)
		}
		d.tellHandled(l)
	}
	return len(inputs) > 0
}

// follow notes whether there is a connection, before the device hears of it; up says
// whether there was one.
func (d *device) follow(in agent.Input, up bool) bool {
	switch in.(type) {
	case agent.Connected:
		d.record(verdict.Event{Kind: verdict.Connected})
		return true
	case agent.Disconnected:
		d.record(verdict.Event{Kind: verdict.Disconnected})
		return false
	}
	return up
}
