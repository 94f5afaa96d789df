package hawkbit_test

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/link/hawkbit"
	"otafleet/internal/ota"
)

func digest(text []byte) ota.Digest { return sha256.Sum256(text) }

var identity = ota.Identity{Product: "gw-200", Device: "gw-0001"}

// bench is an Exchange with a server on the one side, and on the other what a device
// was told.
type bench struct {
	t        *testing.T
	server   *server
	exchange *hawkbit.Exchange
	now      time.Time
	heard    []agent.Input
	seq      map[string]int
	handle   bool // Handled is called at once
	vouched  bool // Settings.Vouched
	modules  map[string]string
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, server: newServer(t), now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), seq: map[string]int{},
		handle: true}
	b.restart()
	return b
}

// restart begins a new Exchange, as a process that has ended and begun does.
func (b *bench) restart() {
	b.exchange = hawkbit.NewExchange(hawkbit.Settings{Identity: identity, URL: parse(b.t, base), OnFailure: ota.Stop,
		Vouched: b.vouched, Modules: b.modules, Draw: func() float64 { return 0 }})
	b.heard = nil
}

// settle carries requests until none is due, and returns when one will be.
func (b *bench) settle() time.Time {
	b.t.Helper()
	for range 100 {
		b.take()
		r, at := b.exchange.Next(b.now)
		if r == nil {
			return at
		}
		status, body := b.server.answer(r.Method, parse(b.t, r.URL).Path, r.Body)
		b.exchange.Answered(b.now, hawkbit.Response{Status: status, Body: body})
	}
	b.t.Fatal("there is no end of requests")
	return time.Time{}
}

// take collects what the device receives.
func (b *bench) take() {
	inputs, handled := b.exchange.Deliveries()
	b.heard = append(b.heard, inputs...)
	if handled && b.handle {
		b.exchange.Handled(b.now)
	}
}

// pass lets time pass, and carries what becomes due.
func (b *bench) pass(d time.Duration) {
	b.t.Helper()
	for end := b.now.Add(d); ; {
		at := b.settle()
		if at.After(end) {
			b.now = end
			return
		}
		b.now = at
	}
}

// hears takes the messages of one kind out of what the device was told.
func hears[T ota.Down](b *bench) []T {
	b.t.Helper()
	b.take()
	var found []T
	b.heard = slices.DeleteFunc(b.heard, func(in agent.Input) bool {
		if r, is := in.(agent.Received); is {
			if m, is := r.Message.(T); is {
				found = append(found, m)
				return true
			}
		}
		return false
	})
	return found
}

func (b *bench) send(m ota.Up) { b.exchange.Send(b.now, m) }

// start connects, and says what the device runs.
func (b *bench) start() {
	b.t.Helper()
	b.settle()
	require.Contains(b.t, b.heard, agent.Input(agent.Connected{}))
	b.send(&ota.Inventory{Agent: "ota-agent/1", Request: true,
		Components: []ota.ComponentVersion{{ID: "app", Type: ota.Module, Version: "1.0.0"}}})
	b.settle()
}

// reports tells of steps of a component.
func (b *bench) reports(plan, component string, statuses ...ota.Status) {
	for _, s := range statuses {
		b.seq[plan]++
		r := &ota.Report{Plan: plan, Attempt: 1, Seq: b.seq[plan], Component: component, Status: s, Version: "1.0.0"}
		if s.Failed() {
			r.Failure = &ota.Failure{Code: ota.HealthCheckFailed, Detail: "it does not answer"}
		}
		b.send(r)
	}
}

func (b *bench) accept(plan string) { b.send(&ota.Decision{Plan: plan, Attempt: 1, Accept: true}) }

// offered is the one plan that the device was given, which it has reported as
// received.
func (b *bench) offered(id string) *ota.Plan {
	b.t.Helper()
	plans := hears[*ota.Plan](b)
	require.Len(b.t, plans, 1)
	require.Equal(b.t, id, plans[0].ID)
	for _, c := range plans[0].Components {
		b.reports(id, c.ID, ota.PlanReceived)
	}
	return plans[0]
}

