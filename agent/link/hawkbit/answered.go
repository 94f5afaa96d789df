package hawkbit

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
)

// The pauses after an answer that brought nothing: doubled with each, and never
// longer than the pause between polls.
const (
	firstRetry = time.Second
	maxMissed  = 5 // times that feedback on an action may be "not found" while the root shows it
)

// Answered takes the answer to the request that Next gave.
func (x *Exchange) Answered(now time.Time, p Response) {
	x.now = now
	r := x.request
	x.request = nil
	if x.refusedElsewhere(r, p) {
		return
	}
	if err := x.failed(r, p); err != nil {
		x.again(p.RetryAfter)
		if errors.Is(err, errLater) {
			x.trouble = err // it is there, and asks for patience
			return
		}
		x.offline(err)
		return
	}
	if r.kind == polling {
		x.polled(p)
		return
	}
	x.failures = 0
	if errors.Is(x.trouble, errLater) {
		x.trouble = nil
	}
	switch r.kind {
	case tellingAttributes:
		x.attributesSent(r.data, p)
	case readingAction:
		x.actionRead(r.action, p)
	case readingManifest:
		x.manifestRead(r.action, r.chunk, p)
	case posting:
		x.posted(r.action, r.post, p)
	case readingCancel:
		x.cancelRead(r.action, p)
	case answeringCancel:
		x.cancelAnswered(r.action, r.post, p)
	}
}

// Abandon gives up the request that Next gave, of which it is not known whether it has
// arrived: it is made again.
func (x *Exchange) Abandon() { x.request = nil }

// refusedElsewhere takes the answer of another server than hawkBit's that does not give
// a signed manifest away. That says nothing of the session: the action is looked at
// again after a pause, since its references may be others then, and given up only if
// the server goes on refusing.
func (x *Exchange) refusedElsewhere(r *Request, p Response) bool {
	if r.kind != readingManifest || p.Err == nil && p.Status == http.StatusOK {
		return false
	}
	u, err := url.Parse(r.URL)
	if err == nil && sameOrigin(u, x.base) && !p.Elsewhere {
		return false
	}
	why := p.Err
	if why == nil {
		why = fmt.Errorf("the server that keeps it answers %d %s", p.Status, http.StatusText(p.Status))
	}
	a := r.action
	why = fmt.Errorf("the signed manifest of module %q cannot be read: %w", a.wanted[r.chunk].Name, why)
	refused := p.Err == nil && p.Status >= 400 && p.Status < 500 && p.Status != http.StatusRequestTimeout &&
		p.Status != http.StatusTooManyRequests
	if refused && a.missed >= maxMissed {
		x.bad(a, why)
		return true
	}
	a.trouble, a.read = why, unread
	x.missed(a)
	x.poll = x.poll.Add(min(p.RetryAfter, maxSleep))
	return true
}

// errLater marks the answer of a server that is there and wants to be asked later.
var errLater = errors.New("hawkBit wants to be asked later")

// failed says why an answer is none; nil if it is one, be it a refusal of this very
// request.
func (x *Exchange) failed(r *Request, p Response) error {
	switch {
	case p.Err != nil:
		return p.Err
	case p.Status == http.StatusConflict, p.Status == http.StatusLocked, p.Status == http.StatusTooManyRequests:
		return fmt.Errorf("%w (%d)", errLater, p.Status)
	case p.Status == http.StatusUnauthorized, p.Status == http.StatusForbidden, p.Status == http.StatusRequestTimeout,
		p.Status >= 500, p.Status >= 300 && p.Status < 400, p.Status < 200:
		return x.unexpected(p.Status)
	case r.kind == polling && p.Status != http.StatusOK:
		return x.unexpected(p.Status)
	}
	return nil
}

// again waits before the next request: as long as the server asks, or a pause that
// grows.
func (x *Exchange) again(asked time.Duration) {
	x.retry = x.now.Add(max(x.pause(x.failures), min(asked, maxSleep)))
	x.failures++
}

// pause is a random one before another try, after so many that brought nothing.
func (x *Exchange) pause(failures int) time.Duration {
	ceiling := min(firstRetry<<min(failures, 16), max(x.sleep, firstRetry))
	return ceiling/2 + time.Duration(x.settings.Draw()*float64(ceiling/2))
}

