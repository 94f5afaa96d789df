package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// TestRetire: a plan that is over is forgotten with its devices, but for those that are on
// their way under it.
func TestRetire(t *testing.T) {
	s := newScript(t)
	s.all("plan p of=A end=20m; d1 ask; d1 take; d1 A+; d2 ask; d2 take; d2 A:ready; d3 on; retire p")
	assert.Contains(t, s.trace[len(s.trace)-1], `cannot retire plan "p": it is Upgrading`)
	s.all("wait 30m; retire p")
	rows, _ := s.engine.Devices("p", engine.Filter{})
	require.Len(t, rows, 1, "the one that is at work")
	assert.Equal(t, "d2", rows[0].Key)
	assert.Equal(t, 1, s.engine.Plans()[0].Devices.Total())
	s.all("show arrivals; d1 on")
	s.trace = nil
	s.all("d1 #9 A:ok")
	assert.Equal(t, []string{"d1?9:unknown"}, s.trace, "a late report is of an unknown plan")

	s.all("d2 A:down; d2 A:got; d2 A:upg; d2 A:ok; wait 1m; plan q of=A target=3 end=20m; wait 30m; retire q")
	assert.Empty(t, s.engine.Plans(), "what waited is gone when another one is retired")
	assert.Equal(t, ota.NoPlanNone, reasonOf(t, s))
	s.all("plan p of=A target=3; d1 ask")
	assert.Equal(t, "d1<p/1", s.trace[len(s.trace)-1], "the name is free again")
}

// reasonOf is why a device that asks gets no plan.
func reasonOf(t *testing.T, s *script) (reason ota.NoPlanReason) {
	t.Helper()
	for _, out := range s.engine.Handle(s.now, engine.Message{Device: identity("d9"),
		Message: &ota.Inventory{Request: true}}) {
		if send, is := out.(engine.Send); is {
			reason = send.Message.(*ota.NoPlan).Reason
		}
	}
	return reason
}

// TestRetiredAcrossRestarts: what is kept of a retired plan is what is known of it.
func TestRetiredAcrossRestarts(t *testing.T) {
	kept := recordsInMemory{}
	s := newKeptScript(t)
	s.all("plan p of=A end=20m; d1 ask; d1 take; d1 A+; d2 ask; d2 take; d2 A:ready; wait 30m; retire p")
	was := shown(s.engine)
	s.restart(kept)
	assert.Equal(t, was, shown(s.engine))
	s.all("d2 A:down; d2 A:got; d2 A:upg; d2 A:ok; wait 1m; plan q of=A target=3 end=20m; wait 30m; retire q")
	s.restart(kept)
	assert.Empty(t, s.engine.Plans())
	assert.NotContains(t, kept, "plan/p")
	assert.NotContains(t, kept, "series/p")
}

// TestRoundsLeaveNothing: however many plans come and go, what is kept stays what it is.
func TestRoundsLeaveNothing(t *testing.T) {
	kept := recordsInMemory{}
	s := newKeptScript(t)
	size := func() (bytes int) {
		kept.write(s.engine.Changes())
		for key, value := range kept {
			bytes += len(key) + len(value)
		}
		return bytes
	}
	after := map[int]int{}
	for n := range 60 {
		s.all(fmt.Sprintf("plan p%02d of=A target=%d end=20m; d1 on A%d; d1 ask; d1 take; d1 A+; d2 on; wait 30m", n, 2+n%2,
			3-n%2))
		if n > 0 {
			s.all(fmt.Sprintf("retire p%02d", n-1))
		}
		after[n] = size()
	}
	assert.Len(t, s.engine.Plans(), 1)
	assert.InDelta(t, after[9], after[59], 200)
}
