package quecthing_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/quecthing"
	"otafleet/internal/ota"
	wire "otafleet/internal/quecthing"
)

var identity = ota.Identity{Product: "p1115X", Device: "866123456789012"}

// talk is an exchange whose agent is the test.
type talk struct {
	t   *testing.T
	x   *quecthing.Exchange
	now time.Time
	id  uint16 // of the platform's last frame
}

func newTalk(t *testing.T, s quecthing.Settings) *talk {
	s.Identity = identity
	if s.Draw == nil {
		s.Draw = func() float64 { return 0 }
	}
	return &talk{t: t, x: quecthing.NewExchange(s), now: epoch}
}

// online is a talk of a device that has a secret and is connected.
func online(t *testing.T, s quecthing.Settings) *talk {
	s.Secret = "mine"
	k := newTalk(t, s)
	require.Equal(t, quecthing.Connect{Secret: "mine"}, k.next())
	k.x.Connected(k.now)
	require.Equal(t, []agent.Input{agent.Connected{}}, k.x.Deliveries())
	return k
}

func (k *talk) next() quecthing.Action {
	action, _ := k.x.Next(k.now)
	return action
}

// wait lets time pass, and gives what the agent hears of it.
func (k *talk) wait(d time.Duration) []agent.Input {
	k.now = k.now.Add(d)
	_, _ = k.x.Next(k.now)
	return k.x.Deliveries()
}

// hear gives the exchange a frame, and the agent what comes of it.
func (k *talk) hear(c wire.Command, items ...wire.Item) []agent.Input {
	k.id = wire.NextID(k.id)
	payload, err := wire.Frame{ID: k.id, Command: c, Payload: wire.Items(items).Encode()}.Encode()
	require.NoError(k.t, err)
	k.x.Heard(k.now, payload)
	return k.x.Deliveries()
}

// said takes everything that is to be sent, as statuses and commands.
func (k *talk) said() (codes []string) {
	for {
		p, is := k.next().(quecthing.Publish)
		if !is {
			return codes
		}
		f, err := wire.DecodeFrame(p.Payload)
		require.NoError(k.t, err)
		items, err := wire.DecodeItems(f.Payload)
		require.NoError(k.t, err)
		if code, is := items.Int(wire.StatusCode); f.Command == wire.UpgradeStatus && is {
			codes = append(codes, fmt.Sprint(code))
		} else {
			codes = append(codes, f.Command.String())
		}
		k.x.Taken(k.now)
	}
}

func (k *talk) inventory(request bool) {
	k.x.Send(k.now, &ota.Inventory{Request: request, Components: []ota.ComponentVersion{
		{ID: "MOD", Type: ota.Module, Version: "1"}, {ID: "STM32", Type: ota.MCU, Version: "1_0"}}})
}

func planItems(component, target string, kind int64) wire.Items {
	return wire.Items{wire.Text(wire.Component, component), wire.Text(wire.Target, target),
		wire.Int(wire.ComponentType, kind)}
}

func addressItems(component, target string, kind int64) wire.Items {
	return append(planItems(component, target, kind), wire.Text(wire.URL, "http://127.0.0.1/file.bin"),
		wire.Int(wire.Size, 5), wire.Text(wire.MD5, "00112233445566778899aabbccddeeff"))
}

// accepted is a talk in which the agent has accepted a plan for an MCU component, and
// has its package.
func accepted(t *testing.T) (k *talk, plan *ota.Plan) {
	k = online(t, quecthing.Settings{})
	k.inventory(true)
	heard := k.hear(wire.UpgradePlan, planItems("STM32", "2_0", wire.MCUType)...)
	plan = heard[0].(agent.Received).Message.(*ota.Plan)
	k.x.Send(k.now, &ota.Report{Plan: plan.ID, Attempt: 1, Seq: 1, Component: "STM32", Status: ota.PlanReceived})
	k.x.Send(k.now, &ota.Decision{Plan: plan.ID, Attempt: 1, Accept: true})
	k.x.Send(k.now, &ota.Report{Plan: plan.ID, Attempt: 1, Seq: 2, Component: "STM32", Status: ota.UpgradeConfirmed})
	require.Equal(t, []string{"0x0034", "0x0044", "0x0115", "1", "2"}, k.said())
	require.Equal(t, []agent.Input{agent.Received{Message: &ota.Ack{Plan: plan.ID, Seq: 1}},
		agent.Received{Message: &ota.Ack{Plan: plan.ID, Seq: 2}}}, k.x.Deliveries())
	return k, plan
}

