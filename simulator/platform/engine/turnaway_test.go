package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// An engine that remembers as many devices as it may goes on with those, answers the
// others and says so, once a minute.
func TestDevicesAreBounded(t *testing.T) {
	e := engine.New()
	e.LimitDevices(2)
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	says := func(key string, message ota.Up) []engine.Output {
		id := ota.Identity{Product: "gw-200", Device: key}
		return append([]engine.Output(nil), e.Handle(now, engine.Message{Device: id, Message: message})...)
	}
	asks := &ota.Inventory{Request: true}
	fact := func(key string, messages int) engine.Output {
		return engine.TurnedAway{Device: ota.Identity{Product: "gw-200", Device: key}, Messages: messages, MaxDevices: 2}
	}
	none := func(key string) engine.Output {
		return engine.Send{
			Device:  ota.Identity{Product: "gw-200", Device: key},
			Message: &ota.NoPlan{Time: now, Reason: ota.NoPlanNone},
		}
	}
	for i := range 2 {
		assert.IsType(t, engine.Appeared{}, says(fmt.Sprint("known-", i), asks)[0])
	}
	assert.Equal(t, []engine.Output{none("new-1"), fact("new-1", 1)}, says("new-1", asks))
	assert.Equal(t, []engine.Output{none("new-2")}, says("new-2", asks), "the fact is not repeated")
	assert.Empty(t, says("new-3", &ota.Inventory{}), "it asks for nothing")
	assert.Empty(t, says("new-3", &ota.Offline{}))
	assert.Equal(t, []engine.Output{engine.Send{
		Device:  ota.Identity{Product: "gw-200", Device: "new-1"},
		Message: &ota.Ack{Plan: "spring", Seq: 4},
	}}, says("new-1", &ota.Report{Plan: "spring", Seq: 4}), "it need not send it again")
	now = now.Add(time.Minute)
	assert.Equal(t, []engine.Output{none("new-1"), fact("new-1", 4)}, says("new-1", asks))

	rows, known := e.Fleet(engine.FleetFilter{})
	assert.Equal(t, 2, known)
	assert.Equal(t, "known-0", rows[0].Key)
	assert.Equal(t, []engine.Output{none("known-1")}, says("known-1", asks), "those that are known stay")

	_, err := e.Command(now, engine.AutoConfirm{Device: ota.Identity{Product: "gw-200", Device: "new-1"}, On: true})
	require.ErrorIs(t, err, engine.ErrUnknown)
}

// A white list does not bring in more devices than are remembered either.
func TestWhiteListsAreBounded(t *testing.T) {
	s := newScript(t)
	s.all("draft one white=new-1,new-2")
	s.engine.LimitDevices(1)
	_, err := s.engine.Command(s.now, engine.Activate{Plan: "one"})
	require.ErrorContains(t, err,
		"its white list names 2 devices that the platform does not know, and it remembers at most 1")
	view, _ := s.engine.Plan("one")
	assert.Equal(t, engine.Inactivated, view.Status)
	s.engine.LimitDevices(2)
	_, err = s.engine.Command(s.now, engine.Activate{Plan: "one"})
	require.NoError(t, err)
}
