package quecthing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/quecthing"
	"otafleet/internal/ota"
	wire "otafleet/internal/quecthing"
	"otafleet/internal/quecthing/trial"
)

// player is a device in the place of the recorded one: the Exchange and the agent's
// machine, with the surroundings of the recording. It hears what the platform of the
// recording has sent, is asked what the application was asked, and downloads what its
// server has given, each when it was.
type player struct {
	t     *testing.T
	trial *trial.Trial
	x     *quecthing.Exchange // nil while the device is off
	m     *agent.Machine
	saved *agent.State
	now   time.Time

	secret          string
	versions        map[string]string // what the components run; the module is MOD
	asks            bool              // the device is connecting
	connected       bool              // the machine has heard so
	opened, answers bool              // a connection to the download server, which has been asked
	timer           time.Time         // the machine's
	readings        agent.Readings
	asked           *ota.Plan
	accepted        *ota.Plan
	kept            map[string]*ota.Package // on its disk
	later           []task                  // what happens by itself
	apply           int                     // what the module's update does: 0 and above fail, after so many ms
	next            string                  // the module's version after a reboot

	fetch    *agent.Fetch // under way
	stage    *agent.Stage
	activate *agent.Activate

	said []string // what the device has sent
	id   uint16   // of the last frame
}

// task is what happens at a time.
type task struct {
	at time.Time
	do func()
}

// epoch is the time of the recordings' first line.
var epoch = time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)

func play(t *testing.T, tr *trial.Trial) []string {
	p := &player{t: t, trial: tr, now: epoch, apply: -1, next: "V1.0.0", versions: map[string]string{},
		kept: map[string]*ota.Package{}}
	for i, l := range tr.Lines {
		p.until(epoch.Add(l.At * time.Duration(tr.Scale)))
		p.line(i, l)
		p.pump()
	}
	return p.said
}

// until lets everything happen that is due before a time.
func (p *player) until(at time.Time) {
	for range 10000 {
		wake := p.pump()
		due := at
		consider := func(t time.Time) {
			if !t.IsZero() && t.Before(due) {
				due = t
			}
		}
		for _, l := range p.later {
			consider(l.at)
		}
		if p.x != nil {
			consider(p.timer)
			consider(wake)
		}
		if !due.Before(at) {
			p.now = at
			return
		}
		p.now = maxTime(p.now, due)
		p.happen()
		if p.x != nil && !p.timer.IsZero() && !p.now.Before(p.timer) {
			p.timer = time.Time{}
			p.input(agent.Tick{})
		}
	}
	require.Fail(p.t, "the device does not come to rest")
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// happen does what is due by itself.
func (p *player) happen() {
	due := slices.DeleteFunc(slices.Clone(p.later), func(l task) bool { return l.at.After(p.now) })
	p.later = slices.DeleteFunc(p.later, func(l task) bool { return !l.at.After(p.now) })
	for _, l := range due {
		l.do()
	}
}

func (p *player) after(wait time.Duration, do func()) {
	p.later = append(p.later, task{p.now.Add(wait), do})
}

// pump does what the exchange wants, as long as it wants something, and gives the time
// at which it wants something next.
func (p *player) pump() (wake time.Time) {
	for range 1000 {
		if p.x == nil {
			return time.Time{}
		}
		action, at := p.x.Next(p.now)
		heard := p.deliver()
		switch a := action.(type) {
		case quecthing.Connect:
			p.asks = true
		case quecthing.Publish:
			p.note(a)
			p.x.Taken(p.now)
			p.deliver()
		case quecthing.KeepSecret:
			p.secret = a.Secret
		case quecthing.Close:
			p.x.Lost(p.now, a.Why)
			p.deliver()
		default:
			if !heard {
				return at
			}
		}
	}
	require.Fail(p.t, "the exchange does not come to rest")
	return time.Time{}
}

// deliver has the machine hear what the exchange has for it, if that is something.
func (p *player) deliver() bool {
	inputs := p.x.Deliveries()
	for _, in := range inputs {
		switch in.(type) {
		case agent.Connected:
			p.connected = true
		case agent.Disconnected:
			p.connected = false
		}
		p.input(in)
	}
	return len(inputs) > 0
}

// note writes down a message that the device sends.
func (p *player) note(m quecthing.Publish) {
	f, err := wire.DecodeFrame(m.Payload)
	require.NoError(p.t, err)
	p.id = wire.NextID(p.id)
	require.Equal(p.t, p.id, f.ID, "the numbers of frames have no gap")
	p.said = append(p.said, describe(p.trial, m.Channel, int(m.QoS), f))
}

// input gives the machine an input, and does what it says.
func (p *player) input(in agent.Input) {
	for _, out := range p.m.Handle(p.now, in) {
		switch out := out.(type) {
		case agent.Save:
			p.saved = out.State
		case agent.Send:
			if p.connected {
				p.x.Send(p.now, out.Message)
			}
		case agent.SetTimer:
			p.timer = out.At
		case agent.Ask:
			p.asked = out.Plan
		case agent.Cancel:
			p.fetch, p.stage = nil, nil
		default:
			p.effect(out)
		}
	}
}

// effect does what the machine wants done at the device.
func (p *player) effect(out agent.Output) {
	switch out := out.(type) {
	case agent.Fetch:
		p.fetch, p.opened, p.answers = &out, false, false
		p.kept[out.Job.Component] = out.Package
	case agent.Forget:
		delete(p.kept, out.Component)
	case agent.Stage:
		p.stage = &out
		if out.Job.Component == "MOD" {
			p.staged(nil)
		}
	case agent.Activate:
		p.activate = &out
		if out.Job.Component == "MOD" {
			p.after(4950*time.Millisecond, p.applied)
		}
	case agent.Measure:
		p.input(agent.Measured{Readings: p.readings})
	case agent.CheckHealth:
		p.checked(out)
	case agent.Confirm:
		p.after(0, func() { p.input(agent.Confirmed{Op: out.Op}) })
	case agent.Revert:
		p.after(0, func() { p.input(agent.RevertDone{Op: out.Op, Version: p.versions[out.Job.Component]}) })
	}
}

func (p *player) checked(out agent.CheckHealth) {
	runs := p.versions[out.Job.Component]
	checked := agent.HealthChecked{Op: out.Op, Version: runs}
	if runs != out.Job.Target {
		checked.Failure = &ota.Failure{Code: ota.VerifyFailed}
	}
	p.after(0, func() { p.input(checked) })
}

// staged ends the staging.
func (p *player) staged(failure *ota.Failure) {
	if s := p.stage; s != nil {
		p.stage = nil
		p.after(0, func() { p.input(agent.Staged{Op: s.Op, Failure: failure}) })
	}
}

// applied ends the module's update, as the recording's does.
func (p *player) applied() {
	if a := p.activate; a != nil && p.apply >= 0 && p.x != nil {
		p.activate = nil
		p.after(time.Duration(p.apply)*time.Millisecond, func() {
			p.input(agent.Activated{Op: a.Op, Failure: &ota.Failure{Code: ota.InstallerFailed}})
		})
	}
}
