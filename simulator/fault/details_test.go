package fault_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/simulator/fault"
	"otafleet/simulator/scenario"
)

func TestLinkIsAsTheScenarioSays(t *testing.T) {
	at := scenario.At(ota.Downloading)
	fault := scenario.Fault{At: at, For: lasting(time.Minute), By: lasting(time.Second), Rate: 1000}
	for kind, want := range map[scenario.Kind]string{
		scenario.Latency: "1s more for 1m0s", scenario.Slow: "1000 B/s for 1m0s",
	} {
		f := fault
		f.Kind = kind
		b := newBench(t, f)
		come(b, at)
		assert.Equal(t, []string{want}, b.slow)
	}
	f := fault
	f.Kind, f.After = scenario.HalfOpen, share(50)
	b := newBench(t, f)
	_, body, err := b.download()
	require.NoError(t, err, "the connection does not break: it goes silent")
	assert.Equal(t, b.body, body)
	assert.Equal(t, []time.Duration{time.Minute}, b.still)
}

// TestWhatIsToComeOutlivesARestart: a device that restarts between the two steps
// of a fault fires the second one all the same.
func TestWhatIsToComeOutlivesARestart(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.URLExpired, At: scenario.At(ota.Downloading), After: share(50)})
	_, _, err := b.download()
	require.Error(t, err)
	b.boot()
	status, _, _ := b.download()
	assert.Equal(t, http.StatusForbidden, status)

	b = newBench(t, scenario.Fault{Kind: scenario.ObjectChanged, At: scenario.At(ota.Downloading)})
	_, _, err = b.download()
	require.Error(t, err)
	b.ask().Refund() // it never comes
	assert.Zero(t, b.fired)
	b.boot()
	x, _, err := b.exchange()
	require.NoError(t, err)
	assert.True(t, x.Changed && x.OtherObject)
	x, _, _ = b.exchange()
	assert.False(t, x.Changed || x.OtherObject, "the first object is back")
	assert.Equal(t, 1, b.fired)
}

// TestOnlyItsMessages: at a status only the messages of that status are meant.
func TestOnlyItsMessages(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.DuplicateMessage, At: scenario.At(ota.Upgrading), Component: "motor"})
	b.hooks.Link.Send(&ota.Report{Component: "motor", Status: ota.Downloading})
	b.hooks.Link.Send(&ota.Report{Component: "app", Status: ota.Upgrading})
	b.hooks.Link.Send(&ota.Inventory{})
	b.arrivePlan()
	assert.Len(t, b.sent, 3)
	assert.Len(t, b.delivered, 1)
	b.hooks.Link.Send(&ota.Report{Component: "motor", Status: ota.Upgrading})
	assert.Len(t, b.sent, 5)

	b = newBench(t, scenario.Fault{Kind: scenario.DuplicateMessage, At: scenario.At(ota.PlanReceived), Component: "motor"})
	b.arrivePackage("motor")
	b.arrivePlan() // of another component
	b.report("motor", ota.PlanReceived)
	assert.Len(t, b.delivered, 2)
	assert.Len(t, b.sent, 1)
	b.hooks.Deliver(agent.Received{Message: &ota.Plan{Components: []ota.PlanComponent{{ID: "motor"}}}})
	assert.Len(t, b.delivered, 4)
}

// TestNothingOvertakes: a message without one behind it arrives in the end, and
// the next one that has one is reordered instead.
func TestNothingOvertakes(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.ReorderMessages, At: scenario.AtReport})
	one, two, three := &ota.Report{Seq: 1}, &ota.Report{Seq: 2}, &ota.Report{Seq: 3}
	b.hooks.Link.Send(one)
	assert.Empty(t, b.sent)
	b.wait()
	assert.Equal(t, []ota.Up{one}, b.sent)
	assert.Zero(t, b.fired)
	b.hooks.Link.Send(two)
	b.hooks.Link.Send(three)
	assert.Equal(t, []ota.Up{one, three, two}, b.sent)
	b.wait()
	assert.Len(t, b.sent, 3)
	assert.Equal(t, 1, b.fired)
}

