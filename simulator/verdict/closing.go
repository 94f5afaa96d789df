package verdict

// Close sums the device up: nothing more comes of it. The judge that it was must
// not be used any more.
func (d *DeviceJudge) Close() {
	j := d.judge
	*j.open.at(d.ordinal) = nil
	if d.arrived {
		d.sum()
	}
	j.free = append(j.free, d)
}

// sum adds the device to the figures.
func (d *DeviceJudge) sum() {
	f := d.judge.sums
	class := d.classify()
	f.Classes[class]++
	f.Fleets[d.fleet].Classes[class]++
	for i := range d.parts {
		if p := &d.parts[i]; p.stored {
			f.component(p.component)[p.status.String()]++
		}
	}
	for i := range d.plans {
		t := &d.plans[i]
		f.Reports.Lost += max(0, t.numbered-t.arrived)
		if took, upgraded := t.took(); upgraded {
			f.Times.Upgrade.Add(took)
		}
		if t.numbered == t.arrived && t.said != t.heard {
			f.Reports.Conflicting++
		}
	}
	for i, struck := range d.struck {
		if struck {
			f.Faults[i].Outcomes[class]++
		}
	}
	d.closeRules()
	f.digest.set(d.ordinal, d.hash.Sum())
	d.rank(class)
}