func (k *talk) report(plan *ota.Plan, seq int, status ota.Status, failure ota.Code) {
	r := &ota.Report{Plan: plan.ID, Attempt: 1, Seq: seq, Component: "STM32", Status: status, Version: "1_0"}
	if failure != "" {
		r.Failure = &ota.Failure{Code: failure}
	}
	k.x.Send(k.now, r)
}

func TestFirstContact(t *testing.T) {
	k := newTalk(t, quecthing.Settings{})
	require.Equal(t, quecthing.Connect{First: true}, k.next())
	k.x.Connected(k.now)
	assert.Empty(t, k.x.Deliveries(), "there is no session before there is a secret")
	require.NoError(t, k.x.Trouble())
	assert.Empty(t, k.wait(time.Hour))
	assert.ErrorContains(t, k.x.Trouble(), "waits for its secret")
	assert.Equal(t, []agent.Input{agent.Connected{}}, k.hear(wire.DeviceConfig, wire.Text(wire.DeviceSecret, "theirs")))
	assert.Equal(t, quecthing.KeepSecret{Secret: "theirs"}, k.next())
	require.NoError(t, k.x.Trouble())
	k.x.Lost(k.now, errors.New("gone"))
	assert.Equal(t, []agent.Input{agent.Disconnected{}}, k.x.Deliveries())
	k.wait(time.Minute)
	k.x.Lost(k.now, errors.New("gone"))
	k.now = k.now.Add(time.Minute)
	assert.Equal(t, quecthing.Connect{Secret: "theirs"}, k.next())
}

func TestNewSecret(t *testing.T) {
	k := online(t, quecthing.Settings{})
	k.hear(wire.DeviceConfig, wire.Text(wire.NewDeviceSecret, "other"))
	assert.Equal(t, quecthing.KeepSecret{Secret: "other"}, k.next())
	require.IsType(t, quecthing.Close{}, k.next())
	k.x.Lost(k.now, errors.New("closed"))
	k.now = k.now.Add(time.Second)
	assert.Equal(t, quecthing.Connect{Secret: "other"}, k.next())

	k = online(t, quecthing.Settings{})
	k.hear(wire.DeviceConfig, wire.Bool(wire.ForgetSecret, true))
	require.IsType(t, quecthing.Close{}, k.next())
	k.x.Lost(k.now, errors.New("closed"))
	k.now = k.now.Add(time.Second)
	assert.True(t, k.next().(quecthing.Connect).First)
}

// TestRefusals: a broker's no costs the device nothing but time.
func TestRefusals(t *testing.T) {
	for code, want := range map[byte]struct {
		pause time.Duration
		first bool // at the next try
		says  string
	}{
		1: {10 * time.Minute, false, "does not take MQTT 3.1.1"},
		2: {10 * time.Minute, true, "client id"},
		3: {500 * time.Millisecond, false, "not available"},
		4: {10 * time.Minute, true, "refuses the password"},
		5: {10 * time.Minute, true, "refuses the password"},
		9: {10 * time.Minute, true, "code 9"},
	} {
		k := newTalk(t, quecthing.Settings{Secret: "mine"})
		require.IsType(t, quecthing.Connect{}, k.next())
		k.x.Refused(k.now, code)
		require.ErrorContains(t, k.x.Trouble(), want.says)
		k.now = k.now.Add(want.pause - time.Millisecond)
		require.Nil(t, k.next(), code)
		k.now = k.now.Add(time.Millisecond)
		require.Equal(t, quecthing.Connect{First: want.first, Secret: "mine"}, k.next(), code)
		k.x.Refused(k.now, code)
		k.now = k.now.Add(2*want.pause + time.Millisecond)
		require.Equal(t, quecthing.Connect{Secret: "mine"}, k.next(), "it has its secret still")
	}
}

