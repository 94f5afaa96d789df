package broker

import (
	"container/list"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// maxFilters is how many subscriptions a client may have: enough for a gateway
// of some thousand devices.
const maxFilters = 4096

// directory knows every session and who wants which topics. Devices' filters
// are found by a look-up, the few wide ones of platforms one by one.
type directory struct {
	// Immutable.
	spawn   func(write func())
	drop    func(client *mqtt.Client) // lets mochi forget a client that is not connected
	maxAway int                       // 0 means any number

	mu       sync.RWMutex
	sessions map[string]*session
	exact    map[string][]receiver // by filter: a topic, or one that ends in "/+"
	wide     []*audience
	away     *list.List // sessions whose clients are not connected, the longest one first
	dropped  int64      // of sessions that have ended
}

// receiver is a session's wish for the messages of a filter.
type receiver struct {
	session *session
	qos     byte // at most
	noLocal bool // not for what the session's own client published
}

// audience is everybody who wants the messages of one wide filter. Each
// message goes to all of them, or to one after the other if they share.
type audience struct {
	filter  string
	group   string // of a shared subscription
	members []receiver
	turn    atomic.Uint64
}

func newDirectory(spawn func(func()), drop func(*mqtt.Client), maxAway int) *directory {
	return &directory{
		spawn:    spawn,
		drop:     drop,
		maxAway:  maxAway,
		away:     list.New(),
		sessions: make(map[string]*session),
		exact:    make(map[string][]receiver),
	}
}

// open finds or makes the session of a client that connects and has taken over a
// connection; with clean, it forgets what the client had. It is false if another
// connection has opened the session since: that one would stay up, and never be sent
// anything any more.
func (d *directory) open(client, over *mqtt.Client, limit int, clean bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sessions[client.ID]
	if s != nil && s.owner != over && s.away == nil {
		return false
	}
	if s != nil && clean {
		d.remove(s)
		s = nil
	}
	if s == nil {
		s = &session{id: client.ID, limit: limit, spawn: d.spawn}
		d.sessions[client.ID] = s
	}
	d.back(s)
	s.owner, s.left = client, make(chan struct{})
	return true
}

// attach gives the session of a client its connection; false if another connection
// has opened it since.
func (d *directory) attach(client *mqtt.Client, window int) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s := d.sessions[client.ID]
	if s == nil || s.owner != client {
		return false
	}
	s.attach(client, window)
	return true
}

// back notes that a session does not wait for its client any more. The caller
// holds mu.
func (d *directory) back(s *session) {
	if s.away != nil {
		d.away.Remove(s.away)
		s.away = nil
	}
}

// leave notes that a connection has ended, and forgets the session if that was
// its end too. What another connection has opened since is not touched. A second
// call changes nothing.
func (d *directory) leave(client *mqtt.Client, forget bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sessions[client.ID]
	if s == nil || s.owner != client || s.away != nil {
		return
	}
	close(s.left)
	if forget {
		d.remove(s)
		return
	}
	s.away = d.away.PushBack(s)
	for d.maxAway > 0 && d.away.Len() > d.maxAway {
		longest := d.away.Front().Value.(*session)
		// While mu is held it is not opened: a client that returns finds nothing, or all.
		d.drop(longest.owner)
		d.remove(longest)
	}
}

// occupant is the last connection of a client and what is closed at its end;
// nil if the client has no session.
func (d *directory) occupant(id string) (*mqtt.Client, <-chan struct{}) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if s := d.sessions[id]; s != nil {
		return s.owner, s.left
	}
	return nil, nil
}

// find returns a client's session; nil if it has none.
func (d *directory) find(id string) *session {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.sessions[id]
}

// end forgets a client's session, unless another connection has opened it
// since.
func (d *directory) end(client *mqtt.Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.sessions[client.ID]; s != nil && s.owner == client {
		d.remove(s)
	}
}

// remove forgets a session and what it wanted. The caller holds mu.
func (d *directory) remove(s *session) {
	delete(d.sessions, s.id)
	d.back(s)
	for _, filter := range s.filters {
		d.forget(filter, s)
	}
	s.mu.Lock()
	d.dropped += s.dropped
	s.mu.Unlock()
}

