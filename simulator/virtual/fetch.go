package virtual

import (
	"fmt"
	"net/http"
	"time"

	"otafleet/agent"
	"otafleet/agent/download/policy"
	"otafleet/internal/ota"
	"otafleet/reporter"
	"otafleet/simulator/fault"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/verdict"
)

// fetch is one download: requests to the modelled store, one after another, and
// the chunks that they bring. How it goes on after each of them is decided by the
// rules of the agent's own downloads.
type fetch struct {
	device *device
	boot   *boot
	job    agent.Fetch
	flash  *flash

	began   time.Duration
	course  *policy.Course
	file    int // the one under way; -1 before the first
	started bool
	gone    *ota.Failure // why the address is not asked any more; nil while it is
	tag     tag          // entity tag of the last answer that was of the object
	brought bool         // a new chunk has come
	gained  int64        // bytes put in place by this fetch

	answer *answer // under way; nil between requests

	next    step   // that it takes
	planned uint64 // number of the event in which it takes that; 0 if it waits for none
}

// step is what a download does after a time.
type step uint8

const (
	asks    step = iota // sends a request
	begins              // judges the head of the answer
	tells               // says how far it is
	reaches             // takes what happens at the byte up to which the answer goes on
	givesUp             // takes the answer for stalled
)

// startFetch keeps the package's address for the next start, then begins to fill
// the inactive place.
func (d *device) startFetch(l *boot, out agent.Fetch) {
	i := d.Memory.Component(out.Job.Component)
	if i < 0 {
		d.finish(l, agent.Fetched{Op: out.Op, Setbacks: out.Setbacks,
			Failure: &ota.Failure{Code: ota.InstallerFailed, Detail: "component " + out.Job.Component + " has no installer"}})
		return
	}
	d.Memory.KeepPackage(out.Package)
	out.Job.Files = d.world.run.inChunks(out.Job.Files)
	f := &fetch{device: d, boot: l, job: out, flash: &d.flashes[i],
		began: d.world.now, course: policy.New(policy.Rules{}, out.Setbacks), file: -1}
	l.fetch, l.effect = f, effect{}
	failure := d.operate(out.Job.Component, fault.Open, func(place *flash) error {
		place.open(&out.Job)
		return nil
	})
	if failure != nil {
		f.end(agent.Fetched{Failure: failure})
		return
	}
	f.goOn()
}

// interrupt breaks off the answer under way: the link was cut.
func (d *device) interrupt() {
	if l := d.current; l != nil && l.fetch != nil && l.fetch.answer != nil {
		a := l.fetch.answer
		a.catchUp(d.world.now)
		l.fetch.over(a, away("the link is down"))
	}
}

// abandon drops the download under way, if there is one: the power is cut, or the
// machine wants another one. Chunks that have come are in place.
func (l *boot) abandon() {
	f := l.fetch
	if f == nil {
		return
	}
	if a := f.answer; a != nil {
		a.catchUp(f.device.world.now)
		f.answer = nil
		a.leave()
		f.put(a)
	}
	f.tell()
	l.fetch = nil
}

// end hands the result to the machine.
func (f *fetch) end(result agent.Fetched) {
	f.tell()
	f.boot.fetch = nil
	result.Op, result.Gained, result.Setbacks = f.job.Op, f.brought, f.course.Setbacks()
	f.device.finish(f.boot, result)
}

// tell records the bytes that this fetch has put in place.
func (f *fetch) tell() {
	if f.gained > 0 {
		f.device.record(verdict.Event{Kind: verdict.Downloaded, N: f.gained})
		f.gained = 0
	}
}

// plan lets the download take a step after a time, and not the one that was planned.
func (f *fetch) plan(delay time.Duration, next step) {
	w := f.device.world
	f.next, f.planned = next, w.queue.put(w.now+delay, f)
}

// happen takes the step, if the download is still under way and no other one was planned
// meanwhile.
func (f *fetch) happen(number uint64) {
	if !f.current() || number != f.planned {
		return
	}
	switch a := f.answer; f.next {
	case asks:
		f.ask(f.file)
	case begins:
		f.begin(a)
	case tells:
		f.progress(a)
	case reaches:
		f.reach(a)
	case givesUp:
		f.over(a, stalled())
	}
}

// goOn asks for what is missing, or ends.
func (f *fetch) goOn() {
	file := f.missing()
	if file < 0 {
		f.end(agent.Fetched{})
		return
	}
	if file != f.file {
		if f.file >= 0 {
			f.course.Whole()
		}
		f.course.File(1) // the store has one address for each
		f.file, f.gone, f.tag = file, nil, noTag
	}
	i, pause := f.course.Next(f.took(), func(limit time.Duration) time.Duration {
		return time.Duration(f.device.random.next() * float64(limit))
	})
	if i < 0 {
		f.follow(f.course.NoneLeft(f.gone))
		return
	}
	f.plan(pause, asks)
}

// took is how long the download has taken.
func (f *fetch) took() time.Duration { return f.device.world.now - f.began }

