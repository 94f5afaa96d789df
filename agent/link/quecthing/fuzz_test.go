package quecthing_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/quecthing"
	"otafleet/internal/ota"
	wire "otafleet/internal/quecthing"
	"otafleet/internal/quecthing/trial"
)

// FuzzHeard has a device hear two messages of any content, and time pass between them.
// Neither the exchange nor the machine breaks, and neither collects anything.
func FuzzHeard(f *testing.F) {
	all, err := trial.ReadAll("../../../internal/quecthing/testdata/trials")
	require.NoError(f, err)
	for _, tr := range all {
		last := wire.Frame{Command: wire.DeviceConfig}
		for i, l := range tr.Lines {
			if c, is := l.Content.(trial.Publish); is && l.Who == trial.Down && i%3 == 0 {
				if frame, err := wire.DecodeFrame(c.Payload); err == nil {
					f.Add(uint16(last.Command), last.Payload, uint16(frame.Command), frame.Payload)
					last = frame
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, c1 uint16, first []byte, c2 uint16, second []byte) {
		d := newFuzzed()
		for _, m := range []wire.Frame{{ID: 1, Command: wire.Command(c1), Payload: first},
			{ID: 2, Command: wire.Command(c2), Payload: second}} {
			payload, err := m.Encode()
			if err != nil {
				return
			}
			d.x.Heard(d.now, payload)
			d.settle(t)
			d.x.Handled(d.now)
			d.now = d.now.Add(time.Minute)
			d.settle(t)
		}
	})
}

// fuzzed is a connected device.
type fuzzed struct {
	x   *quecthing.Exchange
	m   *agent.Machine
	now time.Time
}

func newFuzzed() *fuzzed {
	d := &fuzzed{now: epoch}
	d.m = agent.New(identity, &agent.Config{Agent: "a", Platform: &agent.PlatformTrust{WeakDigests: true},
		Open:       func(ota.Envelope) (*ota.Manifest, error) { return nil, errors.New("unsigned") },
		Components: []agent.ComponentConfig{{ID: "MOD", Type: ota.Module}, {ID: "STM32", Type: ota.MCU}}}, nil)
	d.x = quecthing.NewExchange(quecthing.Settings{Identity: identity, Secret: "mine", SessionKey: true,
		Draw: func() float64 { return 0 }})
	d.input(agent.Booted{BootID: "b", Components: []agent.Found{{ID: "MOD", Version: "V1.0.0"},
		{ID: "STM32", Version: "1_0_0"}}})
	_, _ = d.x.Next(d.now)
	d.x.Connected(d.now)
	return d
}

// settle lets everything happen that happens by itself.
func (d *fuzzed) settle(t *testing.T) {
	for range 10000 {
		inputs := d.x.Deliveries()
		for _, in := range inputs {
			d.input(in)
		}
		switch action, _ := d.x.Next(d.now); action.(type) {
		case quecthing.Publish:
			d.x.Taken(d.now)
		case quecthing.Close:
			d.x.Lost(d.now, errors.New("closed"))
		case quecthing.Connect:
			d.x.Connected(d.now)
		case quecthing.KeepSecret:
		default:
			if len(inputs) == 0 {
				return
			}
		}
	}
	require.Fail(t, "the device does not come to rest")
}

func (d *fuzzed) input(in agent.Input) {
	for _, out := range d.m.Handle(d.now, in) {
		switch out := out.(type) {
		case agent.Send:
			d.x.Send(d.now, out.Message)
		case agent.Measure:
			d.input(agent.Measured{})
		case agent.Fetch:
			d.input(agent.FetchStarted{Op: out.Op})
			d.input(agent.Fetched{Op: out.Op, Failure: &ota.Failure{Code: ota.HTTPError}})
		}
	}
}

// FuzzPacket reads what a broker may send.
func FuzzPacket(f *testing.F) {
	for _, b := range [][]byte{{0x20, 2, 0, 0}, {0x90, 3, 0, 1, 1}, {0x32, 7, 0, 1, 'a', 0, 9, 'x', 'y'}, {0x40, 2, 0, 1},
		{0xd0, 0}, {0x30, 2, 0, 0}, {0x32, 0xff, 0xff, 0xff, 0x7f}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for range 100 {
			if _, err := quecthing.ReadPacket(r); err != nil {
				return
			}
		}
	})
}