func TestUpgrade(t *testing.T) {
	b := newBench(t)
	b.server.ask = true
	b.server.assign("8", "1.1.0", "app", "motor")
	b.start()
	assert.Equal(t, map[string]string{"agent": "ota-agent/1", "product": "gw-200", "version.app": "1.0.0"}, b.server.data)
	plan := b.offered("8")
	assert.Equal(t, []string{"1.1.0", "1.1.0"}, plan.Targets())
	assert.Equal(t, "app", plan.Components[0].ID, "by ota.order")
	b.accept("8")
	packages := hears[*ota.Package](b)
	require.Len(t, packages, 2)
	assert.Equal(t, []string{base + "/DEFAULT/controller/v1/gw-0001/artifacts/app.bin"}, packages[0].Files[0].URLs)
	b.settle()
	for _, c := range []string{"app", "motor"} {
		b.reports("8", c, ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded)
		b.settle()
		b.reports("8", c, ota.Upgrading)
		b.settle()
		assert.Empty(t, hears[*ota.Ack](b), "nothing is acknowledged before the action is closed")
		b.reports("8", c, ota.UpgradeSucceeded)
		b.settle()
	}
	assert.Equal(t, []string{"deployment 8 scheduled/none", "deployment 8 downloaded/none", "deployment 8 proceeding/none",
		"deployment 8 proceeding/none",
		"deployment 8 downloaded/none", "deployment 8 proceeding/none", "deployment 8 closed/success"}, b.server.said())
	assert.Equal(t, []*ota.Ack{{Plan: "8", Seq: b.seq["8"]}}, hears[*ota.Ack](b))
}

// A poll during a download brings the packages of the action no second time: the agent
// would begin anew.
func TestPollsDuringADownload(t *testing.T) {
	b := newBench(t)
	b.server.assign("8", "1.1.0", "app")
	b.start()
	b.offered("8")
	b.accept("8")
	b.settle()
	require.Len(t, hears[*ota.Package](b), 1)
	b.reports("8", "app", ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading)
	b.pass(10 * time.Minute)
	assert.Empty(t, hears[*ota.Package](b))
	b.send(&ota.AddressRequest{Plan: "8", Attempt: 1, Component: "app"})
	b.pass(time.Minute)
	assert.Len(t, hears[*ota.Package](b), 1, "it asks for fresh addresses")
}

func TestFailure(t *testing.T) {
	b := newBench(t)
	a := b.server.assign("8", "1.1.0", "app", "motor")
	b.start()
	b.offered("8")
	b.accept("8")
	b.reports("8", "app", ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading,
		ota.UpgradeFailed)
	b.settle()
	assert.Equal(t, "ERROR", a.status)
	assert.Equal(t, []string{"app: upgrade_failed (health_check_failed: it does not answer); runs 1.0.0"}, a.details)
}

// TestRestart at every step: the agent sends all of its reports again, and the action
// ends as it would have.
func TestRestart(t *testing.T) {
	steps := []ota.Status{ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading,
		ota.UpgradeSucceeded}
	for cut := range len(steps) + 1 {
		b := newBench(t)
		a := b.server.assign("8", "1.1.0", "app")
		b.start()
		b.offered("8")
		b.accept("8")
		b.settle()
		b.reports("8", "app", steps[:cut]...)
		b.restart()
		b.seq["8"] = 0
		b.settle()
		b.reports("8", "app", append([]ota.Status{ota.PlanReceived}, steps[:cut]...)...)
		b.settle()
		for range hears[*ota.Plan](b) {
			b.accept("8")
		}
		b.settle()
		b.reports("8", "app", steps[cut:]...)
		b.settle()
		assert.Equal(t, "FINISHED", a.status, "after %d steps", cut)
		assert.Equal(t, []*ota.Ack{{Plan: "8", Seq: 7}}, hears[*ota.Ack](b), "after %d steps", cut)
	}
}

func TestConfirmation(t *testing.T) {
	b := newBench(t)
	a := b.server.assign("8", "1.1.0", "app")
	a.waits = true
	b.start()
	b.offered("8")
	b.send(&ota.Decision{Plan: "8", Attempt: 1, Reason: ota.ReasonBattery, Detail: "20 % < 50 %"})
	b.settle()
	assert.Equal(t, []string{"refused: battery_low: 20 % < 50 %"}, a.details)
	b.send(&ota.Inventory{Request: true})
	b.pass(time.Second)
	require.Len(t, hears[*ota.Plan](b), 1, "the battery is charged, and the device asks again")
	b.accept("8")
	b.settle()
	assert.Len(t, hears[*ota.Package](b), 1)
	assert.Equal(t, []string{"confirmation 8 denied", "confirmation 8 confirmed"}, b.server.said())
}

func TestRefusal(t *testing.T) {
	for reason, want := range map[ota.Reason]string{
		ota.ReasonBusy: "deployment 8 rejected/none", ota.ReasonBattery: "deployment 8 rejected/none",
		ota.ReasonDeclined:     "deployment 8 closed/failure",
		ota.ReasonIncompatible: "deployment 8 closed/failure",
	} {
		b := newBench(t)
		b.server.assign("8", "1.1.0", "app")
		b.start()
		b.offered("8")
		b.send(&ota.Decision{Plan: "8", Attempt: 1, Reason: reason})
		b.settle()
		b.pass(time.Hour)
		b.send(&ota.Decision{Plan: "8", Attempt: 1, Reason: reason})
		b.settle()
		assert.Equal(t, []string{want}, b.server.said(), "it is said once")
	}
}