func TestBackOff(t *testing.T) {
	k := newTalk(t, quecthing.Settings{Secret: "mine", Draw: func() float64 { return 0.25 }})
	for i := range 14 {
		require.IsType(t, quecthing.Connect{}, k.next(), i)
		k.x.Lost(k.now, errors.New("gone"))
		want := time.Duration(i%7+1) * time.Second
		if i%7 == 6 {
			want = 30 * time.Minute
		}
		k.now = k.now.Add(want - time.Millisecond)
		require.Nil(t, k.next(), i)
		k.now = k.now.Add(time.Millisecond)
	}
}

func TestExceptions(t *testing.T) {
	for code, pause := range map[int64]time.Duration{wire.CodeNotFound: 30 * time.Second,
		wire.CodeForbidden: 30 * time.Second, wire.CodeAuthentication: 10 * time.Minute, wire.CodeBusy: 10 * time.Minute,
		wire.CodeSecret: 10 * time.Minute} {
		k := online(t, quecthing.Settings{})
		k.hear(wire.Exception, wire.Int(wire.ExceptionCode, code))
		require.IsType(t, quecthing.Close{}, k.next())
		k.x.Lost(k.now, errors.New("closed"))
		require.ErrorContains(t, k.x.Trouble(), fmt.Sprint(code))
		k.now = k.now.Add(pause - time.Millisecond)
		require.Nil(t, k.next())
		k.now = k.now.Add(time.Millisecond)
		require.IsType(t, quecthing.Connect{}, k.next())
	}
	k := online(t, quecthing.Settings{})
	k.hear(wire.Exception, wire.Int(wire.ExceptionCode, wire.CodeQuota))
	require.Nil(t, k.next())
	require.ErrorContains(t, k.x.Trouble(), "used up")
}

func TestSessionKey(t *testing.T) {
	key := []byte("0123456789abcdef")
	c, err := wire.NewCipher(key)
	require.NoError(t, err)
	k := online(t, quecthing.Settings{SessionKey: true})
	k.hear(wire.DeviceConfig, wire.Raw(wire.SessionKey, key))
	k.inventory(false)
	sealed := k.next().(quecthing.Publish).Payload
	plain, err := c.Open(sealed)
	require.NoError(t, err)
	f, err := wire.DecodeFrame(plain)
	require.NoError(t, err)
	assert.Equal(t, wire.DeviceStatus, f.Command)

	assert.Empty(t, k.hear(wire.UpgradePlan, planItems("STM32", "2_0", wire.MCUType)...), "it is not encrypted")
	require.ErrorContains(t, k.x.Trouble(), "not encrypted")
	payload, err := wire.Frame{ID: 9, Command: wire.UpgradePlan,
		Payload: planItems("STM32", "2_0", wire.MCUType).Encode()}.Encode()
	require.NoError(t, err)
	k.x.Heard(k.now, c.Seal(payload))
	assert.Len(t, k.x.Deliveries(), 1)

	k = online(t, quecthing.Settings{})
	k.hear(wire.DeviceConfig, wire.Raw(wire.SessionKey, key))
	assert.Len(t, k.hear(wire.UpgradePlan, planItems("STM32", "2_0", wire.MCUType)...), 1, "no key was asked for")
}

func TestNoAddress(t *testing.T) {
	k, plan := accepted(t)
	assert.Empty(t, k.wait(30*time.Second-time.Millisecond))
	k.now = k.now.Add(time.Millisecond)
	assert.Equal(t, []agent.Input{agent.Received{Message: &ota.Termination{Time: k.now, Plan: plan.ID,
		Reason: ota.Terminated}}}, k.wait(0))
	k.report(plan, 3, ota.UpgradeFailed, ota.PlanTerminated)
	assert.Equal(t, []string{"12"}, k.said())
}

