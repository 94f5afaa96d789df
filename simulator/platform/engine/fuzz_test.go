package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// FuzzHandle feeds the engine with messages and commands in any order. Whatever
// comes, it must not crash, its counts must be those of its rows, what it
// issues must be of a plan that exists, and time must be able to go on.
func FuzzHandle(f *testing.F) {
	f.Add([]byte("the quick brown fox jumps over the lazy dog"))
	f.Add([]byte{0, 0, 0, 1, 1, 1, 2, 0, 1, 3, 0, 9, 3, 1, 10, 3, 2, 17, 5, 0, 0, 7, 1, 1})
	f.Add([]byte{20, 0, 0, 0, 1, 0, 2, 0, 1, 30, 0, 0, 31, 0, 0, 32, 0, 0, 33, 0, 0, 34, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newScript(t)
		s.all("plan p retries=2 on=revert end=1h; plan q manual target=3; draft r on=continue hours=11-12 white=d0,d1")
		for len(data) >= 3 {
			op, device, argument := data[0], data[1], data[2]
			data = data[3:]
			s.fuzzStep(op, fmt.Sprintf("d%d", device%4), int(argument))
		}
		checkCounts(t, s.engine)
		for range 50 {
			next := s.engine.NextTick()
			if next.IsZero() {
				break
			}
			s.now = next
			s.engine.Handle(s.now, engine.Tick{})
			require.True(t, s.engine.NextTick().IsZero() || s.engine.NextTick().After(next), "the Tick of %s was not served",
				next)
		}
		checkCounts(t, s.engine)
	})
}

func (s *script) fuzzStep(op byte, key string, argument int) {
	plan := []string{"p", "q", "r", "unknown"}[argument%4]
	identity := identity(key)
	switch op % 16 {
	case 0:
		s.now = s.now.Add(time.Duration(argument) * time.Minute)
		s.engine.Handle(s.now, engine.Tick{})
	case 1, 2:
		in := s.device(key).
			inventory(argument%2 == 0, []string{fmt.Sprintf("A%d", argument%3+1), fmt.Sprintf("B%d", argument/3%3+1)})
		if argument > 100 {
			in.Running = &ota.Running{Plan: plan, Attempt: 1}
		}
		s.engine.Handle(s.now, engine.Message{Device: identity, Message: in})
	case 3, 4:
		s.engine.Handle(
			s.now,
			engine.Message{
				Device: identity, Message: &ota.Decision{Plan: plan, Attempt: 1 + argument/64, Accept: argument%8 > 1},
			},
		)
	case 5:
		s.engine.Handle(s.now, engine.Message{Device: identity, Message: &ota.AddressRequest{Plan: plan, Component: "A"}})
	case 6:
		s.engine.Handle(s.now, engine.Message{Device: identity, Message: &ota.Offline{}})
	case 7:
		s.fuzzCommand(identity, plan, argument)
	default:
		s.fuzzReport(key, plan, int(op)/16, argument)
	}
}

func (s *script) fuzzReport(key, plan string, status, argument int) {
	d := s.device(key)
	r := &ota.Report{
		Time: s.now, Plan: plan, Attempt: 1, Component: []string{"A", "B", "X"}[argument/4%3], Status: ota.Status(status),
	}
	if argument%16 == 15 {
		r.Seq = argument - 100
	} else {
		d.seq[plan]++
		r.Seq = d.seq[plan]
	}
	if r.Status.Failed() {
		r.Failure = &ota.Failure{
			Code: []ota.Code{ota.BootFailed, ota.Skipped, ota.Reverted, ota.PlanTerminated}[argument/16%4],
		}
	}
	s.engine.Handle(s.now, engine.Message{Device: identity(key), Message: r})
}

func (s *script) fuzzCommand(id ota.Identity, plan string, argument int) {
	operations := []engine.UserOperation{
		engine.UserConfirm, engine.UserAppoint, engine.UserCancel, engine.UserRetry, "shrug",
	}
	commands := []engine.Command{
		engine.Activate{Plan: plan}, engine.Suspend{Plan: plan}, engine.Resume{Plan: plan}, engine.Terminate{Plan: plan},
		engine.DeletePlan{
			Plan: plan,
		}, engine.RetryDevices{Plan: plan}, engine.RetryDevices{Plan: plan, Devices: []string{id.Device}},
		engine.AutoConfirm{Device: id, On: argument > 128},
		engine.UserAnswer{
			Device: id, Plan: plan, Operation: operations[argument/16%5], Start: s.now, End: s.now.Add(2 * time.Hour),
		},
	}
	_, _ = s.engine.Command(s.now, commands[argument/4%len(commands)])
}

func TestUnknownMessagesAreIgnored(t *testing.T) {
	s := newScript(t)
	for _, id := range []ota.Identity{{}, {Product: "a/b", Device: "d"}, {Product: "a", Device: "#"}} {
		require.Empty(t, s.engine.Handle(s.now, engine.Message{Device: id, Message: &ota.Inventory{Request: true}}))
	}
	require.Empty(t, s.engine.Handle(s.now, engine.Message{Device: identity("d1"), Message: nil}))
	_, err := s.engine.Command(s.now, nil)
	require.ErrorContains(t, err, "cannot carry out <nil>")
}
