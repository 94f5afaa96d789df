package engine

import (
	"hash/maphash"

	"otafleet/internal/ota"
)

func (r *restorer) takeDevice(value []byte) error {
	var form savedDevice
	if err := decode(value, &form); err != nil {
		return err
	}
	if !ota.ValidKey(form.Product) || !ota.ValidKey(form.Key) || len(form.Components) > ota.MaxInventory {
		return errNotOurs
	}
	pr := r.engine.product(form.Product)
	if pr.byKey[form.Key] != nil {
		return errNotOurs
	}
	d := &device{
		product: pr, key: form.Key, index: form.Index, sub: form.Sub, via: form.Via, first: form.First, last: form.Last,
		autoConfirm: form.AutoConfirm,
	}
	for _, c := range form.Components {
		w := &r.engine.words
		d.components = append(d.components,
			installed{id: w.share(c[0]), kind: ota.ComponentType(w.share(c[1])), version: w.share(c[2])})
	}
	for i := range form.Tasks {
		if _, err := r.takeTask(d, &form.Tasks[i]); err != nil {
			return err
		}
	}
	if len(form.Tasks) > 0 {
		r.engine.keepDevice(d) // in the newer form
	}
	r.engine.devices++
	pr.byKey[d.key] = d
	pr.devices = append(pr.devices, d)
	return nil
}

func (r *restorer) takeOwn(value []byte) error {
	var form savedOwn
	if err := decode(value, &form); err != nil {
		return err
	}
	d := r.engine.known(ota.Identity{Product: form.Product, Device: form.Device})
	if d == nil {
		return errNotOurs
	}
	t, err := r.takeTask(d, &form.savedTask)
	if err != nil {
		return err
	}
	r.engine.kept.written[t] = maphash.Bytes(r.engine.kept.seed, value)
	return nil
}

func (r *restorer) takeTask(d *device, form *savedTask) (*task, error) {
	p := r.engine.plans[form.Plan]
	if p == nil || p.product != d.product || p.activation == 0 || d.task(p) != nil || !form.fits(p) {
		return nil, errNotOurs
	}
	t := &task{
		device: d, plan: p, seq: form.Seq, digests: form.Digests, attempt: form.Attempt, offered: form.Offered,
		started: form.Started, finished: form.Finished, issued: form.Issued, quietUntil: form.QuietUntil,
		current: form.Current, owed: form.Owed,
		confirmed: form.Confirmed, agreed: form.Agreed, cancelled: form.Cancelled, abandoned: form.Abandoned,
		reverting: form.Reverting, mayForget: form.MayForget,
	}
	if a := form.Appointment; a != nil {
		t.appointment = &appointment{a.Start, a.End}
	}
	if !t.takeParts(form.Parts) || !r.takeLog(t, form.Log) {
		return nil, errNotOurs
	}
	t.recall()
	d.take(t)
	return t, nil
}

// fits reports whether the form's numbers are ones that a task of the plan can have.
func (f *savedTask) fits(p *plan) bool {
	return len(f.Parts) == len(p.components) && int(f.Current) < len(f.Parts) && f.Current >= -1 &&
		f.Attempt >= 1 && f.Seq >= 0 && len(f.Digests) <= min(digestWindow, f.Seq) &&
		len(f.Log) <= maxLog && f.Owed <= owesTermination
}

func (t *task) takeParts(forms []savedPart) bool {
	for _, s := range forms {
		status, known := ota.ParseStatus(s.Status)
		if !known || status.Failed() != (s.Failure != nil) {
			return false
		}
		p := part{
			status: status, retries: s.Retries, percent: s.Percent, exhausted: s.Exhausted, full: s.Full, credited: s.Credited,
			times: s.Times, attempt: s.Attempt,
		}
		if s.Failure != nil {
			p.failure = &setback{s.FailedIn, s.Failure}
		}
		if s.Earlier != nil && s.Earlier.Failure != nil {
			p.earlier = &setback{s.Earlier.Attempt, s.Earlier.Failure}
		}
		if p.reached, known = ota.ParseStatus(s.Reached); !known && !status.Failed() && !status.Done() {
			p.reached = status // the record is of an older version
		}
		t.parts = append(t.parts, p)
	}
	return true
}

// recall finds what the components of an older version's record reached: it stands
// in the log alone.
func (t *task) recall() {
	for i := range t.parts {
		p := &t.parts[i]
		if p.reached != ota.PlanNotReceived || !p.status.Failed() && !p.status.Done() {
			continue
		}
		for _, line := range t.log {
			if line.kind == logStatus && line.part == partOf(i) && !line.status.Failed() && !line.status.Done() {
				p.reached = line.status
			}
		}
	}
}

func (r *restorer) takeLog(t *task, forms []savedEntry) bool {
	for _, s := range forms {
		line := entry{at: s.At, kind: s.Kind, part: s.Part, status: ota.Status(s.Status), note: s.Number}
		if int(s.Kind) >= len(sentences) || int(s.Part) > len(t.parts) {
			return false
		}
		if !s.Kind.counts() {
			line.note = r.engine.words.number(s.Word)
		}
		t.log = append(t.log, line)
	}
	return true
}