func TestAddress(t *testing.T) {
	k, plan := accepted(t)
	heard := k.hear(wire.UpgradeFile, addressItems("STM32", "2_0", wire.MCUType)...)
	pkg := heard[0].(agent.Received).Message.(*ota.Package)
	assert.Equal(t, &ota.Package{Time: k.now, Plan: plan.ID, Attempt: 1, Component: "STM32",
		Claim: &ota.Claim{Target: "2_0", Name: "file.bin", Size: 5,
			Sum: ota.Checksum{Kind: ota.MD5, Hex: "00112233445566778899aabbccddeeff"}},
		Files: []ota.FileAddress{{Name: "file.bin", URLs: []string{"http://127.0.0.1/file.bin"}}}}, pkg)
	k.report(plan, 3, ota.ReadyToDownload, "")
	k.report(plan, 4, ota.Downloading, "")
	assert.Equal(t, []string{"4", "5"}, k.said())
	k.x.Deliveries()
	assert.Empty(t, k.hear(wire.UpgradeFile, addressItems("STM32", "2_0", wire.MCUType)...), "it has that")
	k.x.Deliveries()
	for range 3 {
		k.now = k.now.Add(5 * time.Second)
		assert.Equal(t, []string{"5"}, k.said())
	}
	// Another address is wanted: the wire calls that a failure. The report of one says
	// nothing new.
	k.x.Send(k.now, &ota.AddressRequest{Plan: plan.ID, Attempt: 1, Component: "STM32", Reason: ota.AddressMirrors})
	assert.Equal(t, []string{"6"}, k.said())
	assert.Len(t, k.hear(wire.UpgradeFile, addressItems("STM32", "2_0", wire.MCUType)...), 1)
	k.report(plan, 5, ota.DownloadFailed, ota.HTTPError)
	assert.Equal(t, []string{"6"}, k.said())
	heard = k.hear(wire.UpgradeFile, addressItems("STM32", "2_0", wire.MCUType)...)
	again := heard[len(heard)-1].(agent.Received).Message.(*ota.Package)
	assert.Equal(t, 2, again.Attempt, "an address after a failure is another attempt")
}

// TestOverdue: what takes too long is said to have failed, and what comes of it all the
// same.
func TestOverdue(t *testing.T) {
	k, plan := accepted(t)
	k.hear(wire.UpgradeFile, addressItems("STM32", "2_0", wire.MCUType)...)
	k.report(plan, 3, ota.DownloadSucceeded, "")
	assert.Equal(t, []string{"8"}, k.said())
	k.x.Deliveries()
	k.now = k.now.Add(50 * time.Second)
	k.x.Send(k.now, &ota.Progress{Plan: plan.ID, Component: "STM32", Phase: ota.PhaseUpgrading})
	assert.Empty(t, k.wait(50*time.Second), "it has taken some of it")
	k.report(plan, 4, ota.Upgrading, "")
	assert.Equal(t, []string{"9"}, k.said())
	k.now = k.now.Add(20 * time.Minute)
	assert.Equal(t, []string{"12"}, k.said())
	k.report(plan, 5, ota.UpgradeFailed, ota.VerifyFailed)
	assert.Empty(t, k.said(), "that is known")

	// The times run without a connection.
	k, plan = accepted(t)
	k.report(plan, 3, ota.Upgrading, "")
	k.said()
	k.x.Lost(k.now, errors.New("gone"))
	k.wait(20 * time.Minute)
	k.x.Connected(k.now)
	k.inventory(false)
	assert.Equal(t, []string{"0x0034", "0x0044", "12"}, k.said())

	k, plan = accepted(t)
	k.report(plan, 3, ota.Upgrading, "")
	k.said()
	k.now = k.now.Add(20 * time.Minute)
	assert.Equal(t, []string{"12"}, k.said())
	k.report(plan, 4, ota.UpgradeSucceeded, "")
	assert.Equal(t, []string{"11"}, k.said())
}

// TestSkipped: the failure of a plan is said once. One of a component that did not begin
// might come after the next address, as a failure of the next attempt.
func TestSkipped(t *testing.T) {
	k, plan := accepted(t)
	k.hear(wire.UpgradeFile, addressItems("STM32", "2_0", wire.MCUType)...)
	k.report(plan, 3, ota.UpgradeFailed, ota.WriteFailed)
	k.x.Send(k.now, &ota.Report{Plan: plan.ID, Attempt: 1, Seq: 4, Component: "MOD", Status: ota.UpgradeFailed,
		Version: "1", Failure: &ota.Failure{Code: ota.Skipped}})
	assert.Equal(t, []string{"12"}, k.said())
	assert.Equal(t, []agent.Input{agent.Received{Message: &ota.Ack{Plan: plan.ID, Seq: 3}},
		agent.Received{Message: &ota.Ack{Plan: plan.ID, Seq: 4}}}, k.x.Deliveries())
}