// TestFullDiskThatIsNotNoticed has not struck.
func TestFullDiskThatIsNotNoticed(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.DiskFull, At: scenario.At(ota.Downloading), For: lasting(time.Minute)})
	b.report("app", ota.Downloading)
	b.wait()
	assert.Zero(t, b.fired)
	b.report("app", ota.Downloading)
	b.start()
	require.NoError(t, b.hooks.Operate("app", fault.Inspect), "which needs no space")
	assert.Equal(t, ota.SpaceLow, codeOf(b.hooks.Operate("app", fault.Write)))
	assert.Equal(t, ota.SpaceLow, codeOf(b.hooks.Operate("app", fault.Stage)))
	assert.Zero(t, *b.hooks.Sensors.Read(context.Background()).FreeBytes)
	assert.Equal(t, []time.Duration{time.Minute}, b.wait())
	require.NoError(t, b.hooks.Operate("app", fault.Write))
	assert.Equal(t, 1, b.looks-1, "the agent learns of it")
	assert.Equal(t, 1, b.fired)
}

func TestWriteErrorAtAShare(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.WriteError, At: scenario.At(ota.Downloading), After: share(50)})
	require.NoError(t, b.hooks.Operate("app", fault.Write))
	_, body, err := b.download()
	require.NoError(t, err)
	assert.Equal(t, b.body, body)
	assert.Zero(t, b.fired)
	assert.Equal(t, ota.WriteFailed, codeOf(b.hooks.Operate("app", fault.Write)))
	require.NoError(t, b.hooks.Operate("app", fault.Write))
	assert.Equal(t, 1, b.fired)
}

// TestDowngradeNeedsSomethingThatRan: the first release of all is no step back
// for who has run none.
func TestDowngradeNeedsSomethingThatRan(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.Downgrade, At: scenario.At(ota.UpgradeConfirmed)})
	release := func() int64 {
		m, err := b.open(b.arrivePackage("motor").Envelope)
		require.NoError(t, err)
		return m.Release
	}
	assert.EqualValues(t, 7, release())
	assert.Zero(t, b.fired)
	b.report("motor", ota.UpgradeSucceeded)
	assert.EqualValues(t, 0, release())
	assert.Equal(t, 1, b.fired)
}

func TestWrongKeyIsTheSameForTheSameSeed(t *testing.T) {
	envelope := func(seed uint64) ota.Envelope {
		f := scenario.Fault{Name: "f", Kind: scenario.WrongKey, At: scenario.At(ota.UpgradeConfirmed), Chance: 100,
			Times: times(1)}
		s := layout(f, 1)
		var got ota.Envelope
		set := fault.NewSet(s, seed, func(string, string) {})
		set.Draw(&s.Fleets[0], 1)[0].Decorate(fault.Hooks{Deliver: func(in agent.Input) {
			got = in.(agent.Received).Message.(*ota.Package).Envelope
		}}).Deliver(agent.Received{Message: &ota.Package{}})
		return got
	}
	assert.Equal(t, envelope(1), envelope(1))
	assert.NotEqual(t, envelope(1), envelope(2))
	assert.Len(t, envelope(1).Signatures, 1)
}

// TestClockKeepsGoing: a clock that is wrong is wrong by the same over restarts.
func TestClockKeepsGoing(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.ClockSkew, At: scenario.AtConnect, By: lasting(-time.Hour)})
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	assert.Equal(t, noon, b.hooks.Clock(noon))
	b.connect()
	assert.Equal(t, noon.Add(-time.Hour), b.hooks.Clock(noon))
	b.boot()
	b.connect()
	assert.Equal(t, noon.Add(-time.Hour), b.hooks.Clock(noon))
	assert.Equal(t, 1, b.fired)
}