// polled takes the root.
func (x *Exchange) polled(p Response) {
	var doc root
	if err := decode(p.Body, &doc); err != nil {
		x.again(0)
		x.offline(fmt.Errorf("the answer at %s %w: is hawkBit there?", x.base.Redacted(), err))
		return
	}
	if d, ok := parseSleep(doc.Config.Polling.Sleep); ok {
		x.sleep = d
	}
	x.trouble, x.failures, x.polledAt = nil, 0, x.now
	if !x.online {
		x.online = true
		x.deliver(agent.Connected{})
	}
	x.ask = doc.Links.Attributes != nil
	x.show(&doc)
	x.schedule()
	x.answerWish()
}

// schedule sets the time of the next poll. The polls of a fleet spread over a tenth
// of the pause.
func (x *Exchange) schedule() {
	wait := x.sleep
	if a := x.find(x.shown); a != nil && a.answer == accepted && !a.closed && !a.switching() {
		wait = min(wait, lookEvery)
	}
	x.poll = x.now.Add(wait - time.Duration(x.settings.Draw()*float64(wait/10)))
}

// nothing answers the agent's wish for a plan.
func (x *Exchange) nothing(why ota.NoPlanReason) {
	if x.wanted {
		x.wanted = false
		x.message(&ota.NoPlan{Time: x.now, Reason: why})
	}
}

// show takes the action that the root shows.
func (x *Exchange) show(doc *root) {
	x.shown = ""
	for _, a := range x.actions {
		a.blocked = false
	}
	for _, l := range []struct {
		kind string
		link *reference
	}{{"cancelAction", doc.Links.Cancel}, {"confirmationBase", doc.Links.Confirmation},
		{"deploymentBase", doc.Links.Deployment}} {
		if l.link == nil {
			continue
		}
		id, address, err := x.actionOf(l.link, l.kind)
		if err != nil {
			x.trouble = err
			return
		}
		x.shown = id
		x.showAction(id, address, l.kind)
		return
	}
}

func (x *Exchange) showAction(id, address, kind string) {
	a := x.find(id)
	switch {
	case a == nil:
		a = x.add(id, 1)
	case a.closed && x.now.Sub(a.ended) < x.sleep:
		return // as the server saw it before, or it does not take an end
	case a.closed:
		*a = action{id: id, attempt: a.attempt + 1}
	}
	if kind == "cancelAction" {
		if a.cancelled == notCancelled {
			a.cancelled = cancelShown
		}
		a.address = address
		return
	}
	if waits := kind == "confirmationBase"; waits != a.waits || a.address != address || a.read == outOfTime {
		a.waits, a.read = waits, unread
	}
	a.address, a.cancelled = address, notCancelled
}

// attributesSent notes what the server knows. One that takes none, as goosebit, is
// not asked again before it asks.
func (x *Exchange) attributesSent(data map[string]string, p Response) {
	x.ask, x.heard = false, data
	if p.Status != http.StatusOK {
		x.trouble = fmt.Errorf("hawkBit does not take the device's attributes (%d)", p.Status)
	}
}

// actionRead takes the document of an action.
func (x *Exchange) actionRead(a *action, p Response) {
	if p.Status != http.StatusOK { // it has been cancelled, closed or confirmed meanwhile
		x.missed(a)
		return
	}
	var doc deployment
	if err := decode(p.Body, &doc); err != nil {
		x.bad(a, fmt.Errorf("the document of action %s %w", a.id, err))
		return
	}
	o := doc.Deployment
	if a.waits {
		o = doc.Confirmation
	}
	switch {
	case o == nil:
		x.bad(a, fmt.Errorf("the document of action %s asks for nothing", a.id))
		return
	case o.Window == "unavailable" && a.answer != accepted:
		a.read = outOfTime
		x.nothing(ota.NoPlanOutsideHours)
		return
	case o.Update == "skip" && o.Window == "":
		x.bad(a, errors.New("it is to be downloaded only, and this device downloads what it installs: assign it as soft "+
			"or forced"))
		return
	}
	a.found, a.packages = nil, nil
	if x.settings.Vouched {
		x.vouched(a, o.Chunks)
		return
	}
	if a.wanted, p.Err = wanted(o.Chunks); p.Err != nil {
		x.bad(a, p.Err)
		return
	}
	a.read = manifests
}