// TestCancel before the switch, and during it.
func TestCancel(t *testing.T) {
	for _, test := range []struct {
		before    []ota.Status
		status    string
		goesOn    bool
		afterward []ota.Status
	}{
		{status: "CANCELED", afterward: []ota.Status{ota.UpgradeFailed}},
		{[]ota.Status{ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading}, "CANCELED", false,
			[]ota.Status{ota.DownloadFailed}},
		{[]ota.Status{ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading},
			"FINISHED", true, nil},
	} {
		b := newBench(t)
		b.handle = false
		a := b.server.assign("8", "1.1.0", "app")
		b.start()
		b.offered("8")
		b.accept("8")
		b.reports("8", "app", test.before...)
		b.settle()
		a.cancel = true
		b.pass(10 * time.Minute)
		require.Len(t, hears[*ota.Termination](b), 1)
		b.reports("8", "app", test.afterward...)
		b.exchange.Handled(b.now)
		b.settle()
		if test.goesOn {
			require.False(t, a.cancel, "it was refused")
			b.reports("8", "app", ota.UpgradeSucceeded)
			b.settle()
		}
		assert.Equal(t, test.status, a.status, "after %v", test.before)
		assert.Len(t, hears[*ota.Ack](b), 1)
	}
}

// TestGone: an action that the operator has force-quit ends for the agent, too.
func TestGone(t *testing.T) {
	b := newBench(t)
	a := b.server.assign("8", "1.1.0", "app")
	b.start()
	b.offered("8")
	b.accept("8")
	b.settle()
	a.status = "CANCELED"
	b.reports("8", "app", ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading)
	b.settle()
	assert.Equal(t, []*ota.Ack{{Plan: "8", Seq: 4}}, hears[*ota.Ack](b))
	assert.Len(t, hears[*ota.Termination](b), 1)
}

// TestOpenAgain: an action that the device has closed, and that is open on a server
// which was restored, is answered from what runs.
func TestOpenAgain(t *testing.T) {
	b := newBench(t)
	a := b.server.assign("8", "1.1.0", "app")
	b.start()
	b.offered("8")
	b.accept("8")
	b.reports("8", "app", ota.NoUpdateRequired)
	b.settle()
	require.Equal(t, "FINISHED", a.status)
	a.status = "RUNNING"
	b.pass(10 * time.Minute)
	plans := hears[*ota.Plan](b)
	require.Len(t, plans, 1)
	assert.Equal(t, 2, plans[0].Attempt)
}

// TestDoneForGood: an agent that has ended a plan for good is asked once more for it, and
// then hawkBit hears how it is.
func TestDoneForGood(t *testing.T) {
	b := newBench(t)
	a := b.server.assign("8", "1.1.0", "app")
	b.start()
	for attempt := 1; attempt <= 2; attempt++ {
		b.settle()
		require.Len(t, hears[*ota.Plan](b), 1)
		b.send(&ota.Decision{Plan: "8", Attempt: attempt, Accept: true})
	}
	b.settle()
	assert.Empty(t, hears[*ota.Plan](b))
	assert.Equal(t, "ERROR", a.status)
	assert.Equal(t, []string{"refused: declined: the device has ended the plan, and does not take it up again"}, a.details)
}

func TestMaintenanceWindow(t *testing.T) {
	b := newBench(t)
	a := b.server.assign("8", "1.1.0", "app")
	a.window, a.update = "unavailable", "skip"
	b.start()
	assert.Empty(t, hears[*ota.Plan](b))
	require.Len(t, hears[*ota.NoPlan](b), 1)
	a.window, a.update = "available", "forced"
	b.pass(10 * time.Minute)
	b.offered("8")
}

// TestTrouble that the server has: the device waits, longer each time, and says why.
func TestTrouble(t *testing.T) {
	for status, online := range map[int]bool{401: false, 403: false, 404: false, 409: true, 429: true, 500: false,
		503: false, 302: false} {
		b := newBench(t)
		b.start()
		b.now = b.now.Add(time.Hour)
		asked := 0
		for end := b.now.Add(time.Hour); b.now.Before(end); {
			b.take()
			r, at := b.exchange.Next(b.now)
			if r == nil {
				b.now = at
				continue
			}
			asked++
			b.exchange.Answered(b.now, hawkbit.Response{Status: status})
		}
		assert.Less(t, asked, 60, "%d: the pauses grow", status)
		assert.Greater(t, asked, 10, "%d", status)
		assert.Equal(t, online, !slices.Contains(b.heard, agent.Input(agent.Disconnected{})), "%d", status)
		if !online {
			assert.ErrorContains(t, b.exchange.Trouble(), http.StatusText(status)[:0], "%d", status)
		}
		b.pass(10 * time.Minute)
		assert.NoError(t, b.exchange.Trouble())
	}
}

