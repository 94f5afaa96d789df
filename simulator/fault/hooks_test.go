package fault_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/fault"
	"otafleet/simulator/scenario"
)

// bench is one device with one fault. It is the hooks and the control under the
// fault, and notes what reaches them.
type bench struct {
	t     *testing.T
	fault *fault.Injection
	hooks fault.Hooks

	fired   int
	busy    string
	install time.Duration
	cuts    []time.Duration // of the power
	crashes []time.Duration
	drops   []time.Duration // of the line
	resets  int
	still   []time.Duration // the line
	slow    []string        // what the line fires for a time
	gone    int
	taken   int // the session
	ended   int // the plan
	lost    int // the line
	looks   int // at the sensors
	pending []pending

	body      []byte // of every answer of the storage
	sent      []ota.Up
	delivered []agent.Input
	reported  []ota.Report
}

// pending is something that happens after a time.
type pending struct {
	delay time.Duration
	do    func()
}

// newBench puts a fault on a fleet of one device, which surely has it.
func newBench(t *testing.T, f scenario.Fault) *bench {
	f.Name, f.Chance = "mishap", 100
	if f.Times == (scenario.Range[int]{}) {
		f.Times = times(1)
	}
	s := &scenario.Scenario{
		Fleets: []scenario.Fleet{{Name: "gw", Count: 1, Product: "p", Components: []scenario.Installed{
			{ComponentVersion: ota.ComponentVersion{ID: "app", Type: ota.Module}, Release: 3},
			{ComponentVersion: ota.ComponentVersion{ID: "motor", Type: ota.MCU}},
		}}},
		Faults: []scenario.Fault{f},
	}
	b := &bench{t: t, busy: "app", body: bytes.Repeat([]byte("0123456789"), 100)}
	set := fault.NewSet(s, 1, func(device, name string) {
		assert.Equal(t, "gw-000001 mishap", device+" "+name)
		b.fired++
	})
	set.Sign = b.sign
	drawn := set.Draw(&s.Fleets[0], 1)
	require.Len(t, drawn, 1)
	assert.Equal(t, "mishap", drawn[0].Name())
	b.fault = drawn[0]
	b.boot()
	return b
}

// boot starts the device, again.
func (b *bench) boot() {
	b.hooks = b.fault.Decorate(fault.Hooks{
		Exchange: func(*fault.Exchange) {}, Request: func(*fault.Request) {},
		Operate: func(string, fault.Operation) error { return nil },
		Version: func(_, runs string) string { return runs }, Clock: func(now time.Time) time.Time { return now },
		Health: b, Sensors: b, Link: b, Control: b,
		Deliver:  func(in agent.Input) { b.delivered = append(b.delivered, in) },
		Reported: func(r *ota.Report) { b.reported = append(b.reported, *r) },
	})
}

func (b *bench) Check(context.Context) error         { return nil }
func (b *bench) Read(context.Context) agent.Readings { return agent.Readings{Battery: new(80)} }
func (b *bench) Send(m ota.Up)                       { b.sent = append(b.sent, m) }

func (b *bench) CutPower(cause string, off time.Duration) {
	assert.Equal(b.t, "mishap", cause)
	b.cuts = append(b.cuts, off)
}
func (b *bench) Crash(cause string, off time.Duration) {
	assert.Equal(b.t, "mishap", cause)
	b.crashes = append(b.crashes, off)
}
func (b *bench) Vanish(cause string) {
	assert.Equal(b.t, "mishap", cause)
	b.gone++
}
func (b *bench) ResetLink()                 { b.resets++ }
func (b *bench) TakeSession()               { b.taken++ }
func (b *bench) EndPlan()                   { b.ended++ }
func (b *bench) LoseLink()                  { b.lost++ }
func (b *bench) FreezeLink(d time.Duration) { b.still = append(b.still, d) }
func (b *bench) DelayLink(by, lasting time.Duration) {
	b.slow = append(b.slow, fmt.Sprint(by, " more for ", lasting))
}
func (b *bench) ThrottleLink(rate int64, lasting time.Duration) {
	b.slow = append(b.slow, fmt.Sprint(rate, " B/s for ", lasting))
}
func (b *bench) CutLink(down time.Duration)    { b.drops = append(b.drops, down) }
func (b *bench) Remeasure()                    { b.looks++ }
func (b *bench) Busy() (string, time.Duration) { return b.busy, b.install }
func (b *bench) After(d time.Duration, do func()) {
	b.pending = append(b.pending, pending{d, do})
}

// start lets the next thing happen that is pending, if anything is.
func (b *bench) start() {
	if len(b.pending) == 0 {
		return
	}
	next := b.pending[0]
	b.pending = b.pending[1:]
	next.do()
}

