package virtual

import (
	"fmt"
	"net/http"
	"time"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/internal/ota"
	"otafleet/reporter"
	"otafleet/simulator/fault"
	"otafleet/simulator/verdict"
)

// What a download does about failures is what agent/download does.
const (
	pauseAfterFirst = time.Second
	pauseAtMost     = 30 * time.Second
	evidence        = 2 // failures in a row before all mirrors are said to have failed
	maxBadInRow     = 3 // bad chunks in a row that say the object is another one
)

// fetch is one download: requests to the modelled store, one after another, and
// the chunks that they bring.
type fetch struct {
	device *device
	life   *life
	job    agent.Fetch
	flash  *flash

	started   bool
	asked     bool
	gone      string // why the address is not asked any more; empty while it is
	tagged    bool   // an answer has come whose entity tag is known
	fruitless int
	failures  int
	last      *ota.Failure // why the last request without a new chunk brought none
	gained    int64        // bytes put in place by this fetch

	answer *answer // under way; nil between requests
}

// startFetch keeps the package's address for the next start, then begins to fill
// the inactive place.
func (d *device) startFetch(l *life, out agent.Fetch) {
	i := d.component(out.Job.Component)
	if i < 0 {
		d.finish(l, agent.Fetched{Op: out.Op, Fruitless: out.Fruitless,
			Failure: &ota.Failure{Code: ota.InstallerFailed, Detail: "component " + out.Job.Component + " has no installer"}})
		return
	}
	d.packages[i] = out.Package
	f := &fetch{device: d, life: l, job: out, flash: &d.flashes[i], fruitless: out.Fruitless}
	l.fetch, l.effect = f, nil
	failure := d.operate(out.Job.Component, fault.Open, func(place *flash) error {
		place.open(&out.Job)
		return nil
	})
	if failure != nil {
		f.end(agent.Fetched{Failure: failure})
		return
	}
	f.next()
}

// interrupt breaks off the answer under way: the line was cut.
func (d *device) interrupt() {
	if l := d.life; l != nil && l.fetch != nil && l.fetch.answer != nil {
		a := l.fetch.answer
		a.catchUp(d.world.now)
		l.fetch.over(a, &ota.Failure{Code: ota.NetworkTimeout, Detail: "the line is down"})
	}
}

// abandon drops the download under way, if there is one: the power is cut, or the
// machine wants another one. Chunks that have come are in place.
func (l *life) abandon() {
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
	f.life.fetch = nil
	result.Op, result.Fruitless = f.job.Op, f.fruitless
	f.device.finish(f.life, result)
}

// tell records the bytes that this fetch has put in place.
func (f *fetch) tell() {
	if f.gained > 0 {
		f.device.record(verdict.Event{Kind: verdict.Downloaded, N: f.gained})
		f.gained = 0
	}
}

// later does something after a time, if the download is still under way.
func (f *fetch) later(delay time.Duration, do func()) {
	f.device.world.after(delay, func() {
		if f.current() {
			do()
		}
	})
}

// next asks for what is missing, or ends.
func (f *fetch) next() {
	file := f.missing()
	if file < 0 {
		f.end(agent.Fetched{})
		return
	}
	if f.gone == "" && !f.device.clock().Before(f.job.Package.Files[file].Expires) {
		f.gone = "it expired"
	}
	if f.gone != "" {
		f.noneLeft()
		return
	}
	pause := time.Duration(0)
	if f.failures > 0 {
		ceiling := min(pauseAfterFirst<<min(f.failures-1, 16), pauseAtMost)
		pause = time.Duration(f.device.random.next() * float64(ceiling))
	}
	f.later(pause, func() { f.ask(file) })
}

// missing is the first file that is not whole; -1 if all are.
func (f *fetch) missing() int {
	for i := range f.flash.have {
		if f.flash.have[i].left > 0 {
			return i
		}
	}
	return -1
}

// noneLeft asks for other addresses.
func (f *fetch) noneLeft() {
	if !f.asked {
		f.fruitless++
		f.last = &ota.Failure{Code: ota.URLExpired, Detail: "no address is left: " + f.gone}
		if f.exhausted() {
			return
		}
	}
	f.end(agent.Fetched{Need: ota.AddressExpired})
}

