package hawkbit

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"otafleet/agent"
	"otafleet/agent/link"
	"otafleet/internal/ota"
)

// Settings say how an Exchange behaves.
type Settings struct {
	Identity ota.Identity
	// URL is the server's, up to what stands before its API: https://host[:port][/path].
	URL *url.URL
	// Tenant is the name of the tenant; empty for DEFAULT.
	Tenant string
	// OnFailure says what a failed component means for the others: hawkBit does not.
	OnFailure ota.OnFailure
	// Vouched makes the packages from what the server says of the files (ota.Claim), in
	// the place of signed manifests beside them.
	Vouched bool
	// Modules names components by the names, or types, of software modules, for Vouched;
	// a component of the same name needs no entry.
	Modules map[string]string
	// Attributes are sent beside the components' versions, such as the hardware.
	Attributes map[string]string
	// Draw draws from [0, 1), so that the polls of a fleet spread.
	Draw func() float64
}

// Exchange is what a device and hawkBit say to each other. It is not safe for
// concurrent use, and none of its methods blocks.
//
// Next gives one request at a time; its answer goes to Answered. Messages of the agent
// go to Send. After each of them, Deliveries has what the agent has to receive.
type Exchange struct {
	settings Settings
	base     *url.URL // of the device's root
	now      time.Time

	online   bool
	trouble  error         // why the device is not online; nil for nothing
	sleep    time.Duration // between polls, as the server says
	polledAt time.Time     // the last answer to one
	poll     time.Time     // the next one
	retry    time.Time     // nothing is asked before
	failures int           // answers in a row that brought nothing

	inventory *ota.Inventory    // the last one
	wanted    bool              // the agent has asked for a plan, and waits for an answer
	heard     map[string]string // the attributes that the server has; nil for none
	ask       bool              // the server asks for them

	actions []*action // those that are not done with, oldest first
	shown   string    // the action in the root; empty for none
	request *Request  // under way
	inbox   []agent.Input
	marker  string // the action whose cancellation the agent is handling; empty for none
}

// defaultSleep is the pause between polls until the server has named one.
const defaultSleep = 5 * time.Minute

// NewExchange returns an Exchange that has said nothing yet.
func NewExchange(s Settings) *Exchange {
	if s.Tenant == "" {
		s.Tenant = "DEFAULT"
	}
	return &Exchange{settings: s, sleep: defaultSleep, base: s.URL.JoinPath(s.Tenant, "controller", "v1",
		s.Identity.Device)}
}

// Request is what to ask the server for.
type Request struct {
	Method string
	URL    string
	Body   []byte // JSON; nil for none
	Limit  int64  // bytes of the answer that are of use: a longer one is an error

	kind   kind
	action *action
	post   post
	chunk  int
	data   map[string]string // the attributes in it
}

// kind is what a request is about.
type kind uint8

const (
	polling kind = iota
	tellingAttributes
	readingAction
	readingManifest
	posting
	readingCancel
	answeringCancel
)

// Response is the answer to a Request, or why there is none.
type Response struct {
	Status     int
	Body       []byte
	RetryAfter time.Duration // as the server asks; 0 if it does not
	Err        error         // set if no whole answer came
	// Elsewhere says that a redirect led to another server, whose answer this is, or
	// which gave none.
	Elsewhere bool
}

// Deliveries takes out what the agent has to receive, in this order. If handled is
// true, Handled must be called when the agent has handled all of it.
func (x *Exchange) Deliveries() (inputs []agent.Input, handled bool) {
	inputs, x.inbox = x.inbox, nil
	return inputs, x.marker != "" && len(inputs) > 0
}

// Trouble says why the device is not online, or does not take the action that it is
// shown; nil for nothing.
func (x *Exchange) Trouble() error {
	if a := x.find(x.shown); a != nil && x.trouble == nil {
		return a.trouble
	}
	return x.trouble
}

func (x *Exchange) deliver(in agent.Input) { x.inbox = append(x.inbox, in) }

// message delivers a message of the platform.
func (x *Exchange) message(m ota.Down) { x.deliver(agent.Received{Message: m}) }

