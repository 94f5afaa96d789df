package quecthing

import (
	"errors"
	"time"

	"otafleet/internal/ota"
	"otafleet/internal/quecthing"
)

// The times of the wire.
const (
	askPause      = 10 * time.Second // until no plan is taken for the answer
	bindPause     = 5 * time.Second  // until it is said that no secret has come
	addressWait   = 30 * time.Second // after a confirmation
	repeatEvery   = 5 * time.Second  // of the status Downloading
	readWait      = time.Minute      // until an MCU component takes what was downloaded
	upgradeWait   = 20 * time.Minute // until it runs what it took
	maxDownFailed = 5                // failed downloads in a row; one more is for good
)

// Next gives what has to be done, or the time at which to ask again: anything that
// happens before may bring something earlier. The zero time stands for nothing.
func (x *Exchange) Next(now time.Time) (Action, time.Time) {
	x.now = now
	x.expire()
	switch {
	case x.unkept:
		x.unkept = false
		return KeepSecret{x.secret}, time.Time{}
	case x.closing != nil:
		return Close{x.closing}, time.Time{}
	case x.link == down && !now.Before(x.retry):
		x.link = connecting
		return Connect{First: x.first, Secret: x.secret}, time.Time{}
	}
	if p, is := x.publish(); is {
		return p, time.Time{}
	}
	return nil, x.wakeAt()
}

// publish gives the first message of the queue. Reports for which nothing is sent are
// done with when it is their turn.
func (x *Exchange) publish() (Publish, bool) {
	for x.link == online && !x.sending && len(x.queue) > 0 {
		e := &x.queue[0]
		if e.command == 0 {
			x.pop()
			continue
		}
		x.id = quecthing.NextID(x.id)
		payload, err := quecthing.Frame{ID: x.id, Command: e.command, Payload: e.items.Encode()}.Encode()
		if err != nil {
			x.trouble = err
			x.pop()
			continue
		}
		if x.cipher != nil {
			payload = x.cipher.Seal(payload)
		}
		x.sending = true
		return Publish{Channel: e.channel, QoS: e.qos, Payload: payload}, true
	}
	return Publish{}, false
}

// wakeAt is when something falls due by itself.
func (x *Exchange) wakeAt() (at time.Time) {
	consider := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if x.link == down {
		consider(x.retry)
	}
	if x.link == binding && x.now.Before(x.bindBy) {
		consider(x.bindBy)
	}
	consider(x.asked)
	consider(x.repeatAt)
	for _, p := range x.plans {
		consider(p.addressBy)
		for i := range p.parts {
			consider(p.parts[i].giveUpAt)
		}
	}
	return at
}

// due takes a time that has come.
func (x *Exchange) due(at *time.Time) bool {
	if at.IsZero() || x.now.Before(*at) {
		return false
	}
	*at = time.Time{}
	return true
}

// expire does what is due. The times run without a connection, too.
func (x *Exchange) expire() {
	if x.due(&x.asked) {
		x.message(&ota.NoPlan{Time: x.now, Reason: ota.NoPlanNone})
	}
	if x.due(&x.repeatAt) {
		x.say(&x.repeats, quecthing.Downloading, nil)
		x.repeat(&x.repeats)
	}
	for _, p := range x.plans {
		if x.due(&p.addressBy) {
			x.terminate(p, "the platform has sent no address within 30 s")
		}
		for i := range p.parts {
			x.expirePart(p, &p.parts[i])
		}
	}
}

func (x *Exchange) expirePart(p *plan, c *part) {
	if !x.due(&c.giveUpAt) {
		return
	}
	if c.status == ota.Upgrading {
		// Nothing stops a switch: what comes of it is reported all the same.
		c.overdue = true
		x.say(c, quecthing.Failed, nil)
		return
	}
	x.terminate(p, "the component has not taken its file within a minute")
}

// terminate ends a plan for the agent, as far as it can be ended.
func (x *Exchange) terminate(p *plan, why string) {
	x.trouble = errors.New(why + ", by which the wire ends an upgrade")
	x.message(&ota.Termination{Time: x.now, Plan: p.id, Reason: ota.Terminated})
}
