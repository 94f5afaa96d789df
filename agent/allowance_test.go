package agent_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// pusher is a platform that sends faster than anything changes, and a device that
// does what it has to at once.
type pusher struct {
	t       *testing.T
	machine *agent.Machine
	now     time.Time
	saves   int
	sent    []ota.Up
}

func newPusher(t *testing.T) *pusher {
	p := &pusher{t: t, now: epoch}
	config := &agent.Config{Agent: "ota-agent/test", Open: openText,
		Components: []agent.ComponentConfig{{ID: "app", Type: ota.Module}}}
	p.machine = agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, config, nil)
	p.handle(agent.Booted{BootID: "boot-1", Components: []agent.Found{{ID: "app", Version: "1"}}})
	p.handle(agent.Connected{})
	p.saves, p.sent = 0, nil
	return p
}

func (p *pusher) handle(in agent.Input) {
	for _, out := range p.machine.Handle(p.now, in) {
		switch out := out.(type) {
		case agent.Save:
			p.saves++
		case agent.Send:
			p.sent = append(p.sent, out.Message)
		case agent.Measure:
			p.handle(agent.Measured{})
		}
	}
	p.now = p.now.Add(time.Millisecond)
}

// plan is one that the device accepts, or refuses because it is for a component
// that it has not.
func (p *pusher) plan(id string, attempt int, component string) *ota.Plan {
	return &ota.Plan{Time: p.now, ID: id, Attempt: attempt, Mode: ota.Silent, Ends: epoch.AddDate(1, 0, 0),
		OnFailure:  ota.Stop,
		Components: []ota.PlanComponent{{ID: component, Type: ota.Module, Package: ota.Full, Target: "2"}}}
}

// answers are the decisions among what was sent.
func (p *pusher) answers() (all []*ota.Decision) {
	for _, m := range p.sent {
		if d, is := m.(*ota.Decision); is {
			all = append(all, d)
		}
	}
	return all
}

// A platform in a loop, or a hostile one, wears out no flash: whatever it sends a
// thousand times within a second leads to a few saves, and each plan has an answer.
func TestFewSavesForMany(t *testing.T) {
	const many = 1000
	flood := func(send func(p *pusher, n int)) func(*pusher) {
		return func(p *pusher) {
			for n := range many {
				send(p, n+1)
			}
		}
	}
	fail := func(p *pusher) {
		p.handle(agent.Received{Message: p.plan("p", 1, "app")})
		p.handle(agent.Received{Message: packageOf(p, "p", 1, "no manifest")})
	}
	for name, c := range map[string]struct {
		send func(*pusher)
		most int // saves
	}{
		"one plan that is refused": {flood(func(p *pusher, _ int) {
			p.handle(agent.Received{Message: p.plan("p", 1, "motor")})
		}), 1},
		"plans that are refused": {flood(func(p *pusher, n int) {
			p.handle(agent.Received{Message: p.plan(fmt.Sprint("p-", n), 1, "motor")})
		}), 25},
		"plans that are refused, in turns": {flood(func(p *pusher, n int) {
			p.handle(agent.Received{Message: p.plan(fmt.Sprint("p-", n%2), 1, "motor")})
		}), 25},
		"a refused plan with growing attempts": {flood(func(p *pusher, n int) {
			p.handle(agent.Received{Message: p.plan("p", n, "motor")})
		}), 25},
		"a refused plan that says something else each time": {flood(func(p *pusher, n int) {
			plan := p.plan("p", 1, "motor")
			plan.Name = fmt.Sprint(n)
			p.handle(agent.Received{Message: plan})
		}), 25},
		"plans that can be accepted": {flood(func(p *pusher, n int) {
			p.handle(agent.Received{Message: p.plan(fmt.Sprint("p-", n), 1, "app")})
		}), 1},
		"plans that can be accepted, each of them ended": {flood(func(p *pusher, n int) {
			p.handle(agent.Received{Message: p.plan(fmt.Sprint("p-", n), 1, "app")})
			p.handle(agent.Received{Message: &ota.Termination{Time: p.now, Plan: fmt.Sprint("p-", n), Reason: "terminated"}})
		}), 60},
		"an accepted plan with growing attempts": {flood(func(p *pusher, n int) {
			p.handle(agent.Received{Message: p.plan("p", n, "app")})
		}), 25},
		"addresses of a failed component with growing attempts": {func(p *pusher) {
			fail(p)
			flood(func(p *pusher, n int) { p.handle(agent.Received{Message: packageOf(p, "p", n+1, "no manifest")}) })(p)
		}, 60},
		"acknowledgements": {flood(func(p *pusher, n int) {
			p.handle(agent.Received{Message: p.plan("p", 1, "motor")})
			p.handle(agent.Received{Message: &ota.Ack{Plan: "p", Seq: 1}})
		}), 2},
		"plans that cannot be read": {flood(func(p *pusher, n int) {
			p.handle(agent.BadPlan{Plan: fmt.Sprint("p-", n), Attempt: 1, Detail: "bad"})
		}), 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPusher(t)
			c.send(p)
			assert.LessOrEqual(t, p.saves, c.most)
		})
	}
}

// packageOf is the address of a component's package.
func packageOf(p *pusher, plan string, attempt int, manifest string) *ota.Package {
	return &ota.Package{Time: p.now, Plan: plan, Attempt: attempt, Component: "app",
		Envelope: ota.Envelope{Payload: []byte(manifest)}}
}

// A plan too many is refused, and asked for again when there is room for it.
func TestPlanTooManyIsAskedForAgain(t *testing.T) {
	p := newPusher(t)
	for n := range 30 {
		p.handle(agent.Received{Message: p.plan(fmt.Sprint("p-", n), 1, "motor")})
	}
	answers := p.answers()
	require.Len(t, answers, 30, "each has an answer")
	assert.Equal(t, ota.ReasonIncompatible, answers[19].Reason)
	last := answers[29]
	assert.Equal(t, ota.ReasonBusy, last.Reason)
	assert.WithinDuration(t, epoch.Add(4*time.Second), last.RetryAt, time.Second)

	p.now, p.sent = last.RetryAt, nil
	p.handle(agent.Tick{})
	require.Len(t, p.sent, 1)
	assert.True(t, p.sent[0].(*ota.Inventory).Request)
	p.handle(agent.Received{Message: p.plan("p-29", 1, "app")})
	answers = p.answers()
	require.Len(t, answers, 1)
	assert.True(t, answers[0].Accept)
}

// A clock that is set back does not keep a device from its plans.
func TestPlansAfterTheClockWasSetBack(t *testing.T) {
	p := newPusher(t)
	for n := range 30 {
		p.handle(agent.Received{Message: p.plan(fmt.Sprint("p-", n), 1, "motor")})
	}
	p.now = epoch.Add(-24 * time.Hour)
	p.handle(agent.Received{Message: p.plan("p-40", 1, "app")})
	p.now = p.now.Add(time.Minute)
	p.handle(agent.Received{Message: p.plan("p-40", 1, "app")})
	answers := p.answers()
	assert.True(t, answers[len(answers)-1].Accept)
}

// Answers that come as fast as a platform asks do not drown what the device keeps of
// its past, and wear out no flash.
func TestFewEventsForMany(t *testing.T) {
	for name, ask := range map[string]bool{"accepted": false, "asked": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.config.AskFirst, b.events = ask, &events{}
				b.start()
				defer b.stop()
				b.post(agent.Connected{})
				for range 1000 {
					b.post(b.plan("app"))
				}
				assert.Less(t, len(b.events.kept), 40)
				assert.Less(t, b.count("save"), 5)
			})
		})
	}
}