// missed looks at the root before anything else is asked of an action that is not
// found, after a pause that grows if the root goes on showing it.
func (x *Exchange) missed(a *action) {
	x.poll = x.now.Add(x.pause(a.missed))
	a.missed++
	a.blocked = true
}

// bad refuses an action that makes no plan.
func (x *Exchange) bad(a *action, why error) {
	a.read, a.trouble = complete, why
	a.plan, a.packages = nil, nil
	x.refuse(a, &ota.Decision{Plan: a.id, Reason: ota.ReasonInvalidPlan, Detail: why.Error()})
	x.nothing(ota.NoPlanNone)
}

// manifestRead takes the signed manifest of a module; with the last one the plan is
// complete.
func (x *Exchange) manifestRead(a *action, i int, p Response) {
	if p.Status != http.StatusOK {
		x.bad(a, fmt.Errorf("the signed manifest of module %q cannot be read (%d)", a.wanted[i].Name, p.Status))
		return
	}
	pkg, component, err := packageOf(x.now, a, &a.wanted[i].chunk, p.Body)
	if err != nil {
		x.bad(a, err)
		return
	}
	a.packages, a.found = append(a.packages, pkg), append(a.found, component)
	if len(a.found) == len(a.wanted) {
		x.planned(a)
	}
}

// vouched takes the modules of an action by the server's word.
func (x *Exchange) vouched(a *action, chunks []chunk) {
	err := countModules(chunks)
	for _, c := range ordered(chunks) {
		if err != nil {
			break
		}
		var pkg *ota.Package
		var component ota.PlanComponent
		if pkg, component, err = x.claimed(a, &c); err == nil {
			a.packages, a.found = append(a.packages, pkg), append(a.found, component)
		}
	}
	if err != nil {
		x.bad(a, err)
		return
	}
	x.planned(a)
}

// planned completes an action whose packages are known.
func (x *Exchange) planned(a *action) {
	plan, err := newPlan(x.now, a, a.found, x.settings.OnFailure)
	for k := 0; err == nil && k < len(a.packages) && !x.settings.Vouched; k++ {
		_, _, err = wire.EncodeDown(a.packages[k])
	}
	if err != nil {
		x.bad(a, err)
		return
	}
	a.plan, a.read, a.missed, a.trouble = plan, complete, 0, nil
	x.offer(a)
}

// posted takes the answer to feedback.
func (x *Exchange) posted(a *action, sent post, p Response) {
	switch {
	case p.Status == http.StatusGone:
		x.drop(a)
	case p.Status == http.StatusNotFound || p.Status == http.StatusMethodNotAllowed:
		// It waits to be confirmed, or is being cancelled, or is not there any more.
		if a.missed > 0 && a.id != x.shown || a.missed >= maxMissed {
			x.drop(a)
			return
		}
		x.missed(a)
	case p.Status >= 400:
		a.trouble = fmt.Errorf("hawkBit does not take feedback on action %s (%d)", a.id, p.Status)
		x.taken(a, sent) // it would not take it the next time either
	default:
		x.taken(a, sent)
	}
}

// taken goes on after feedback that the server has.
func (x *Exchange) taken(a *action, sent post) {
	a.missed = 0
	switch {
	case sent.closes:
		x.close(a)
		return
	case sent.confirm && sent.execution == "confirmed":
		x.poll = x.now // the deployment is there now
	}
	if len(a.posts) > 0 && a.posts[0] == sent { // else a later step has taken its place
		a.posts = a.posts[1:]
	}
}

// cancelRead takes a cancellation, and ends the plan for the agent.
func (x *Exchange) cancelRead(a *action, p Response) {
	var doc cancellation
	if p.Status != http.StatusOK || decode(p.Body, &doc) != nil {
		x.missed(a)
		return
	}
	a.cancelled = cancelPosted
	x.marker = a.id
	x.message(&ota.Termination{Time: x.now, Plan: a.id, Reason: ota.Terminated})
}

// cancelAnswered goes on after the answer to a cancellation. What was sent decides: the
// component that was being switched then may have come to its end since.
func (x *Exchange) cancelAnswered(a *action, sent post, p Response) {
	a.cancelled = notCancelled
	if sent.closes || p.Status == http.StatusGone || p.Status == http.StatusNotFound {
		x.close(a)
	}
	x.poll = x.now
}