// Send takes a message of the agent. When as many actions wait to be told of as
// messages may wait anywhere (link.MaxQueue), the session ends: the agent tells anew
// after the next one has begun.
func (x *Exchange) Send(now time.Time, m ota.Up) {
	x.now = now
	if !x.online {
		return // it is sent again after the next Connected
	}
	if len(x.actions) >= link.MaxQueue {
		x.actions, x.shown, x.marker = nil, "", ""
		x.offline(errors.New("hawkBit takes nothing of what this device says"))
		return
	}
	switch m := m.(type) {
	case *ota.Inventory:
		x.inventory = m
		if m.Request {
			x.look()
		}
	case *ota.Decision:
		x.decided(m)
	case *ota.Report:
		x.reported(m)
	case *ota.AddressRequest:
		if a := x.find(m.Plan); a != nil && a.read == complete {
			a.read = unread // hawkBit's addresses may have changed: they are read anew
		}
	}
}

// recent is how old an answer may be that serves a wish which comes after it.
const recent = time.Second

// look answers the agent's wish for a plan: by a poll, or by what the last one, which
// has just come, has shown.
func (x *Exchange) look() {
	x.wanted = true
	if x.now.Sub(x.polledAt) < recent {
		x.answerWish()
	} else {
		x.poll = x.now
	}
}

// answerWish answers the agent's wish for a plan, if it can be answered already.
func (x *Exchange) answerWish() {
	switch a := x.find(x.shown); {
	case a == nil || a.closed || a.read == complete && a.plan == nil:
		x.nothing(ota.NoPlanNone)
	case a.read == outOfTime:
		x.nothing(ota.NoPlanOutsideHours)
	case a.read == complete && (x.wanted || a.answer != accepted):
		x.offer(a)
	}
}

// decided takes the agent's answer to a plan.
func (x *Exchange) decided(d *ota.Decision) {
	a := x.find(d.Plan)
	if a == nil || a.closed {
		return
	}
	if !d.Accept {
		x.refuse(a, d)
		return
	}
	if len(a.parts) == 0 {
		// The agent has done with this plan, and hawkBit has not: a server that was
		// restored, or a device that was. It is asked once more, as for a retry.
		if a.again { // it has ended the plan for good, and would be asked for ever
			x.refuse(a, &ota.Decision{Plan: a.id, Reason: ota.ReasonDeclined,
				Detail: "the device has ended the plan, and does not take it up again"})
			return
		}
		a.attempt, a.answer, a.read, a.again = d.Attempt+1, unasked, unread, true
		return
	}
	if a.answer != accepted {
		a.accept()
	}
	x.handOut(a)
}

// refuse tells hawkBit that the device does not want an action: for ever, or now. An
// action that waits for its confirmation can only be denied.
func (x *Exchange) refuse(a *action, d *ota.Decision) {
	text := "refused: " + string(d.Reason)
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	a.answer = refused
	if a.refused == string(d.Reason) {
		return // it is known: hawkBit counts what it hears
	}
	a.refused = string(d.Reason)
	switch final := finalRefusal(d.Reason); {
	case a.waits:
		a.posts = append(a.posts, post{confirm: true, execution: "denied", text: text})
	case final:
		a.say(post{execution: "closed", finished: "failure", text: text, closes: true})
	default:
		a.say(post{execution: "rejected", finished: "none", text: text})
	}
}

// finalRefusal reports whether nothing that the device waits for changes a refusal.
func finalRefusal(r ota.Reason) bool {
	switch r {
	case ota.ReasonDeclined, ota.ReasonExpired, ota.ReasonIncompatible, ota.ReasonInvalidPlan:
		return true
	}
	return false
}

// reported takes a report. One that was sent before says nothing new.
func (x *Exchange) reported(r *ota.Report) {
	a := x.find(r.Plan)
	switch {
	case a == nil:
		a = x.add(r.Plan, r.Attempt)
		a.answer = accepted // else it would not have been reported on
	case a.closed:
		x.message(&ota.Ack{Plan: r.Plan, Seq: r.Seq})
		return
	case r.Seq <= a.seq:
		return
	}
	a.note(r)
}

