package virtual

import (
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/model"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/scenario"
)

// platform is the plan engine, and the broker between it and the devices.
type platform struct {
	world  *world
	engine *engine.Engine

	down       bool             // it hears nothing until it is back
	inbox      []engine.Message // that the broker keeps for it meanwhile
	orders     []engine.Command // that it could not take meanwhile
	brokerDown bool
	storeDown  bool
	revoked    time.Duration // addresses issued before then are refused

	next  time.Duration // when the engine wants to be called, since the start of the run
	waits bool          // whether it wants that
}

// prepare makes the engine, with the scenario's packages and plans. A plan that has
// not all of the world's devices is edited: the other worlds' is another one.
func (p *platform) prepare(devices []model.Member) {
	r := p.world.run
	p.engine = r.platform.Fork(p.world.tools.engine)
	p.execute(nil)
	for i := range r.scenario.Plans {
		if plan := &r.scenario.Plans[i]; plan.Repeat == nil && len(model.Excluded(plan, devices)) > 0 {
			p.command(engine.EditPlan{Plan: model.PlanSpec(r.scenario, plan, r.epoch, devices)})
		}
	}
}

// create gives the engine a plan.
func (p *platform) create(plan *scenario.Plan) {
	devices := make([]model.Member, len(p.world.devices))
	for i, d := range p.world.devices {
		devices[i] = d.Member
	}
	p.command(engine.CreatePlan{Plan: model.PlanSpec(p.world.run.scenario, plan, p.world.run.epoch, devices)})
}

// command carries out an order, as soon as the platform is there to take it. One
// that comes too late, such as the suspension of a plan that has ended, changes
// nothing, and the verdict tells of it.
func (p *platform) command(cmd engine.Command) {
	if p.down {
		p.orders = append(p.orders, cmd)
		return
	}
	outputs, err := p.engine.Command(p.world.clock(), cmd)
	if err != nil {
		p.world.refused.Add(cmd, p.world.now, err)
	}
	p.execute(outputs)
}

// nextTick is when the engine wants to be called, since the start of the run.
func (p *platform) nextTick() (time.Duration, bool) { return p.next, p.waits && !p.down }

func (p *platform) tick() { p.execute(p.engine.Handle(p.world.clock(), engine.Tick{})) }

// receive takes one message of a device.
func (p *platform) receive(id ota.Identity, m ota.Up) {
	if p.down {
		p.inbox = append(p.inbox, engine.Message{Device: id, Message: m})
		return
	}
	p.execute(p.engine.Handle(p.world.clock(), engine.Message{Device: id, Message: m}))
}

// back lets the platform hear what the broker has kept for it, and then what was
// to be ordered.
func (p *platform) back() {
	p.down = false
	inbox, orders := p.inbox, p.orders
	p.inbox, p.orders = nil, nil
	for _, m := range inbox {
		p.execute(p.engine.Handle(p.world.clock(), m))
	}
	for _, cmd := range orders {
		p.command(cmd)
	}
}

// execute sends what the engine wants sent and records what happened, whenever the
// engine has done something.
func (p *platform) execute(outputs []engine.Output) {
	next := p.engine.NextTick()
	p.next, p.waits = next.Sub(p.world.run.epoch), !next.IsZero()
	for _, out := range outputs {
		switch out := out.(type) {
		case engine.Send:
			p.send(out.Device, out.Message)
		case engine.Issue:
			p.send(out.Device, p.address(out))
		default:
			p.world.observe(out)
		}
	}
}

// send gives a message to the broker.
func (p *platform) send(id ota.Identity, m ota.Down) {
	if d := p.world.deviceNamed(id); d != nil {
		d.talk.publish(m)
	}
}

// address is the message with the address of a package.
func (p *platform) address(out engine.Issue) *ota.Package {
	made := p.world.run.artifact(out.Package)
	now := p.world.clock()
	m := &ota.Package{Time: now, Plan: out.Plan, Attempt: out.Attempt, Component: out.Component, Envelope: made.Envelope,
		Files: make([]ota.FileAddress, len(made.Manifest.Files))}
	for i := range m.Files {
		m.Files[i] = ota.FileAddress{Name: made.Manifest.Files[i].Name, URLs: made.urls[i : i+1],
			Expires: now.Add(engine.URLValidity)}
	}
	return m
}
