package quecthing

import (
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/quecthing"
)

// Send takes a message of the agent.
func (x *Exchange) Send(now time.Time, m ota.Up) {
	x.now = now
	switch m := m.(type) {
	case *ota.Inventory:
		x.inventoried(m)
	case *ota.Decision:
		x.decided(m)
	case *ota.Report:
		x.reported(m)
	case *ota.Progress:
		x.progressed(m)
	case *ota.AddressRequest:
		x.addressWanted(m)
	}
}

// inventoried tells the platform what runs: all of it once on a connection, then what
// has changed.
func (x *Exchange) inventoried(inv *ota.Inventory) {
	changed := x.inventory != nil && !sameVersions(x.inventory, inv)
	x.inventory = inv
	x.listVersions()
	x.running(inv.Running)
	if !x.introduced {
		x.tell()
		x.sayOverdue()
	} else if changed && !inv.Request {
		x.put(x.info())
	}
	if inv.Request {
		x.put(entry{command: quecthing.UpgradeAsk, channel: quecthing.OTA, qos: 2, items: x.versions()})
		x.asked = x.now.Add(askPause)
	}
}

// sayOverdue says again what has been given up without a connection.
func (x *Exchange) sayOverdue() {
	for _, p := range x.plans {
		for i := range p.parts {
			if c := &p.parts[i]; c.overdue && c.status == ota.Upgrading {
				x.say(c, quecthing.Failed, nil)
			}
		}
	}
}

// tell sends what a device says of itself on each connection.
func (x *Exchange) tell() {
	if x.inventory == nil {
		return
	}
	x.introduced = true
	x.put(x.status())
	x.put(x.info())
}

// decided takes the agent's answer to a plan.
func (x *Exchange) decided(d *ota.Decision) {
	p := x.find(d.Plan)
	if p == nil {
		return
	}
	if d.Reason == ota.ReasonBusy && x.current() != nil && x.current() != p {
		// The wire has no name for a plan: a refusal of this one would be taken for one of
		// that which is in progress. The platform sends it again.
		p.answer, p.delivered = refused, false
		return
	}
	x.announce(p, nil)
	p.attempt = max(p.attempt, d.Attempt)
	switch {
	case !d.Accept:
		p.answer = refused
		x.refuse(p)
	case p.implied != nil:
		p.answer = accepted
		c := p.last()
		x.hand(p, c, p.implied, c.target, nil)
	default:
		p.answer = accepted
		x.confirm(p)
	}
}

// refuse tells the platform that the device does not want a plan.
func (x *Exchange) refuse(p *plan) {
	c := p.last()
	switch {
	case c == nil:
	case p.implied != nil:
		x.say(c, quecthing.Failed, nil) // the platform has asked nothing
	default:
		x.say(c, quecthing.Refused, nil)
	}
}

// confirm tells the platform that the device takes a plan, and waits for the first
// address.
func (x *Exchange) confirm(p *plan) {
	if c := p.last(); c != nil && !p.begun() {
		x.say(c, quecthing.Confirmed, nil)
		p.addressBy = x.now.Add(addressWait)
	}
}

// announce tells the platform that the agent has a plan; once for each time that it
// was sent. The acknowledgement is of the report by which the agent says so, if any.
func (x *Exchange) announce(p *plan, ack *ota.Ack) {
	if p.delivered && p.implied == nil {
		if c := p.last(); c != nil {
			p.delivered = false
			x.say(c, quecthing.Received, ack)
			return
		}
	}
	p.delivered = false
	if ack != nil {
		x.put(entry{ack: ack})
	}
}

// reported takes a report. One that was queued before on this connection says nothing
// new.
func (x *Exchange) reported(r *ota.Report) {
	p := x.find(r.Plan)
	if p == nil {
		p = x.remember(&plan{id: r.Plan, attempt: r.Attempt})
	}
	c := p.part(r.Component, x.kindOf(r.Component))
	if x.queuedBefore(r) {
		return
	}
	if r.Status > ota.PlanReceived {
		p.answer = accepted
	}
	p.attempt = max(p.attempt, r.Attempt)
	c.status = r.Status
	x.settle(c)
	x.runs(r.Component, r.Version)
	x.step(p, c, r)
}

// step says what a component's new status is on the wire.
func (x *Exchange) step(p *plan, c *part, r *ota.Report) {
	ack := &ota.Ack{Plan: r.Plan, Seq: r.Seq}
	switch c.status {
	case ota.PlanReceived:
		x.receivedPart(p, c, ack)
	case ota.ReadyToDownload:
		x.say(c, quecthing.Ready, ack)
	case ota.Downloading:
		x.repeat(c)
		x.say(c, quecthing.Downloading, ack)
	case ota.DownloadSucceeded:
		x.giveUp(c, readWait)
		x.say(c, quecthing.Downloaded, ack)
	case ota.Upgrading:
		x.giveUp(c, upgradeWait)
		x.say(c, quecthing.Upgrading, ack)
	case ota.UpgradeSucceeded, ota.NoUpdateRequired:
		x.say(c, quecthing.Succeeded, ack)
	case ota.DownloadFailed:
		c.attempt = r.Attempt
		x.downloadFailed(p, c, ack)
	case ota.UpgradeFailed:
		c.attempt, p.addressBy = r.Attempt, time.Time{}
		if c.overdue || skipped(r) {
			x.put(entry{ack: ack}) // it is known
		} else {
			x.say(c, quecthing.Failed, ack)
		}
	default:
		x.put(entry{ack: ack}) // said by the decision
	}
}

