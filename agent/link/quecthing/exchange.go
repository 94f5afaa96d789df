package quecthing

import (
	"errors"
	"fmt"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/internal/quecthing"
)

// Settings say how an Exchange behaves.
type Settings struct {
	Identity ota.Identity // product key and device key
	// Secret is the device's own, as it was kept; empty before first contact.
	Secret string
	// SessionKey asks the platform to encrypt payloads.
	SessionKey bool
	// WantSHA256 asks for a SHA-256 of each file beside its MD5.
	WantSHA256 bool
	// OnFailure says what a failed component means for the others of its plan: the
	// wire does not.
	OnFailure ota.OnFailure
	// Model and ICCID, the number of the SIM card, are told to the platform.
	Model, ICCID string
	// Draw draws from [0, 1), so that the reconnects of a fleet spread.
	Draw func() float64
}

// Action is what has to be done next: a Connect, Publish, KeepSecret or Close.
type Action interface{ action() }

// Connect opens a connection and subscribes. It ends with Connected, Refused or Lost.
type Connect struct {
	First  bool   // with the product's secret, since the device has none, or it is refused
	Secret string // the device's, otherwise
}

// Publish sends a message. It ends with Taken, or Lost.
type Publish struct {
	Channel quecthing.Channel
	QoS     byte
	Payload []byte
}

// KeepSecret makes the device's secret durable before anything else is done.
type KeepSecret struct{ Secret string }

// Close ends the connection. It ends with Lost.
type Close struct{ Why error }

func (Connect) action()    {}
func (Publish) action()    {}
func (KeepSecret) action() {}
func (Close) action()      {}

// Exchange is what a device and its platform say to each other. It is not safe for
// concurrent use, and none of its methods blocks.
//
// Next gives one action at a time. What comes of it, frames of the platform and
// messages of the agent go to the other methods. After each of them, Deliveries has
// what the agent has to receive.
type Exchange struct {
	settings Settings
	now      time.Time

	// The connection.
	link    linkState
	first   bool // the next CONNECT, or the current one, is a first contact
	secret  string
	unkept  bool  // secret is not on disk yet
	closing error // the connection is to be ended; nil if not
	rejoin  bool  // it is ended to come back at once
	trouble error
	retry   time.Time // not before
	// How often it was tried in vain, or refused, since it last worked.
	failures int
	bindBy   time.Time         // when it is worth saying that the secret has not come
	cipher   *quecthing.Cipher // nil before there is a session key
	id       uint16            // of the last frame

	// What is to be sent, in this order; the first is on its way if sending.
	queue   []entry
	sending bool
	queued  []mark // reports that are in queue, or were

	// What the agent says of the device.
	inventory  *ota.Inventory      // nil before the first one
	list       []quecthing.Version // of it, all but the module
	introduced bool                // the platform has it, on this connection
	asked      time.Time           // when no plan is taken for the answer to the wish for one; zero if none waits

	plans []*plan // those that are not over, oldest first
	fails int     // failed downloads in a row, over all plans
	// The component that is being downloaded, and when that is said again.
	repeats  part
	repeatAt time.Time
	inbox    []agent.Input
}

// linkState is how far the connection has come.
type linkState uint8

const (
	down       linkState = iota
	connecting           // an action of that name is under way
	binding              // first contact: the platform has the device, which has no secret yet
	online
)

// entry is a message that waits to be sent, or a report for which nothing is.
type entry struct {
	command quecthing.Command // 0 for nothing
	channel quecthing.Channel
	qos     byte
	items   quecthing.Items
	ack     *ota.Ack // to deliver when it has been taken; nil for none
}

// mark is the last report of a plan that is in the queue.
type mark struct {
	plan string
	seq  int
}

// NewExchange returns an Exchange that has said nothing yet.
func NewExchange(s Settings) *Exchange {
	if s.OnFailure == "" {
		s.OnFailure = ota.Stop
	}
	return &Exchange{settings: s, secret: s.Secret, first: s.Secret == ""}
}

// Deliveries takes out what the agent has to receive, in this order. Handled says
// when it has.
func (x *Exchange) Deliveries() []agent.Input {
	inputs := x.inbox
	x.inbox = nil
	return inputs
}

// Trouble says why the device is not online, or what the platform has asked of it that
// it cannot do; nil for nothing.
func (x *Exchange) Trouble() error {
	if x.trouble == nil && x.link == binding && !x.now.Before(x.bindBy) {
		return errors.New("first contact: the platform has taken the device, which waits for its secret")
	}
	return x.trouble
}

func (x *Exchange) deliver(in agent.Input) { x.inbox = append(x.inbox, in) }

// message delivers a message of the platform.
func (x *Exchange) message(m ota.Down) { x.deliver(agent.Received{Message: m}) }

