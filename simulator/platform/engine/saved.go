package engine

import (
	"encoding/json"
	"time"

	"otafleet/internal/ota"
)

// The forms of the records. Their names are on disks: they may be added to, and
// are never renamed or given another meaning.

type savedPackage struct {
	View    PackageView `json:"view"`
	Number  int         `json:"number"`
	Size    int64       `json:"size"`
	Largest int64       `json:"largest"`
	Check   *savedCheck `json:"check,omitempty"`
}

type savedCheck struct {
	Device  string              `json:"device"`
	Plan    string              `json:"plan"`
	Created time.Time           `json:"created"`
	Outcome VerificationOutcome `json:"outcome"`
}

type savedPlan struct {
	Number     int                 `json:"number"`
	Activation int                 `json:"activation,omitempty"`
	Spec       savedSpec           `json:"spec"`
	Components []ota.PlanComponent `json:"components"`
	References []string            `json:"references"`
	Space      int64               `json:"space"`
	Status     PlanStatus          `json:"status"`
	NextPush   time.Time           `json:"next_push"`
	Known      int                 `json:"known,omitempty"`
	Closed     second              `json:"closed,omitempty"`
	Verifies   string              `json:"verifies,omitempty"` // id of the package
	Retired    bool                `json:"retired,omitempty"`
}

// savedSpec is a plan's fields with its zone by name, and by its offset in
// seconds for a zone that has only that.
type savedSpec struct {
	PlanSpec
	Zone   string `json:"zone"`
	Offset int    `json:"offset"`
}

type savedSeries struct {
	Plan    string   `json:"plan"`
	Step    second   `json:"step"`
	Samples [][6]int `json:"samples"` // the time in seconds and the counts
}

type savedDevice struct {
	Product     string      `json:"product"`
	Key         string      `json:"key"`
	Index       int         `json:"index"`
	Components  [][3]string `json:"components,omitempty"` // id, kind, version
	Sub         bool        `json:"sub,omitempty"`
	Via         string      `json:"via,omitempty"`
	First       second      `json:"first,omitempty"`
	Last        second      `json:"last,omitempty"`
	AutoConfirm bool        `json:"auto_confirm,omitempty"`
	Tasks       []savedTask `json:"tasks,omitempty"` // as older versions had them: now each is a record
}

// savedOwn is a device's part of a plan, by itself.
type savedOwn struct {
	Product string `json:"product"`
	Device  string `json:"device"`
	savedTask
}

type savedTask struct {
	Plan        string          `json:"plan"`
	Parts       []savedPart     `json:"parts"`
	Log         []savedEntry    `json:"log,omitempty"`
	Appointment *savedAppointed `json:"appointment,omitempty"`
	Seq         int             `json:"seq,omitempty"`
	Digests     []uint32        `json:"digests,omitempty"`
	Attempt     int             `json:"attempt"`
	Offered     int             `json:"offered,omitempty"`
	Started     second          `json:"started,omitempty"`
	Finished    second          `json:"finished,omitempty"`
	Issued      second          `json:"issued,omitempty"`
	QuietUntil  second          `json:"quiet_until,omitempty"`
	Current     int8            `json:"current"`
	Owed        debt            `json:"owed,omitempty"`
	Confirmed   bool            `json:"confirmed,omitempty"`
	Agreed      bool            `json:"agreed,omitempty"`
	Cancelled   bool            `json:"cancelled,omitempty"`
	Abandoned   bool            `json:"abandoned,omitempty"`
	Reverting   bool            `json:"reverting,omitempty"`
	MayForget   bool            `json:"may_forget,omitempty"`
}

type savedAppointed struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

type savedPart struct {
	Status    string       `json:"status"` // by its name on the wire
	Retries   uint8        `json:"retries,omitempty"`
	Percent   uint8        `json:"percent,omitempty"`
	Exhausted bool         `json:"exhausted,omitempty"`
	Full      bool         `json:"full,omitempty"`
	Credited  bool         `json:"credited,omitempty"`
	Times     uint16       `json:"times,omitempty"`
	Attempt   int32        `json:"attempt,omitempty"`
	Failure   *ota.Failure `json:"failure,omitempty"`
	FailedIn  int          `json:"failed_in,omitempty"` // the attempt that ended in the failure
	Reached   string       `json:"reached,omitempty"`   // by its name on the wire
	Earlier   *savedFailed `json:"earlier,omitempty"`
}