// wait lets everything happen that is pending, and returns after which times.
func (b *bench) wait() []time.Duration {
	var delays []time.Duration
	for len(b.pending) > 0 {
		delays = append(delays, b.pending[0].delay)
		b.start()
	}
	return delays
}

// report is a report that the device makes durable, and sends.
func (b *bench) report(component string, s ota.Status) {
	r := &ota.Report{Component: component, Status: s}
	b.hooks.Reported(r)
	b.hooks.Link.Send(r)
}

// ask asks the storage once, and gives what will come of it.
func (b *bench) ask() *fault.Exchange {
	x := &fault.Exchange{Component: b.busy, Length: int64(len(b.body))}
	b.hooks.Exchange(x)
	return x
}

// download asks the storage once, and gives what came.
func (b *bench) download() (status int, body []byte, err error) {
	x, body, err := b.exchange()
	return cmp.Or(x.Status, http.StatusOK), body, err
}

// exchange asks the storage once, and lets come of it what shall.
func (b *bench) exchange() (x *fault.Exchange, body []byte, err error) {
	b.t.Helper()
	x = b.ask()
	if x.Status != 0 {
		x.Refund()
		return x, nil, nil
	}
	body = bytes.Clone(b.body)
	for _, m := range x.Answer() {
		if err != nil {
			m.Leave()
			continue
		}
		m.Reach()
		switch m.Turn {
		case fault.Flips:
			body[m.At] ^= 1
		case fault.Breaks:
			body, err = body[:m.At], io.ErrUnexpectedEOF
		case fault.Ends:
			body, err = body[:m.At], io.EOF
		}
	}
	return x, body, err
}

// arrivePlan, arrivePackage and connect are what the link brings.
func (b *bench) arrivePlan() { b.hooks.Deliver(agent.Received{Message: &ota.Plan{ID: "spring"}}) }
func (b *bench) connect()    { b.hooks.Deliver(agent.Connected{}) }

// sign signs a manifest as the platform's owner does.
func (b *bench) sign(m *ota.Manifest) (ota.Envelope, error) {
	payload, err := wire.EncodeManifest(m)
	require.NoError(b.t, err)
	return wire.Sign(wire.ManifestType, payload, ownerKey())
}

func ownerKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) }

// open opens an envelope as the device does.
func (b *bench) open(e ota.Envelope) (*ota.Manifest, error) {
	trust := wire.Trust{Keys: []ed25519.PublicKey{ownerKey().Public().(ed25519.PublicKey)}}
	return trust.Open(e)
}

// manifest is a component's, of the 7th release.
func manifest(component string) *ota.Manifest {
	return &ota.Manifest{Product: "p", Component: component, Type: ota.Module, Package: ota.Full, Target: "2", Release: 7,
		Created: time.Unix(0, 0), Files: []ota.File{{Name: "f", Chunk: ota.MinChunk, Encoding: ota.Plain}}}
}

func (b *bench) arrivePackage(component string) *ota.Package {
	envelope, err := b.sign(manifest(component))
	require.NoError(b.t, err)
	sent := &ota.Package{Component: component, Envelope: envelope}
	b.hooks.Deliver(agent.Received{Message: sent})
	_, err = b.open(sent.Envelope)
	require.NoError(b.t, err, "the message may be shared")
	got, is := b.delivered[len(b.delivered)-1].(agent.Received).Message.(*ota.Package)
	require.True(b.t, is)
	return got
}

// openPackage lets a package arrive and opens it as the device does, which has
// run the 3rd release.
func (b *bench) openPackage(component string) error {
	m, err := b.open(b.arrivePackage(component).Envelope)
	if err == nil && m.Release < 3 && !m.AllowDowngrade {
		err = &ota.Failure{Code: ota.DowngradeRefused}
	}
	return err
}

// strikes lets the fault's place come so often, and returns what the device
// suffered each time.
func (b *bench) strikes(n int, come func() bool) []bool {
	var struck []bool
	for range n {
		struck = append(struck, come())
	}
	return struck
}

func times(n int) scenario.Range[int] { return scenario.Range[int]{Lo: n, Hi: n} }

func lasting(d time.Duration) scenario.Range[time.Duration] {
	return scenario.Range[time.Duration]{Lo: d, Hi: d}
}

func delayed(d time.Duration) scenario.After { return scenario.After{Delay: lasting(d)} }

func share(p scenario.Percent) scenario.After {
	return scenario.After{Share: scenario.Range[scenario.Percent]{Lo: p, Hi: p}}
}

func countTrue(all []bool) int {
	return len(slices.DeleteFunc(slices.Clone(all), func(b bool) bool { return !b }))
}
