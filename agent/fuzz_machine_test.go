package agent_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// FuzzMachine gives a Machine inputs in any order, sensible or not. It must not
// panic, and what it says must keep to the rules of a ledger and of effects.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{0, 2, 0, 1, 3, 0, 0, 0, 1, 12, 0, 12, 0, 12, 0, 12, 0, 12, 0, 12, 0})
	f.Add([]byte{0, 2, 1, 1, 3, 1, 0, 0, 1, 12, 0, 12, 2, 14, 0, 1, 0, 12, 0, 14, 1, 2, 3, 0, 12, 9})
	f.Add([]byte{0, 2, 2, 1, 3, 2, 1, 0, 1, 3, 2, 0, 1, 1, 12, 1, 3, 2, 0, 0, 2, 15, 2, 12, 0, 14, 0, 0, 0, 17, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), 300)] // longer lives find nothing new
		c := &chaos{data: data, now: epoch, ledger: ledger{}, urlCache: map[string]*ota.Package{}}
		c.config = agent.Config{Agent: "ota-agent/test", Open: openText, MaxRestarts: 1, Hardware: "b"}
		c.config.Components = []agent.ComponentConfig{{ID: "app", Type: ota.Module}, {ID: "motor", Type: ota.Module},
			{ID: "rootfs", Type: ota.Module}}
		c.boot("0")
		for len(c.data) > 0 {
			require.NoError(t, c.step())
		}
	})
}

// chaos is a device in a world without sense.
type chaos struct {
	data     []byte
	config   agent.Config
	machine  *agent.Machine
	saved    *agent.State
	now      time.Time
	urlCache map[string]*ota.Package
	effects  effects
	ledger   ledger
	cut      int // outputs that are still executed; 0 for all
}

// pick takes the next byte as a number below n.
func (c *chaos) pick(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % n
}

var (
	chaosComponents = []string{"app", "motor", "rootfs", "gone"}
	chaosVersions   = []string{"1", "2", "", "3", "not a version\n"}
	chaosTwists     = []string{"", "", "", "!key_untrusted", "+target", "+other", "+expired", "+old", "+delta", "+two"}
	chaosCodes      = []ota.Code{"", "", ota.InstallerFailed, ota.Reverted, ota.Skipped, ota.PlanTerminated, "moon_phase"}
	chaosRestarts   = []firmware.Restart{firmware.RestartNone, firmware.RestartProcess, firmware.RestartSystem, "", "moon"}
	chaosNeeds      = []ota.AddressReason{"", "", "", ota.AddressExpired, ota.AddressMirrors, ota.AddressMissing}
)

// plan gives one of four plans, which differ in what they ask.
func (c *chaos) plan() *ota.Plan {
	n := c.pick(4)
	plan := &ota.Plan{Time: epoch, ID: "p" + strconv.Itoa(n), Attempt: 1 + c.pick(4), Mode: ota.Silent,
		Ends:      epoch.Add(time.Duration(n) * 24 * time.Hour),
		OnFailure: []ota.OnFailure{ota.Stop, ota.Continue, ota.Revert, ota.Revert}[n]}
	minimum := 30
	plan.Conditions.MinBattery = &minimum
	for _, id := range chaosComponents[:min(n+1, 3)] {
		plan.Components = append(plan.Components, ota.PlanComponent{ID: id, Type: ota.Module, Package: ota.Full, Target: "2"})
	}
	return plan
}

func (c *chaos) pkg() *ota.Package {
	plan, component := "p"+strconv.Itoa(c.pick(4)), chaosComponents[c.pick(4)]
	return &ota.Package{Time: epoch, Plan: plan, Component: component,
		Envelope: ota.Envelope{Payload: []byte(component + ">2" + chaosTwists[c.pick(len(chaosTwists))])},
		Attempt:  1 + c.pick(5),
		Files:    []ota.FileAddress{{Name: "image", URLs: []string{"https://oss.example.com/" + component}}}}
}