type savedFailed struct {
	Attempt int          `json:"attempt"`
	Failure *ota.Failure `json:"failure"`
}

type savedEntry struct {
	At     second  `json:"at"`
	Kind   logKind `json:"kind"`
	Part   uint8   `json:"part,omitempty"`
	Status uint8   `json:"status,omitempty"`
	Number uint32  `json:"number,omitempty"`
	Word   string  `json:"word,omitempty"`
}

// encode gives the record's value. The forms hold nothing that JSON cannot say.
func encode(form any) []byte {
	value, _ := json.Marshal(form)
	return value
}

func (v *versionPackage) encode() []byte {
	form := savedPackage{View: v.view, Number: v.number, Size: v.size, Largest: v.largest}
	if c := v.check; c != nil {
		form.Check = &savedCheck{c.device.key, c.plan.spec.ID, c.created, c.outcome}
	}
	return encode(form)
}

func (p *plan) encode() []byte {
	form := savedPlan{
		Number: p.number, Activation: p.activation, Spec: savedSpec{PlanSpec: p.spec, Zone: p.spec.Zone.String()},
		Components: p.components, References: p.references, Space: p.space,
		Status: p.status, NextPush: p.nextPush, Known: p.known, Closed: p.closed, Retired: p.retired,
	}
	_, form.Spec.Offset = p.spec.Start.In(p.spec.Zone).Zone()
	form.Spec.PlanSpec.Zone = nil
	if p.verifies != nil {
		form.Verifies = p.verifies.view.ID
	}
	return encode(form)
}

func (s *series) encode(plan string) []byte {
	form := savedSeries{Plan: plan, Step: s.step}
	for _, one := range s.samples {
		t := one.tally
		form.Samples = append(form.Samples, [6]int{int(one.at), t[0], t[1], t[2], t[3], t[4]})
	}
	return encode(form)
}

func (d *device) encode() []byte {
	form := savedDevice{
		Product: d.product.key, Key: d.key, Index: d.index, Sub: d.sub, Via: d.via, First: d.first, Last: d.last,
		AutoConfirm: d.autoConfirm,
	}
	for _, c := range d.components {
		form.Components = append(form.Components, [3]string{c.id, string(c.kind), c.version})
	}
	return encode(form)
}

func (e *Engine) encodeTask(t *task) []byte {
	return encode(savedOwn{t.device.product.key, t.device.key, e.saveTask(t)})
}

func (e *Engine) saveTask(t *task) savedTask {
	form := savedTask{
		Plan: t.plan.spec.ID, Seq: t.seq, Digests: t.digests, Attempt: t.attempt, Offered: t.offered,
		Started: t.started, Finished: t.finished, Issued: t.issued, QuietUntil: t.quietUntil, Current: t.current,
		Owed:      t.owed,
		Confirmed: t.confirmed, Agreed: t.agreed, Cancelled: t.cancelled, Abandoned: t.abandoned, Reverting: t.reverting,
		MayForget: t.mayForget,
	}
	if a := t.appointment; a != nil {
		form.Appointment = &savedAppointed{a.start, a.end}
	}
	for i := range t.parts {
		form.Parts = append(form.Parts, t.parts[i].save())
	}
	for _, line := range t.log {
		s := savedEntry{At: line.at, Kind: line.kind, Part: line.part, Status: uint8(line.status)}
		if line.kind.counts() {
			s.Number = line.note
		} else {
			s.Word = e.words.at(line.note)
		}
		form.Log = append(form.Log, s)
	}
	return form
}

func (p *part) save() savedPart {
	form := savedPart{
		Status: p.status.String(), Retries: p.retries, Percent: p.percent, Exhausted: p.exhausted, Full: p.full,
		Credited: p.credited, Times: p.times, Attempt: p.attempt,
	}
	if p.reached != ota.PlanNotReceived {
		form.Reached = p.reached.String()
	}
	if p.failure != nil {
		form.Failure, form.FailedIn = p.failure.failure, p.failure.attempt
	}
	if p.earlier != nil {
		form.Earlier = &savedFailed{p.earlier.attempt, p.earlier.failure}
	}
	return form
}