// put queues a message.
func (x *Exchange) put(e entry) {
	switch {
	case x.link != online:
		return
	case len(x.queue) >= link.MaxQueue:
		x.close(errors.New("too many messages wait for the broker"), false)
		return
	}
	x.queue = append(x.queue, e)
}

// close ends the connection: rejoin comes back at once.
func (x *Exchange) close(why error, rejoin bool) {
	if x.closing == nil && x.link != down {
		x.closing, x.rejoin = why, rejoin
	}
}

// Connected says that the broker has taken the device and its subscription.
func (x *Exchange) Connected(now time.Time) {
	x.now = now
	x.trouble, x.cipher = nil, nil
	if x.first {
		x.link, x.bindBy = binding, x.now.Add(bindPause)
		return
	}
	x.begin()
}

// begin tells the agent that there is a connection.
func (x *Exchange) begin() {
	x.link, x.failures = online, 0
	x.introduced = false
	x.deliver(agent.Connected{})
}

// The pauses after a refusal, each times the refusals in a row.
const (
	longPause   = 10 * time.Minute
	shortPause  = 30 * time.Second
	restPause   = 30 * time.Minute // after maxFailures in a row
	maxFailures = 6
)

// Refused says that the broker has answered CONNECT with another code than 0. A
// device with a secret comes back with first contact, and then again with its secret,
// which it keeps: a broker that was in trouble must not cost a device its identity.
func (x *Exchange) Refused(now time.Time, code byte) {
	x.now = now
	x.lost(refusal(code, x.first))
	switch code {
	case codeUnavailable:
		x.backOff()
	default:
		x.wait(longPause)
		if code != codeProtocol {
			x.first = !x.first || x.secret == ""
		}
	}
}

// Codes of CONNACK.
const (
	codeProtocol    = 1
	codeUnavailable = 3
)

// refusal says what a code of CONNACK means.
func refusal(code byte, first bool) error {
	with := "the device's secret"
	if first {
		with = "the product's secret, at first contact"
	}
	switch code {
	case codeProtocol:
		return errors.New("the broker does not take MQTT 3.1.1 (1)")
	case 2:
		return errors.New("the broker does not take the client id (2): are product and device key right?")
	case codeUnavailable:
		return errors.New("the broker is not available (3)")
	case 4, 5:
		return fmt.Errorf("the platform refuses the password (%d), made with %s", code, with)
	}
	return fmt.Errorf("the broker refuses the connection with code %d", code)
}

// Lost says that the connection has ended, or was not made, and why.
func (x *Exchange) Lost(now time.Time, why error) {
	x.now = now
	closing, rejoin := x.closing, x.rejoin
	switch {
	case closing == nil:
		x.lost(why)
		x.backOff()
	case rejoin:
		x.lost(closing)
		x.retry = x.now.Add(rejoinPause)
	default:
		x.lost(closing)
		if !x.retry.After(x.now) {
			x.backOff()
		}
	}
}

// rejoinPause is before a connection that the platform has asked for.
const rejoinPause = time.Second

// lost ends the session until the next connection.
func (x *Exchange) lost(why error) {
	connected := x.link == online
	x.link, x.trouble, x.closing, x.rejoin = down, why, nil, false
	x.queue, x.queued, x.sending, x.cipher = nil, nil, false, nil
	for _, p := range x.plans {
		for i := range p.parts {
			p.parts[i].unsure = p.parts[i].failed
		}
	}
	if connected {
		x.deliver(agent.Disconnected{})
	}
}

// wait sets the next try to a pause, times the failures in a row.
func (x *Exchange) wait(pause time.Duration) {
	x.failures++
	x.retry = x.now.Add(time.Duration(x.failures) * pause)
}

// backOff waits as the SDK does: each failure in a row adds about a second, and after
// six there is a long rest.
func (x *Exchange) backOff() {
	if x.failures >= maxFailures {
		x.failures = 0
		x.retry = x.now.Add(restPause)
		return
	}
	x.wait(time.Duration((0.5 + 2*x.settings.Draw()) * float64(time.Second)))
}

// Taken says that the broker has taken the last message for good.
func (x *Exchange) Taken(now time.Time) {
	x.now = now
	if !x.sending || len(x.queue) == 0 {
		return
	}
	x.sending = false
	x.pop()
}

// pop takes the first message off the queue.
func (x *Exchange) pop() {
	e := x.queue[0]
	x.queue[0] = entry{}
	if x.queue = x.queue[1:]; len(x.queue) == 0 {
		x.queue = nil
	}
	if e.ack != nil {
		x.message(e.ack)
	}
}

// Handled says that the agent has handled everything that was delivered.
func (x *Exchange) Handled(now time.Time) {
	x.now = now
	for _, p := range x.plans {
		if p.delivered {
			x.announce(p, nil)
		}
	}
}