// exhausted ends the download when the requests without a new chunk have reached
// the limit.
func (f *fetch) exhausted() bool {
	if f.fruitless < download.DefaultAttempts {
		return false
	}
	f.end(agent.Fetched{Failure: &ota.Failure{Code: f.last.Code,
		Detail: fmt.Sprintf("%d requests in a row brought no new chunk, the last one: %s", f.fruitless, f.last.Detail)}})
	return true
}

// ask sends a request for the next run of missing chunks.
func (f *fetch) ask(file int) {
	if !f.start() {
		return
	}
	d, line := f.device, f.device.line
	f.asked = true
	if line.isDown() {
		f.count(0, unreachable())
		return
	}
	a := newAnswer(f, file)
	d.gear.Exchange(&a.exchange)
	if !f.current() {
		a.leave()
		return
	}
	f.answer = a
	wait := max(line.delay()+line.delay(), line.frozen-d.world.now)
	if wait >= download.DefaultStallTimeout {
		f.at(a, download.DefaultStallTimeout, func() { f.over(a, stalled()) })
		return
	}
	f.at(a, wait, func() { f.begin(a) })
}

func unreachable() *ota.Failure {
	return &ota.Failure{Code: ota.NetworkTimeout, Detail: "cannot connect"}
}

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
func (f *fetch) current() bool { return f.device.life == f.life && f.life.fetch == f }

func stalled() *ota.Failure {
	return &ota.Failure{Code: ota.NetworkTimeout, Detail: "too little arrived within " + download.DefaultStallTimeout.String()}
}

// at does something after a time, if the answer is still awaited and nothing
// else was planned for it meanwhile.
func (f *fetch) at(a *answer, delay time.Duration, do func()) {
	a.planned++
	number := a.planned
	f.later(delay, func() {
		if f.answer == a && a.planned == number {
			do()
		}
	})
}

// begin judges the head of an answer.
func (f *fetch) begin(a *answer) {
	x := &a.exchange
	if f.device.world.platform.storeDown && x.Status == 0 {
		f.over(a, unreachable())
		return
	}
	if p := &f.device.world.platform; f.job.Package.Time.Before(f.device.world.run.epoch.Add(p.revoked)) {
		x.Status = http.StatusForbidden
	}
	tagged := f.tagged
	f.tagged = true
	if x.Status == 0 {
		a.moments = x.Answer()
	}
	switch {
	case x.Status == http.StatusUnauthorized, x.Status == http.StatusForbidden, x.Status == http.StatusNotFound:
		f.gone = fmt.Sprintf("HTTP status %d", x.Status)
		f.over(a, &ota.Failure{Code: ota.URLExpired, Detail: f.gone})
	case x.Status != 0:
		f.over(a, &ota.Failure{Code: ota.HTTPError, Detail: fmt.Sprintf("HTTP status %d", x.Status)})
	case x.Shift > 0:
		f.over(a, &ota.Failure{Code: ota.HTTPError, Detail: "other bytes came than were asked for"})
	case x.Changed && tagged:
		f.over(a, &ota.Failure{Code: ota.HTTPError, Detail: "the object has changed since the last request"})
	default:
		if x.Foreign {
			a.careful = a.chunkEnd(min(a.next+maxBadInRow, a.end) - 1)
		}
		a.begin(f.device.world.now, f.device.line.bandwidth())
		f.flow(a)
	}
}

// flow lets bytes come until the next moment or the end, and tells now and then
// how far it is.
func (f *fetch) flow(a *answer) {
	reached, takes := a.stop()
	if takes > reporter.ProgressInterval {
		f.at(a, reporter.ProgressInterval, func() {
			a.catchUp(f.device.world.now)
			f.device.handle(agent.FetchProgressed{Op: f.job.Op, Done: f.inPlace() + a.at - a.judged(), Total: f.total()})
			if f.answer == a {
				f.flow(a)
			}
		})
		return
	}
	f.at(a, takes, func() { f.reach(a, reached) })
}