func TestRetryAfter(t *testing.T) {
	b := newBench(t)
	b.start()
	b.now = b.now.Add(time.Hour)
	r, _ := b.exchange.Next(b.now)
	require.NotNil(t, r)
	b.exchange.Answered(b.now, hawkbit.Response{Status: 503, RetryAfter: 2 * time.Hour})
	_, at := b.exchange.Next(b.now)
	assert.Equal(t, b.now.Add(2*time.Hour), at)
}

// TestBadActions are refused with what to do about them, once.
func TestBadActions(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(a *serverAction)
		want  string
	}{
		"no manifest": {func(a *serverAction) { remove(a, 0, 1) }, "has no artifact *.ota-manifest: upload"},
		"no file": {func(a *serverAction) { remove(a, 0, 0) },
			"has no artifact app.bin, of which its signed manifest speaks"},
		"not a manifest": {func(a *serverAction) { a.files["app.ota-manifest"] = []byte("{") },
			"the signed manifest of module \"app\""},
		"missing manifest": {func(a *serverAction) { delete(a.files, "app.ota-manifest") }, "cannot be read (404)"},
		"no modules":       {func(a *serverAction) { a.chunks = nil }, "it has 0 modules: want 1 to 20"},
		"the same component": {func(a *serverAction) { a.chunks = append(a.chunks, a.chunks[0]) },
			"the modules make no plan"},
		"download only": {func(a *serverAction) { a.update = "skip" }, "assign it as soft or forced"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := b.server.assign("8", "1.1.0", "app")
			test.spoil(a)
			b.start()
			b.pass(time.Hour)
			assert.Equal(t, "ERROR", a.status)
			require.Len(t, a.details, 1)
			assert.Contains(t, a.details[0], test.want)
			assert.Empty(t, hears[*ota.Plan](b))
		})
	}
}

// remove takes an artifact out of a module.
func remove(a *serverAction, chunk, artifact int) {
	c := a.chunks[chunk].(map[string]any)
	c["artifacts"] = slices.Delete(c["artifacts"].([]any), artifact, artifact+1)
}

// TestReferencesElsewhere are not followed: the token would go with them.
func TestReferencesElsewhere(t *testing.T) {
	b := newBench(t)
	b.server.assign("8", "1.1.0", "app")
	b.server.url = "http://elsewhere.test"
	b.start()
	b.pass(time.Hour)
	assert.ErrorContains(t, b.exchange.Trouble(), "leads to http://elsewhere.test, not to http://hawkbit.test")
	assert.Empty(t, b.server.said())
}

// TestEndsWhileACancellationIsRefused: the component that was being switched comes to
// its end before hawkBit has answered the refusal. The end is sent all the same.
func TestEndsWhileACancellationIsRefused(t *testing.T) {
	b := newBench(t)
	b.handle = false
	a := b.server.assign("8", "1.1.0", "app")
	b.start()
	b.offered("8")
	b.accept("8")
	b.reports("8", "app", ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading, ota.DownloadSucceeded, ota.Upgrading)
	b.settle()
	a.cancel = true
	b.pass(10 * time.Minute)
	require.Len(t, hears[*ota.Termination](b), 1)
	b.exchange.Handled(b.now)
	refusal, _ := b.exchange.Next(b.now)
	require.NotNil(t, refusal)
	status, body := b.server.answer(refusal.Method, parse(t, refusal.URL).Path, refusal.Body)
	b.reports("8", "app", ota.UpgradeSucceeded)
	b.exchange.Answered(b.now, hawkbit.Response{Status: status, Body: body})
	b.settle()
	assert.Equal(t, "FINISHED", a.status)
	assert.Equal(t, []*ota.Ack{{Plan: "8", Seq: 7}}, hears[*ota.Ack](b))
}

// TestVersionsChangeWhileTheyAreSent: those that came later are sent, too.
func TestVersionsChangeWhileTheyAreSent(t *testing.T) {
	b := newBench(t)
	b.server.ask = true
	b.settle()
	runs := func(version string) {
		b.send(&ota.Inventory{Agent: "ota-agent/1", Components: []ota.ComponentVersion{
			{ID: "app", Type: ota.Module, Version: version}}})
	}
	runs("1.0.0")
	put, _ := b.exchange.Next(b.now)
	require.Equal(t, http.MethodPut, put.Method)
	status, body := b.server.answer(put.Method, parse(t, put.URL).Path, put.Body)
	runs("1.1.0")
	b.exchange.Answered(b.now, hawkbit.Response{Status: status, Body: body})
	b.settle()
	assert.Equal(t, "1.1.0", b.server.data["version.app"])
}