// subscribe notes that s wants the messages of a filter, unless it wants too
// many already.
func (d *directory) subscribe(s *session, want packets.Subscription) bool {
	r := receiver{session: s, qos: want.Qos, noLocal: want.NoLocal}
	group, filter := cutShare(want.Filter)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(s.filters, want.Filter) {
		if len(s.filters) == maxFilters {
			return false
		}
		s.filters = append(s.filters, want.Filter)
	}
	if group == "" && narrow(filter) {
		d.exact[filter] = join(d.exact[filter], r)
		return true
	}
	a := d.audience(group, filter)
	if a == nil {
		a = &audience{filter: filter, group: group}
		d.wide = append(d.wide, a)
	}
	a.members = join(a.members, r)
	return true
}

// unsubscribe takes a wish back.
func (d *directory) unsubscribe(s *session, filter string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.filters = slices.DeleteFunc(s.filters, func(f string) bool { return f == filter })
	d.forget(filter, s)
}

// deliver puts m into the queue of everybody who wants it. It never waits for
// a client.
func (d *directory) deliver(m message, origin string) {
	for _, r := range d.receivers(m.topic, origin) {
		copied := m
		copied.qos = min(m.qos, r.qos, 1)
		r.session.enqueue(copied)
	}
}

func (d *directory) receivers(topic, origin string) []receiver {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := slices.Clone(d.exact[topic])
	if i := strings.LastIndexByte(topic, '/'); i >= 0 {
		all = append(all, d.exact[topic[:i]+"/+"]...)
	}
	for _, a := range d.wide {
		switch {
		case !matches(a.filter, topic):
		case a.group == "":
			all = append(all, a.members...)
		default:
			all = append(all, a.next())
		}
	}
	return slices.DeleteFunc(all, func(r receiver) bool { return r.noLocal && r.session.id == origin })
}

// owes reports whether a message to a topic below a prefix, which ends in "/",
// waits in the session of the device whose prefix it is.
func (d *directory) owes(prefix string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.ContainsFunc(d.exact[prefix+"+"], func(r receiver) bool { return r.session.owes(prefix) })
}

// next is the member of a sharing audience whose turn it is; members that are
// not connected are passed over as long as there are others.
func (a *audience) next() receiver {
	start := a.turn.Add(1)
	for i := range uint64(len(a.members)) {
		if r := a.members[(start+i)%uint64(len(a.members))]; r.session.connection() != nil {
			return r
		}
	}
	return a.members[start%uint64(len(a.members))]
}

// kick cuts the connection of a client.
func (d *directory) kick(id string) bool {
	client, _ := d.occupant(id)
	if client == nil || client.Closed() {
		return false
	}
	cut(client.Net.Conn)
	return true
}

// count gives the number of sessions and of the messages they dropped.
func (d *directory) count() (sessions int, dropped int64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	dropped = d.dropped
	for _, s := range d.sessions {
		s.mu.Lock()
		dropped += s.dropped
		s.mu.Unlock()
	}
	return len(d.sessions), dropped
}

// audience finds the audience of a filter; nil if there is none. The caller
// holds mu.
func (d *directory) audience(group, filter string) *audience {
	for _, a := range d.wide {
		if a.group == group && a.filter == filter {
			return a
		}
	}
	return nil
}

// forget takes s out of whatever a filter leads to. The caller holds mu.
func (d *directory) forget(filter string, s *session) {
	if rest := without(d.exact[filter], s); len(rest) > 0 {
		d.exact[filter] = rest
	} else {
		delete(d.exact, filter)
	}
	a := d.audience(cutShare(filter))
	if a == nil {
		return
	}
	if a.members = without(a.members, s); len(a.members) == 0 {
		d.wide = slices.DeleteFunc(d.wide, func(other *audience) bool { return other == a })
	}
}

// narrow reports whether a filter can be looked up: it has no wildcard but a
// "+" in the last level.
func narrow(filter string) bool { return !strings.ContainsAny(strings.TrimSuffix(filter, "/+"), "+#") }

// join adds r, in place of what its session wanted before.
func join(all []receiver, r receiver) []receiver { return append(without(all, r.session), r) }

// without makes a list without s; the old one may still be in use.
func without(all []receiver, s *session) []receiver {
	rest := make([]receiver, 0, len(all)+1)
	for _, r := range all {
		if r.session != s {
			rest = append(rest, r)
		}
	}
	return rest
}