// reach takes what happens at a byte of the body.
func (f *fetch) reach(a *answer, at int64) {
	a.at, a.since = at, f.device.world.now
	if f.put(a); a.broken != nil || a.foreign != nil {
		f.over(a, nil)
		return
	}
	for len(a.moments) > 0 && a.moments[0].At <= a.at {
		m := &a.moments[0]
		a.moments = a.moments[1:]
		planned := a.planned
		m.Reach()
		if f.answer != a {
			return
		}
		if f.turn(a, m) || a.planned != planned {
			return // it is over, or the line is not as it was
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
		f.over(a, &ota.Failure{Code: ota.NetworkTimeout, Detail: "the connection broke off"})
	case fault.Ends:
		f.over(a, &ota.Failure{Code: ota.SizeMismatch, Detail: "the answer ends too early"})
	case fault.Stalls:
		f.stall(a, m.For)
	}
	return true
}

// changeSpeed lets the answer under way go on as fast as the line is now.
func (f *fetch) changeSpeed() {
	a, now := f.answer, f.device.world.now
	switch {
	case a == nil || a.rate == 0:
	case now < a.since:
		a.rate = f.device.line.bandwidth() // when it goes on
	default:
		a.catchUp(now)
		a.begin(now, f.device.line.bandwidth())
		f.flow(a)
	}
}

// freeze lets the answer under way wait until the line carries something again.
func (f *fetch) freeze() {
	a := f.answer
	if a == nil {
		return
	}
	a.catchUp(f.device.world.now)
	still := f.device.line.frozen - f.device.world.now
	if a.rate == 0 && still < download.DefaultStallTimeout {
		f.at(a, still, func() { f.begin(a) })
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
	if a.since-a.heard >= download.DefaultStallTimeout {
		f.at(a, a.heard+download.DefaultStallTimeout-now, func() { f.over(a, stalled()) })
		return
	}
	f.at(a, a.since-now, func() { f.reach(a, a.at) })
}

// over ends an answer, whole or for a reason, and keeps its right chunks.
func (f *fetch) over(a *answer, refused *ota.Failure) {
	f.answer = nil
	a.leave()
	f.put(a)
	switch {
	case a.broken != nil:
		f.end(agent.Fetched{Failure: a.broken})
		return
	case a.foreign != nil:
		refused = a.foreign
	case a.spoilt > 0 && refused == nil:
		refused = &ota.Failure{Code: ota.DigestMismatch, Detail: fmt.Sprintf("%d chunks have wrong hashes", a.spoilt)}
	}
	f.count(a.gained, refused)
}

// put judges the chunks of an answer that have come since it was last called, and
// puts the right ones into the inactive place.
func (f *fetch) put(a *answer) {
	have := &f.flash.have[a.file]
	for a.next < a.end && a.chunkEnd(a.next) <= a.at && a.broken == nil && a.foreign == nil {
		i := a.next
		a.next++
		offset, length := a.described.ChunkAt(i)
		if a.wrong(offset-a.offset, length) {
			f.mark(a, i)
			continue
		}
		a.inRow = 0
		if a.broken = asFailure(f.device.gear.Operate(f.job.Job.Component, fault.Write), ota.WriteFailed); a.broken == nil {
			have.keep(i)
			a.gained++
			f.gained += length
		}
	}
}

// mark notes a bad chunk. So many in a row say that the object is another one;
// then they can be had in one run elsewhere.
func (f *fetch) mark(a *answer, i int) {
	have := &f.flash.have[a.file]
	have.state[i] = bad
	a.spoilt++
	if a.inRow++; a.inRow < maxBadInRow {
		return
	}
	a.foreign = &ota.Failure{Code: ota.DigestMismatch, Detail: fmt.Sprintf("chunks %d to %d have wrong hashes", i-a.inRow+1, i)}
	for k := i; k >= 0 && have.state[k] == bad; k-- {
		have.state[k] = missing
	}
}

// count keeps the score after a request, and goes on or ends.
func (f *fetch) count(gained int, refused *ota.Failure) {
	if gained > 0 {
		f.fruitless, f.failures = 0, 0
		f.next()
		return
	}
	f.fruitless++
	if f.gone == "" {
		f.failures++
	}
	f.last = refused
	switch {
	case f.exhausted():
	case !f.job.Renewed && f.failures >= evidence:
		f.end(agent.Fetched{Need: ota.AddressMirrors})
	default:
		f.next()
	}
}

// inPlace and total are bytes of all files of the package.
func (f *fetch) inPlace() (n int64) {
	for i := range f.flash.Files() {
		for k, state := range f.flash.have[i].state {
			if _, length := f.flash.Files()[i].ChunkAt(k); state == kept {
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