// missing is the first file that is not whole; -1 if all are.
func (f *fetch) missing() int {
	for i := range f.flash.have {
		if f.flash.have[i].Left() > 0 {
			return i
		}
	}
	return -1
}

// follow goes on as the rules say.
func (f *fetch) follow(v policy.Verdict) {
	if v.Ends() {
		f.end(agent.Fetched{Need: v.Need, Failure: v.Failure})
		return
	}
	f.goOn()
}

// ask sends a request for the next run of missing chunks.
func (f *fetch) ask(file int) {
	if !f.start() {
		return
	}
	d, link := f.device, f.device.link
	if link.isDown() {
		f.count(policy.Result{}, unreachable())
		return
	}
	a := newAnswer(f, file)
	d.hooks.Exchange(&a.exchange)
	if !f.current() {
		a.leave()
		return
	}
	f.answer = a
	wait := max(link.delay()+link.delay(), link.still()-d.world.now)
	if wait >= policy.DefaultStallTimeout {
		f.plan(policy.DefaultStallTimeout, givesUp)
		return
	}
	f.plan(wait, begins)
	f.heed(a)
}

// refusal is why a request brought nothing more, and what that tells of the store.
type refusal struct {
	ota.Failure
	kind policy.Kind
}

func refuse(kind policy.Kind, code ota.Code, format string, args ...any) *refusal {
	return &refusal{ota.Failure{Code: code, Detail: fmt.Sprintf(format, args...)}, kind}
}

func away(why string) *refusal { return refuse(policy.Away, ota.NetworkTimeout, "%s", why) }

func unreachable() *refusal { return away("cannot connect") }

// start tells the machine once that the first byte is asked for, and reports
// whether the download is still wanted.
func (f *fetch) start() bool {
	if !f.started {
		f.started = true
		f.device.handle(agent.FetchStarted{Op: f.job.Op})
	}
	return f.current()
}

// current reports whether the download is still under way.
func (f *fetch) current() bool { return f.device.current == f.boot && f.boot.fetch == f }

func stalled() *refusal {
	return away("too little arrived within " + policy.DefaultStallTimeout.String())
}

// begin judges the head of an answer.
func (f *fetch) begin(a *answer) {
	x := &a.exchange
	if f.device.world.platform.storeDown && x.Status == 0 {
		f.over(a, unreachable())
		return
	}
	switch {
	case f.expired(a.file):
		x.Status = http.StatusForbidden
	case x.Status == 0 && f.tag == changedTag: // asked for by If-Match
		x.Status = http.StatusPreconditionFailed
	}
	if x.Status != 0 {
		if x.Status == http.StatusPreconditionFailed {
			f.tag = noTag
		}
		f.over(a, refuse(policy.StatusKind(x.Status), policy.StatusCode(x.Status), "%s", policy.StatusWords(x.Status)))
		return
	}
	a.moments = x.Answer()
	switch {
	case x.Shift > 0:
		f.over(a, refuse(policy.Wrong, ota.HTTPError, "other bytes came than were asked for"))
	case !f.match(x.Changed):
		f.over(a, refuse(policy.Wrong, ota.HTTPError, "the object has changed since the last request"))
	default:
		if x.OtherObject {
			a.careful = a.chunkEnd(min(a.next+policy.MaxBadInRow, a.end) - 1)
		}
		a.begin(f.device.world.now, f.device.link.bandwidth())
		f.flow(a)
	}
}

// tag is the entity tag of an object.
type tag uint8

const (
	noTag tag = iota
	firstTag
	changedTag // of an object that a fault has put in the place of the first
)

// match compares the entity tag of an answer with the one before, as the agent does.
func (f *fetch) match(changed bool) bool {
	before := f.tag
	f.tag = firstTag
	if changed {
		f.tag = changedTag
	}
	return before == noTag || before == f.tag
}

// expired reports whether the store takes the address no more: by its own clock,
// or because the URL was revoked.
func (f *fetch) expired(file int) bool {
	w, p := f.device.world, f.job.Package
	expires := p.Files[file].Expires
	if expires.IsZero() { // the device was not told
		expires = p.Time.Add(engine.URLValidity)
	}
	return p.Time.Before(w.run.epoch.Add(w.platform.revoked)) || !w.clock().Before(expires)
}

// flow lets bytes come until the next moment or the end, and tells now and then
// how far it is.
func (f *fetch) flow(a *answer) {
	var takes time.Duration
	if a.upTo, takes = a.stop(); takes > reporter.ProgressInterval {
		f.plan(reporter.ProgressInterval, tells)
		return
	}
	f.plan(takes, reaches)
}

// progress tells how far the download is, and goes on.
func (f *fetch) progress(a *answer) {
	a.catchUp(f.device.world.now)
	f.device.handle(agent.FetchProgressed{Op: f.job.Op, Done: f.inPlace() + a.at - a.judged(), Total: f.total()})
	if f.answer == a {
		f.flow(a)
	}
}