// skipped reports whether a component did not begin because another one had failed. The
// wire's failure is of the whole plan, and was said of that one. A second failure may come
// after the next address, and would be one of the next attempt.
func skipped(r *ota.Report) bool { return r.Failure != nil && r.Failure.Code == ota.Skipped }

// receivedPart announces the plan with its last component.
func (x *Exchange) receivedPart(p *plan, c *part, ack *ota.Ack) {
	if p.items == nil {
		p.delivered = true // reported before the start, and not heard of by the platform
	}
	if c == p.last() {
		x.announce(p, ack)
	} else {
		x.put(entry{ack: ack})
	}
}

// giveUp sets when an MCU component is given up that does not go on. A module is
// written by the device itself.
func (x *Exchange) giveUp(c *part, wait time.Duration) {
	if c.kind == ota.MCU {
		c.giveUpAt = x.now.Add(wait)
	}
}

// downloadFailed asks for a new address by the status that says why. After five in a
// row the sixth is for good.
func (x *Exchange) downloadFailed(p *plan, c *part, ack *ota.Ack) {
	x.settle(c)
	if c.failed && !c.unsure { // it is known, by the wish for another address
		if ack != nil {
			x.put(entry{ack: ack})
		}
		return
	}
	if !c.failed {
		x.fails++
	}
	c.failed, c.unsure = true, false
	if x.fails <= maxDownFailed {
		x.say(c, quecthing.DownloadFailed, ack)
		return
	}
	x.say(c, quecthing.Failed, ack)
	if ack == nil {
		x.terminate(p, "six downloads in a row have failed")
	}
}

// addressWanted takes the agent's wish for another address. The wire has no word for
// it but that the download has failed.
func (x *Exchange) addressWanted(r *ota.AddressRequest) {
	p := x.find(r.Plan)
	if p == nil {
		return
	}
	c := p.part(r.Component, x.kindOf(r.Component))
	if r.Reason == ota.AddressMissing && p.items != nil && c.status != ota.ReadyToDownload && c.status != ota.Downloading {
		return // the platform knows what it owes
	}
	x.downloadFailed(p, c, nil)
}

// progressed goes on to repeat the status of a download that was under way before the
// start, and keeps a component from being given up that is taking its file.
func (x *Exchange) progressed(r *ota.Progress) {
	p := x.find(r.Plan)
	if p == nil {
		return
	}
	c := p.part(r.Component, x.kindOf(r.Component))
	switch {
	case c.status == ota.PlanNotReceived && r.Phase == ota.PhaseDownloading:
		c.status = ota.Downloading
		x.repeat(c)
	case c.status == ota.DownloadSucceeded && !c.giveUpAt.IsZero():
		x.giveUp(c, readWait)
	}
}

// say queues a status of a component.
func (x *Exchange) say(c *part, s quecthing.Status, ack *ota.Ack) {
	kind := int64(quecthing.ModuleType)
	if c.kind == ota.MCU {
		kind = quecthing.MCUType
	}
	items := quecthing.Items{quecthing.Int(quecthing.StatusCode, int64(s)),
		quecthing.Text(quecthing.StatusText, s.String()), quecthing.Int(quecthing.ComponentType, kind),
		quecthing.Text(quecthing.Component, c.id)}
	switch s {
	case quecthing.Confirmed:
		if x.settings.WantSHA256 {
			items = append(items, quecthing.Text(quecthing.WantedDigest, quecthing.DigestWanted))
		}
	case quecthing.Succeeded, quecthing.Failed:
		x.fails = 0
		items = append(items, x.versions()...)
	}
	x.put(entry{command: quecthing.UpgradeStatus, channel: quecthing.OTA, qos: 2, items: items, ack: ack})
}

// queuedBefore reports whether a report is in the queue, or was, and notes that it is
// now. The agent sends them in order, and those again that are not acknowledged.
func (x *Exchange) queuedBefore(r *ota.Report) bool {
	if x.link != online {
		return true
	}
	for i := range x.queued {
		if m := &x.queued[i]; m.plan == r.Plan {
			if r.Seq <= m.seq {
				return true
			}
			m.seq = r.Seq
			return false
		}
	}
	if len(x.queued) >= maxPlans {
		x.queued = x.queued[1:]
	}
	x.queued = append(x.queued, mark{r.Plan, r.Seq})
	return false
}