// TestRestarted: after a restart the agent goes on, and the exchange finds its plan.
func TestRestarted(t *testing.T) {
	_, plan := accepted(t)
	k := online(t, quecthing.Settings{})
	k.x.Send(k.now, &ota.Inventory{Components: []ota.ComponentVersion{{ID: "STM32", Type: ota.MCU, Version: "1_0"}},
		Running: &ota.Running{Plan: plan.ID, Attempt: 1, Seq: 2}})
	k.x.Send(k.now, &ota.Decision{Plan: plan.ID, Attempt: 1, Accept: true})
	assert.Equal(t, []string{"0x0034", "0x0044"}, k.said())
	assert.Empty(t, k.hear(wire.UpgradePlan, planItems("STM32", "2_0", wire.MCUType)...), "the agent has accepted it")
	assert.Equal(t, []string{"2"}, k.said(), "and the platform may not know")
	heard := k.hear(wire.UpgradeFile, addressItems("STM32", "2_0", wire.MCUType)...)
	assert.Equal(t, plan.ID, heard[len(heard)-1].(agent.Received).Message.(*ota.Package).Plan)

	k = online(t, quecthing.Settings{})
	k.x.Send(k.now, &ota.Inventory{Components: []ota.ComponentVersion{{ID: "STM32", Type: ota.MCU, Version: "1_0"}},
		Running: &ota.Running{Plan: plan.ID, Attempt: 1, Seq: 2}})
	k.x.Send(k.now, &ota.AddressRequest{Plan: plan.ID, Attempt: 1, Component: "STM32", Reason: ota.AddressMissing})
	assert.Equal(t, []string{"0x0034", "0x0044", "6"}, k.said())
}

// TestNoPlan: the wire has no word for it, so silence is taken for one.
func TestNoPlan(t *testing.T) {
	k := online(t, quecthing.Settings{})
	k.inventory(true)
	k.said()
	assert.Empty(t, k.wait(9*time.Second))
	k.now = k.now.Add(time.Second)
	assert.Equal(t, []agent.Input{agent.Received{Message: &ota.NoPlan{Time: k.now, Reason: ota.NoPlanNone}}}, k.wait(0))
}

// TestOtherServers are not followed: the certificate of the configured one counts.
func TestOtherServers(t *testing.T) {
	k := online(t, quecthing.Settings{})
	k.hear(wire.DeviceConfig, wire.Nested(wire.ConfigServer, wire.Text(2, "elsewhere"), wire.Int(4, 1883)))
	assert.ErrorContains(t, k.x.Trouble(), "another server")
	assert.Nil(t, k.next())
}

// TestSHA256 is asked for, and counts where it is given.
func TestSHA256(t *testing.T) {
	k := online(t, quecthing.Settings{WantSHA256: true})
	k.inventory(true)
	k.said()
	plan := k.hear(wire.UpgradePlan, planItems("STM32", "2_0", wire.MCUType)...)[0].(agent.Received).Message.(*ota.Plan)
	k.x.Send(k.now, &ota.Decision{Plan: plan.ID, Attempt: 1, Accept: true})
	for range 2 {
		f, err := wire.DecodeFrame(k.next().(quecthing.Publish).Payload)
		require.NoError(t, err)
		items, err := wire.DecodeItems(f.Payload)
		require.NoError(t, err)
		if code, _ := items.Int(wire.StatusCode); wire.Status(code) == wire.Confirmed {
			assert.Equal(t, "sha256", items.Text(wire.WantedDigest))
		}
		k.x.Taken(k.now)
	}
	sum := "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"
	heard := k.hear(wire.UpgradeFile, append(addressItems("STM32", "2_0", wire.MCUType), wire.Text(wire.SHA256, sum))...)
	pkg := heard[0].(agent.Received).Message.(*ota.Package)
	assert.Equal(t, ota.SHA256, pkg.Claim.Sum.Kind)
	assert.Empty(t, pkg.Claim.Problem())
}