func (c *chaos) step() error {
	switch kind := c.pick(20); kind {
	case 12:
		return c.handle(c.result(c.effects.op, c.effects.running))
	case 13:
		any := []agent.Output{agent.Fetch{}, agent.Stage{}, agent.Activate{}, agent.CheckHealth{}, agent.Confirm{},
			agent.Revert{}, agent.Restart{}}
		return c.handle(c.result(agent.Op(c.pick(20)), any[c.pick(len(any))]))
	case 14:
		return c.boot(strconv.Itoa(c.pick(3)))
	case 15:
		c.cut = c.pick(6)
		return nil
	case 18:
		return c.handle(c.fromOperator())
	case 19:
		c.config.Windows = []agent.Window{{Days: [7]bool{true, false, true, true}, From: 60 * c.pick(24),
			To: 60 * c.pick(25), Zone: time.UTC}}[c.pick(2):]
		return c.boot("1")
	case 17:
		c.config.Components = c.config.Components[:1+c.pick(3)]
		return c.boot("1")
	default:
		return c.handle(c.input(kind))
	}
}

// input makes an input from outside.
func (c *chaos) input(kind int) agent.Input {
	switch kind {
	case 0:
		return agent.Connected{}
	case 1:
		return agent.Disconnected{}
	case 2:
		return agent.Received{Message: c.plan()}
	case 3:
		return agent.Received{Message: c.pkg()}
	case 4:
		plan := "p" + strconv.Itoa(c.pick(5))
		return agent.Received{Message: &ota.Ack{Plan: plan, Seq: c.pick(1 + len(c.ledger.account(plan).reports))}}
	case 5:
		reason := []ota.TerminationReason{ota.Terminated, ota.Ended}[c.pick(2)]
		return agent.Received{Message: &ota.Termination{Time: c.now, Plan: "p" + strconv.Itoa(c.pick(5)), Reason: reason}}
	case 6:
		return agent.Received{Message: &ota.NoPlan{Time: c.now, Reason: ota.NoPlanNone}}
	case 7:
		return agent.BadPlan{Plan: "p" + strconv.Itoa(c.pick(5)), Attempt: c.pick(4), Detail: "nonsense"}
	case 8:
		return agent.CheckRequested{}
	case 9:
		return agent.Decided{Accept: c.pick(2) == 0, Plan: []string{"p2", "p1"}[c.pick(2)], Attempt: 1 + c.pick(3),
			Targets: []string{"2", "2"}[:1+c.pick(2)]}
	case 10:
		c.config.AskFirst = c.pick(2) == 0
		c.now = c.now.Add(time.Duration(1+c.pick(200)) * time.Duration(1+c.pick(200)) * time.Minute)
		return agent.Tick{}
	case 11:
		battery := c.pick(100)
		return agent.Measured{Readings: agent.Readings{Battery: &battery, Busy: c.pick(4) == 0}}
	}
	return agent.Booted{BootID: "again", Components: []agent.Found{{ID: "app", Version: "1"}}}
}

// fromOperator makes an input of the operator's tool.
func (c *chaos) fromOperator() agent.Input {
	switch c.pick(7) {
	case 6:
		return agent.Inspected{Component: chaosComponents[c.pick(4)], Version: chaosVersions[c.pick(len(chaosVersions))]}
	case 0:
		return agent.PauseRequested{Reason: "nonsense"}
	case 4:
		return agent.Abandon{Plan: "p" + strconv.Itoa(c.pick(5))}
	case 5:
		return agent.BadPackage{Plan: "p" + strconv.Itoa(c.pick(5)), Attempt: c.pick(4), Component: c.pkg().Component,
			Detail: "nonsense"}
	case 1:
		return agent.ResumeRequested{}
	}
	in := agent.Install{Plan: c.plan(), Package: c.pkg(), Path: "/media/usb/app.ota"}
	in.Plan.ID = "l" + strconv.Itoa(c.pick(3))
	in.Plan.Components = []ota.PlanComponent{{ID: in.Package.Component, Type: ota.Module, Package: ota.Full, Target: "2"}}
	in.Package.Plan = in.Plan.ID
	return in
}