// reach takes what happens at the byte of the body up to which it was to go on.
func (f *fetch) reach(a *answer) {
	a.at, a.since = a.upTo, f.device.world.now
	if f.put(a); a.broken != nil || a.another != nil {
		f.over(a, nil)
		return
	}
	for len(a.moments) > 0 && a.moments[0].At <= a.at {
		m := &a.moments[0]
		a.moments = a.moments[1:]
		planned := f.planned
		m.Reach()
		if f.answer != a {
			return
		}
		if f.turn(a, m) || f.planned != planned {
			return // it is over, or the link is not as it was
		}
	}
	if a.at < a.exchange.Length {
		f.flow(a)
		return
	}
	f.over(a, nil)
}

// turn lets the answer take the turn of a moment, and reports whether it does
// not go on.
func (f *fetch) turn(a *answer, m *fault.Moment) bool {
	switch m.Turn {
	case fault.Flips:
		a.flips = append(a.flips, m.At)
		a.watch(m.At)
		return false
	case fault.Passes:
		a.watch(m.At)
		return false
	case fault.Breaks:
		f.over(a, away("the connection broke off"))
	case fault.Ends:
		f.over(a, refuse(policy.Wrong, ota.SizeMismatch, "the answer ends too early"))
	case fault.Stalls:
		f.stall(a, m.For)
	}
	return true
}

// changeSpeed lets the answer under way go on as fast as the link is now.
func (f *fetch) changeSpeed() {
	a, now := f.answer, f.device.world.now
	switch {
	case a == nil || a.rate == 0:
	case now < a.since:
		a.rate = f.device.link.bandwidth() // when it goes on
	default:
		a.catchUp(now)
		a.begin(now, f.device.link.bandwidth())
		f.flow(a)
	}
}

// freeze lets the answer under way wait until the link carries something again.
func (f *fetch) freeze() {
	a := f.answer
	if a == nil {
		return
	}
	a.catchUp(f.device.world.now)
	still := f.device.link.still() - f.device.world.now
	if a.rate == 0 && still < policy.DefaultStallTimeout {
		f.plan(still, begins)
		return
	}
	f.stall(a, still)
}

// stall lets nothing come for a time, or for longer if it stalls already.
func (f *fetch) stall(a *answer, lasts time.Duration) {
	now := f.device.world.now
	if a.since <= now {
		a.heard = now
	}
	a.since = max(a.since, now+lasts)
	if a.since-a.heard >= policy.DefaultStallTimeout {
		f.plan(a.heard+policy.DefaultStallTimeout-now, givesUp)
		return
	}
	a.upTo = a.at
	f.plan(a.since-now, reaches)
}

// over ends an answer, whole or for a reason, and keeps its right chunks.
func (f *fetch) over(a *answer, refused *refusal) {
	f.answer, f.planned = nil, 0
	a.leave()
	f.put(a)
	switch {
	case a.broken != nil:
		f.end(agent.Fetched{Failure: a.broken})
		return
	case a.another != nil:
		refused = &refusal{*a.another, policy.Wrong}
	case refused == nil:
		if spoilt := a.score.Whole(); spoilt != nil {
			refused = &refusal{*spoilt, policy.Wrong}
		}
	}
	f.count(policy.Result{Gained: a.score.Gained > 0, Spoilt: a.score.Spoilt > 0}, refused)
}

// put judges the chunks of an answer that have come since it was last called, and
// puts the right ones into the inactive place.
func (f *fetch) put(a *answer) {
	have := &f.flash.have[a.file]
	for a.next < a.end && a.chunkEnd(a.next) <= a.at && a.broken == nil && a.another == nil {
		i := a.next
		a.next++
		offset, length := a.described.ChunkAt(i)
		if a.wrong(offset-a.offset, length) {
			a.another = a.score.Wrong(have, i)
			continue
		}
		if a.broken = agent.AsFailure(f.device.hooks.Operate(f.job.Job.Component, fault.Write),
			ota.WriteFailed); a.broken == nil {
			have.Keep(i)
			a.score.Right()
			f.gained += length
		}
	}
}

// count keeps the score after a request, and goes on or ends.
func (f *fetch) count(r policy.Result, refused *refusal) {
	f.brought = f.brought || r.Gained
	r.Offline = !f.device.talk.online()
	if refused != nil {
		r.Failure, r.Kind = &refused.Failure, refused.kind
		if r.Kind == policy.Gone {
			f.gone = r.Failure
		}
	}
	f.follow(f.course.Judge(f.took(), 0, r))
}

// inPlace and total are bytes of all files of the package.
func (f *fetch) inPlace() (n int64) {
	for i := range f.flash.Files() {
		for k := range f.flash.have[i].Len() {
			if _, length := f.flash.Files()[i].ChunkAt(k); f.flash.have[i].Kept(k) {
				n += length
			}
		}
	}
	return n
}

func (f *fetch) total() (n int64) {
	for i := range f.flash.Files() {
		n += f.flash.Files()[i].Size
	}
	return n
}
