package engine

import (
	"fmt"
	"slices"

	"otafleet/internal/ota"
)

const (
	// earlyWindow is how far ahead of a gap a report is kept.
	earlyWindow = 256
	// digestWindow is how many applied reports can still be told from another
	// one under the same number; older ones count as duplicates.
	digestWindow = 128
)

// report takes in one report: in its turn it is applied, with those that
// waited for it; early it waits; known it is only acknowledged again.
func (e *Engine) report(d *device, r *ota.Report) {
	t := e.ledgerOf(d, r.Plan)
	switch {
	case r.Seq < 1:
		e.record(d, r, Dropped, nil)
	case t == nil:
		e.record(d, r, Unknown, nil)
		e.send(d, &ota.Ack{Plan: r.Plan, Seq: r.Seq})
	case r.Seq == 1 && t.startsOver(r):
		e.startOver(t)
		e.apply(t, r)
	case r.Seq <= t.seq:
		e.repeat(t, r)
	case r.Seq == t.seq+1:
		e.apply(t, r)
	default:
		e.keepEarly(d, t, r)
	}
}

// ledgerOf finds the task that a report belongs to. A device may report on a
// plan that it has from elsewhere, if the plan is active and for its product.
func (e *Engine) ledgerOf(d *device, id string) *task {
	if t := e.taskOf(d, id); t != nil {
		return t
	}
	p := e.plans[id]
	if p == nil || p.product != d.product || p.status == Inactivated || p.retired || !p.admits(d) {
		return nil
	}
	return e.addTask(p, d)
}

// apply takes reports in their turn: r, and those that waited for it.
func (e *Engine) apply(t *task, r *ota.Report) {
	urgent := false
	if t.seq == 0 {
		t.unobserve()
	}
	for {
		t.seq = r.Seq
		t.remember(r)
		e.judge(t, r)
		urgent = urgent || conclusive(r.Status)
		if len(t.early) == 0 || t.early[0].Seq != t.seq+1 {
			break
		}
		r = t.early[0]
		t.early = t.early[1:]
	}
	if len(t.early) == 0 {
		t.early = nil
	}
	e.owe(t, urgent)
}

// judge applies a report that the status table allows, and notes one that it
// forbids.
func (e *Engine) judge(t *task, r *ota.Report) {
	i := t.plan.component(r.Component)
	var err error
	if i < 0 {
		err = fmt.Errorf("component %q is not in plan %q", r.Component, r.Plan)
	} else {
		err = ota.Legal(t.parts[i].status, r.Status, r.Failure)
	}
	if err != nil {
		e.record(t.device, r, Illegal, err)
		e.note(t, entry{kind: logIllegal, part: partOf(i), status: r.Status})
		return
	}
	e.record(t.device, r, Stored, nil)
	e.learnVersion(t.device, r.Component, r.Version)
	e.step(t, i, r)
	e.settle(t)
	e.advance(t)
}

// conclusive reports whether a status is acknowledged at once.
func conclusive(s ota.Status) bool { return s.Done() || s.Failed() }

// repeat acknowledges a known report again: the device has missed it. One that
// a device without memory sends before its first is left to come again, since
// the old ledger's acknowledgement would end it unread.
func (e *Engine) repeat(t *task, r *ota.Report) {
	arrival := t.repeated(r)
	e.record(t.device, r, arrival, nil)
	if arrival == Duplicate || !t.mayForget {
		e.owe(t, conclusive(r.Status))
	}
}

// repeated says whether a report whose number is known says the same as then.
func (t *task) repeated(r *ota.Report) Arrival {
	back := t.seq - r.Seq
	if back < len(t.digests) && t.digests[len(t.digests)-1-back] != digest(r) {
		return Conflicting
	}
	return Duplicate
}

func (t *task) remember(r *ota.Report) {
	if len(t.digests) == digestWindow {
		t.digests = append(t.digests[:0], t.digests[1:]...)
	}
	t.digests = append(t.digests, digest(r))
}

func (e *Engine) keepEarly(d *device, t *task, r *ota.Report) {
	if r.Seq-t.seq > earlyWindow {
		e.record(d, r, Dropped, nil)
		return
	}
	i, known := slices.BinarySearchFunc(t.early, r.Seq, func(kept *ota.Report, seq int) int { return kept.Seq - seq })
	switch {
	case !known:
		t.early = slices.Insert(t.early, i, r)
		e.record(d, r, Early, nil)
	case digest(t.early[i]) == digest(r):
		e.record(d, r, Duplicate, nil)
	default:
		e.record(d, r, Conflicting, nil)
	}
}

// startsOver reports whether a report is the first of a device that has lost
// its memory, and with it the numbers it had used.
func (t *task) startsOver(r *ota.Report) bool {
	return t.mayForget && !ended(t.status) && t.seq > 0 && t.repeated(r) == Conflicting
}

func (e *Engine) startOver(t *task) {
	t.seq, t.digests, t.early = 0, nil, nil
	t.current, t.confirmed, t.reverting, t.mayForget = -1, false, false, false
	clear(t.parts)
	e.note(t, entry{kind: logStartedOver})
	e.settle(t)
}

func (e *Engine) record(d *device, r *ota.Report, a Arrival, cause error) {
	e.arrivals[a]++
	e.emit(Recorded{Device: d.identity(), Report: r, Arrival: a, Cause: cause})
}

// digest is an FNV-1a hash over a report's content, enough to notice that a
// number was used twice.
func digest(r *ota.Report) uint32 {
	h := fnv(2166136261)
	h.number(uint64(r.Time.UnixNano()))
	h.number(uint64(r.Attempt))
	h.number(uint64(r.Status))
	h.text(r.Component)
	h.text(r.Version)
	if r.Failure != nil {
		h.text(string(r.Failure.Code))
		h.text(r.Failure.Detail)
	}
	return uint32(h)
}

type fnv uint32

// powers are those of FNV's prime: what so many bytes of 0 make of a hash.
var powers = [...]fnv{1, 16777619, 637696617, 1055306571, 1345077009, 1185368003, 4233492473, 878009595, 1566662433}

// number takes the eight bytes of a number, the lowest first. Most end in many of 0.
func (h *fnv) number(n uint64) {
	left := 8
	for ; n != 0; left-- {
		*h = (*h ^ fnv(n&0xff)) * 16777619
		n >>= 8
	}
	*h *= powers[left]
}

func (h *fnv) text(s string) {
	for i := range len(s) {
		*h = (*h ^ fnv(s[i])) * 16777619
	}
	*h = (*h ^ 0x100) * 16777619 // ends the text: no byte has this value
}