// find finds an action by its id; nil if it is not known.
func (x *Exchange) find(id string) *action {
	for _, a := range x.actions {
		if a.id == id {
			return a
		}
	}
	return nil
}

func (x *Exchange) add(id string, attempt int) *action {
	x.actions = slices.DeleteFunc(x.actions, func(a *action) bool {
		return a.id != x.shown && (a.closed || len(a.parts) == 0)
	})
	a := &action{id: id, attempt: attempt}
	x.actions = append(x.actions, a)
	return a
}

// Handled says that the agent has handled everything that was delivered.
func (x *Exchange) Handled(now time.Time) {
	x.now = now
	if a := x.find(x.marker); a != nil && a.cancelled == cancelPosted {
		a.cancelled = cancelKnown
	}
	x.marker = ""
}

// offer delivers a plan that is complete, if the agent has not answered it.
func (x *Exchange) offer(a *action) {
	switch {
	case a.answer == accepted:
		x.handOut(a)
	case a.answer != asked || x.wanted && x.now.Sub(a.offered) >= recent:
		a.answer, a.offered = asked, x.now
		x.message(a.plan)
	}
	x.wanted = false
}

// handOut delivers the packages of an accepted plan. While an action waits for its
// confirmation hawkBit gives no file away.
func (x *Exchange) handOut(a *action) {
	if a.read != complete || a.waits || a.answer != accepted {
		return
	}
	for _, p := range a.packages {
		x.message(p)
	}
}

// drop forgets an action of which hawkBit hears nothing more.
func (x *Exchange) drop(a *action) {
	x.close(a)
	x.message(&ota.Termination{Time: x.now, Plan: a.id, Reason: ota.Terminated})
}

// close ends an action whose outcome hawkBit has taken.
func (x *Exchange) close(a *action) {
	a.closed, a.ended, a.posts, a.cancelled = true, x.now, nil, notCancelled
	if a.seq > 0 {
		x.message(&ota.Ack{Plan: a.id, Seq: a.seq})
	}
	x.poll = x.now
}

// offline ends the session until an answer comes again.
func (x *Exchange) offline(why error) {
	x.trouble = why
	if !x.online {
		return
	}
	x.online = false
	x.deliver(agent.Disconnected{})
	for _, a := range x.actions {
		if a.cancelled == cancelPosted {
			a.cancelled = notCancelled // the agent has not handled it: it is sent again
		}
	}
}

// attributes are what the server is to know of the device now.
func (x *Exchange) attributes() map[string]string {
	data := maps.Clone(x.settings.Attributes)
	if data == nil {
		data = map[string]string{}
	}
	data["agent"], data["product"] = x.inventory.Agent, x.settings.Identity.Product
	for _, c := range x.inventory.Components {
		data["version."+c.ID] = c.Version
	}
	if x.settings.Vouched && len(x.inventory.Components) > 0 {
		// By these, of swupdate, goosebit knows which software fits.
		data["hw_boardname"], data["sw_version"] = x.settings.Identity.Product, x.inventory.Components[0].Version
		if hardware := data["hardware"]; hardware != "" {
			data["hw_revision"] = hardware
		}
	}
	return data
}

// unexpected says what an answer means that no request of a device's has.
func (x *Exchange) unexpected(status int) error {
	switch status {
	case http.StatusUnauthorized:
		return errors.New("hawkBit does not accept the device's token (401): is the device there, is the token its own, " +
			"and does the tenant allow that kind of token?")
	case http.StatusForbidden:
		return errors.New("hawkBit does not let the device in (403): is the token of this tenant, and of this device?")
	case http.StatusNotFound:
		return fmt.Errorf("there is no device at %s (404): are the address and the tenant right?", x.base.Redacted())
	}
	return fmt.Errorf("the answer at %s is %d %s, not one of hawkBit", x.base.Redacted(), status, http.StatusText(status))
}
