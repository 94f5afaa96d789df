package quecthing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	codec "otafleet/internal/quecthing"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/quecthing"
)

const (
	product = "p1115X"
	key     = "866123456789012"
)

// fixture is a plan engine with one device, in a time of its own.
type fixture struct {
	t       testing.TB
	now     time.Time
	engine  *engine.Engine
	device  *quecthing.Device
	outputs []engine.Output // by the engine, and not passed on yet
	sent    []codec.Frame   // to the device
	trail   []string        // what the ledger stored: "app upgrading"
	faults  []string        // reports that it did not store
	decided []ota.Decision
	plans   int
	id      uint16 // of the device's last frame
}

func newFixture(t testing.TB) *fixture {
	id := ota.Identity{Product: product, Device: key}
	return &fixture{
		t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), engine: engine.New(),
		device: quecthing.NewDevice(id, quecthing.Patience{}),
	}
}

// at lets the time come, and what is due before it happen.
func (f *fixture) at(then time.Time) {
	for {
		next := f.engine.NextTick()
		if due := f.device.Next(); next.IsZero() || !due.IsZero() && due.Before(next) {
			next = due
		}
		if next.IsZero() || next.After(then) {
			f.now = then
			return
		}
		if next.After(f.now) {
			f.now = next
		}
		f.execute(f.engine.Handle(f.now, engine.Tick{}))
		f.converse((*quecthing.Device).Tick)
		if due := f.device.Next(); !due.IsZero() && !due.After(f.now) {
			require.Fail(f.t, "the device wants a tick again, and nothing comes of it")
		}
	}
}

func (f *fixture) pass(d time.Duration) { f.at(f.now.Add(d)) }

// execute sees what the engine wants done.
func (f *fixture) execute(outputs []engine.Output) {
	for _, out := range outputs {
		switch out := out.(type) {
		case engine.Send, engine.Issue:
			f.outputs = append(f.outputs, out)
		case engine.Decided:
			f.decided = append(f.decided, *out.Decision)
		case engine.Recorded:
			step := out.Report.Component + " " + out.Report.Status.String()
			if out.Report.Failure != nil {
				step += " " + string(out.Report.Failure.Code)
			}
			if out.Arrival != engine.Stored {
				f.faults = append(f.faults, fmt.Sprintf("%s: %s: %v", step, out.Arrival, out.Cause))
				continue
			}
			f.trail = append(f.trail, step)
		}
	}
}

// converse does a step of the conversation, and what follows from it.
func (f *fixture) converse(step func(*quecthing.Device, *platform.Talk) []codec.Frame) {
	f.sent = append(f.sent, step(f.device, platform.NewTalk(f.now, f.engine, f.execute))...)
	f.pump()
}

// pump passes on what the engine has said.
func (f *fixture) pump() {
	for len(f.outputs) > 0 {
		next := f.outputs[0]
		f.outputs = f.outputs[1:]
		t := platform.NewTalk(f.now, f.engine, f.execute)
		switch out := next.(type) {
		case engine.Send:
			f.sent = append(f.sent, f.device.Receive(t, out.Message)...)
		case engine.Issue:
			f.sent = append(f.sent, f.device.Addressed(t, quecthing.Address{
				Plan: out.Plan, Attempt: out.Attempt, Component: out.Component,
				Files: []platform.File{{
					Name: "a.img", Size: 27954, MD5: strings.Repeat("0a", 16), SHA256: strings.Repeat("0b", 32), CRC: "EFC6F6C9",
				}},
				URLs: []string{"http://192.0.2.1/a.img"},
			})...)
		}
	}
}

// order carries out a command, which must succeed.
func (f *fixture) order(c engine.Command) {
	f.t.Helper()
	outputs, err := f.engine.Command(f.now, c)
	require.NoError(f.t, err)
	f.execute(outputs)
	f.pump()
}

// component is one of a plan: "mcu STM32 2_0_0".
func component(text string) engine.ComponentSpec {
	words := strings.Fields(text)
	return engine.ComponentSpec{
		ID: words[1], Type: ota.ComponentType(words[0]), Package: ota.Full, Target: words[2],
	}
}

// plan puts a plan into effect, and gives its id.
func (f *fixture) plan(spec engine.PlanSpec, components ...string) string {
	f.t.Helper()
	for _, text := range components {
		c := component(text)
		spec.Components = append(spec.Components, c)
		m := ota.Manifest{
			Product: product, Component: c.ID, Type: c.Type, Package: ota.Full, Target: c.Target, Release: 1, Created: f.now,
			Files: []ota.File{{Name: "a.img", Size: 27954, Chunk: 65536, Chunks: make([]ota.Digest, 1)}},
		}
		if command := (engine.AddPackage{Manifest: m, Reference: text}); f.engine.MayAdd(command) == nil {
			f.order(command)
		}
	}
	f.converse((*quecthing.Device).Tick) // there are new packages
	f.plans++
	spec.ID = fmt.Sprintf("plan-%d", f.plans)
	spec.Name, spec.Product, spec.Zone, spec.Mode = spec.ID, product, time.UTC, ota.Silent
	spec.Start, spec.End = f.now.Add(-time.Minute), f.now.Add(30*24*time.Hour)
	f.order(engine.CreatePlan{Plan: spec})
	f.order(engine.Activate{Plan: spec.ID})
	return spec.ID
}

// connects begins a connection.
func (f *fixture) connects() {
	f.converse(func(d *quecthing.Device, t *platform.Talk) []codec.Frame {
		d.Connected(t)
		return nil
	})
}

// leaves ends it.
func (f *fixture) leaves() {
	if f.device.Left() {
		id := ota.Identity{Product: product, Device: key}
		f.execute(f.engine.Handle(f.now, engine.Message{Device: id, Message: &ota.Offline{}}))
	}
	f.outputs = nil
}

// takes gives the device's side a frame.
func (f *fixture) takes(frame codec.Frame) {
	f.converse(func(d *quecthing.Device, t *platform.Talk) []codec.Frame { return d.Take(t, frame) })
}

// view is the device under a plan.
func (f *fixture) view(plan string) engine.DeviceView {
	f.t.Helper()
	v, found := f.engine.Device(plan, key)
	require.True(f.t, found, plan)
	return v
}
