package hawkbit

import (
	"maps"
	"net/http"
	"time"
)

// lookEvery is how often the root is looked at while an action can still be
// cancelled: the server's own pause may be hours.
const lookEvery = 30 * time.Second

// Next gives the request that is due, or the time at which to ask again: the answer
// to a request, a message of the agent or Handled may bring one earlier.
func (x *Exchange) Next(now time.Time) (*Request, time.Time) {
	x.now = now
	if x.request != nil {
		return nil, time.Time{}
	}
	if now.Before(x.retry) {
		return nil, x.retry
	}
	r := x.due()
	if r == nil {
		return nil, x.poll
	}
	x.request = r
	return r, time.Time{}
}

// Rest gives, as Next does, the feedback that waits to be sent, and nothing else: the
// session is about to end. It is nil when there is none, or it cannot be sent now.
func (x *Exchange) Rest(now time.Time) *Request {
	x.now = now
	if x.request != nil || !x.online || now.Before(x.retry) {
		return nil
	}
	for _, a := range x.actions {
		if a.blocked {
			continue
		}
		if x.request = x.postDue(a); x.request != nil {
			return x.request
		}
	}
	return nil
}

// due is what to ask for first.
func (x *Exchange) due() *Request {
	if !x.online || !x.now.Before(x.poll) {
		return &Request{Method: http.MethodGet, URL: x.base.String(), Limit: maxRoot, kind: polling}
	}
	if r := x.attributesDue(); r != nil {
		return r
	}
	for _, a := range x.actions {
		if a.blocked {
			continue
		}
		if r := x.cancelDue(a); r != nil {
			return r
		}
		if r := x.readingDue(a); r != nil {
			return r
		}
		if r := x.postDue(a); r != nil {
			return r
		}
	}
	return nil
}

// attributesDue tells the server what the device runs, if it asks, or if that has
// changed since it asked. A server without signed manifests need not be hawkBit, and
// goosebit asks at first contact alone: it hears of that at each start.
func (x *Exchange) attributesDue() *Request {
	if x.inventory == nil || !x.ask && x.heard == nil && !x.settings.Vouched {
		return nil
	}
	data := x.attributes()
	if !x.ask && maps.Equal(data, x.heard) {
		return nil
	}
	return &Request{Method: http.MethodPut, URL: x.base.JoinPath("configData").String(), Limit: maxRoot,
		Body: encode(attributes{"merge", data}), kind: tellingAttributes, data: data}
}

// cancelDue reads what is to be cancelled, and answers when the agent has handled it.
func (x *Exchange) cancelDue(a *action) *Request {
	switch a.cancelled {
	case cancelShown:
		return &Request{Method: http.MethodGet, URL: a.address, Limit: maxRoot, kind: readingCancel, action: a}
	case cancelKnown:
		p := post{execution: "closed", finished: "success", text: "cancelled; nothing was switched", closes: true}
		if a.switching() {
			p = post{execution: "rejected", finished: "none",
				text: "a component is being switched already, which nothing stops"}
		}
		return &Request{Method: http.MethodPost, URL: a.address + "/feedback", Limit: maxRoot,
			Body: a.feedback(p.execution, p.finished, p.text), kind: answeringCancel, action: a, post: p}
	}
	return nil
}

// readingDue reads the document of the action that the root shows, and the signed
// manifests of its modules.
func (x *Exchange) readingDue(a *action) *Request {
	if a.id != x.shown || a.closed || a.cancelled != notCancelled || x.settings.Vouched && x.inventory == nil {
		return nil // or the components are not known yet for which its modules are
	}
	switch a.read {
	case unread:
		return &Request{Method: http.MethodGet, URL: a.address, Limit: maxDeployment, kind: readingAction, action: a}
	case manifests:
		i := len(a.found)
		return &Request{Method: http.MethodGet, URL: a.wanted[i].manifest, Limit: maxManifest, kind: readingManifest,
			action: a, chunk: i}
	}
	return nil
}

// postDue is the feedback that is to be sent next. While an action is being cancelled
// none of it is taken.
func (x *Exchange) postDue(a *action) *Request {
	if a.closed || a.cancelled != notCancelled {
		return nil
	}
	if len(a.posts) == 0 || !a.posts[0].confirm {
		if over, succeeded := a.over(x.settings.OnFailure); over {
			return x.post(a, closing(succeeded))
		}
	}
	if len(a.posts) == 0 {
		return nil
	}
	return x.post(a, a.posts[0])
}

// closing is the last feedback on an action.
func closing(succeeded bool) post {
	p := post{execution: "closed", finished: "failure", closes: true}
	if succeeded {
		p.finished = "success"
	}
	return p
}

func (x *Exchange) post(a *action, p post) *Request {
	r := &Request{Method: http.MethodPost, Limit: maxRoot, kind: posting, action: a, post: p}
	if p.confirm {
		r.URL = x.base.JoinPath("confirmationBase", a.id, "feedback").String()
		r.Body = encode(confirmation{p.execution, details([]string{p.text})})
		return r
	}
	texts := []string{p.text}
	if p.closes {
		texts = append(texts, a.summary()...)
	}
	r.URL = x.base.JoinPath("deploymentBase", a.id, "feedback").String()
	r.Body = a.feedback(p.execution, p.finished, texts...)
	return r
}