// result makes the result of an effect, of the kind of out.
func (c *chaos) result(op agent.Op, out agent.Output) agent.Input {
	var failure *ota.Failure
	if code := chaosCodes[c.pick(len(chaosCodes))]; code != "" {
		failure = &ota.Failure{Code: code}
	}
	version, restart := chaosVersions[c.pick(len(chaosVersions))], chaosRestarts[c.pick(len(chaosRestarts))]
	switch out.(type) {
	case agent.Fetch:
		switch c.pick(4) {
		case 0:
			return agent.FetchStarted{Op: op}
		case 1:
			return agent.FetchProgressed{Op: op, Done: 1, Total: 2}
		}
		return agent.Fetched{Op: op, Need: chaosNeeds[c.pick(len(chaosNeeds))], Failure: failure,
			Gained: c.pick(2) == 1, Setbacks: agent.Setbacks{Fruitless: c.pick(9)}}
	case agent.Stage:
		return agent.Staged{Op: op, Failure: failure}
	case agent.Activate:
		return agent.Activated{Op: op, Restart: restart, Failure: failure}
	case agent.CheckHealth:
		return agent.HealthChecked{Op: op, Version: version, Failure: failure}
	case agent.Confirm:
		return agent.Confirmed{Op: op, Failure: failure}
	case agent.Restart:
		return agent.RestartMissed{Op: op, Detail: "nothing happens"}
	}
	return agent.RevertDone{Op: op, Restart: restart, Version: version, Failure: failure}
}

// boot starts the agent from its disk.
func (c *chaos) boot(bootID string) error {
	saved, err := reread(c.saved)
	if err != nil {
		return err
	}
	c.machine = agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, &c.config, saved)
	c.effects, c.cut = effects{}, 0
	booted := agent.Booted{BootID: bootID}
	for _, component := range c.config.Components {
		found := agent.Found{ID: component.ID, Version: chaosVersions[c.pick(len(chaosVersions))],
			Package: c.urlCache[component.ID]}
		if c.pick(8) == 1 {
			found.Package = c.pkg()
		}
		booted.Components = append(booted.Components, found)
	}
	return c.handle(booted)
}

func (c *chaos) handle(in agent.Input) error {
	c.effects.hear(in)
	c.now = c.now.Add(time.Second)
	outputs := c.machine.Handle(c.now, in)
	if err := c.effects.take(outputs); err != nil {
		return fmt.Errorf("after %#v: %w", in, err)
	}
	for i, out := range outputs {
		if c.cut > 0 && i == c.cut {
			return c.boot("cut")
		}
		switch out := out.(type) {
		case agent.Save:
			c.machine.Reclaim(c.saved)
			c.saved = out.State
		case agent.Fetch:
			c.urlCache[out.Package.Component] = out.Package
		case agent.Forget:
			delete(c.urlCache, out.Component)
		case agent.Restart:
			switch c.pick(8) {
			case 6:
				return c.handle(agent.RestartMissed{Op: out.Op, Detail: "nothing happens"})
			case 7:
				return c.durable(in) // it is waited for
			}
			return c.boot(strconv.Itoa(c.pick(3)))
		case agent.Measure:
			if c.pick(4) == 0 {
				break // the readings do not come, but another input
			}
			if err := c.handle(c.input(11)); err != nil {
				return err
			}
		case agent.Send:
			if report, is := out.Message.(*ota.Report); is {
				if err := c.ledger.take(report); err != nil {
					return fmt.Errorf("after %#v: %w", in, err)
				}
			}
		}
	}
	return c.durable(in)
}

// durable checks that what the machine has decided is on the disk.
func (c *chaos) durable(in agent.Input) error {
	is := c.machine.View().Plan
	kept := agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, &c.config, c.saved).View().Plan
	switch {
	case (is == nil) != (kept == nil):
		return fmt.Errorf("after %#v: the plan is not saved", in)
	case is == nil:
		return nil
	case is.ID != kept.ID || is.Attempt != kept.Attempt || is.Answer != kept.Answer && is.Answer != "asking":
		return fmt.Errorf("after %#v: %s@%d %s is saved as %s@%d %s", in, is.ID, is.Attempt, is.Answer, kept.ID,
			kept.Attempt, kept.Answer)
	}
	for i := range is.Components {
		if is.Components[i].Status != kept.Components[i].Status {
			return fmt.Errorf("after %#v: component %s is %s, and %s is saved", in, is.Components[i].ID,
				is.Components[i].Status, kept.Components[i].Status)
		}
	}
	return nil
}
