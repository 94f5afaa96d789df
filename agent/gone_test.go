package agent_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// A component that leaves the configuration and comes back has not forgotten
// which releases have run: that would let an old one in.
func TestMachineRemembersReleasesOfComponentsThatAreGone(t *testing.T) {
	boots := 0
	live := func(saved *agent.State, ids ...string) *agent.State {
		t.Helper()
		boots++
		config, booted := &agent.Config{}, agent.Booted{}
		for _, id := range ids {
			config.Components = append(config.Components, agent.ComponentConfig{ID: id, Type: ota.Module})
			booted.Components = append(booted.Components, agent.Found{ID: id, Version: fmt.Sprint(boots)})
		}
		outputs := agent.New(ota.Identity{Product: "gw-200", Device: "gw-0001"}, config, saved).Handle(epoch, booted)
		save, is := outputs[0].(agent.Save)
		require.True(t, is)
		form, err := agent.EncodeState(save.State)
		require.NoError(t, err)
		read, err := agent.DecodeState(form)
		require.NoError(t, err)
		return read
	}
	releases := func(components []agent.Component) (all []string) {
		for _, c := range components {
			all = append(all, fmt.Sprint(c.ID, ":", c.Release))
		}
		return all
	}
	state := &agent.State{Components: []agent.Component{{ID: "app", Version: "0", Release: 41}, {ID: "motor", Release: 7},
		{ID: "new"}}}

	state = live(state, "motor")
	assert.Equal(t, []string{"motor:7"}, releases(state.Components))
	assert.Equal(t, []agent.Component{{ID: "app", Release: 41}}, state.Gone,
		"of one that never ran a release nothing is to be known")
	state = live(state, "other")
	assert.Equal(t, []string{"app:41", "motor:7"}, releases(state.Gone))
	state = live(state, "other", "app")
	assert.Equal(t, []string{"other:0", "app:41"}, releases(state.Components))
	assert.Equal(t, []string{"motor:7"}, releases(state.Gone))

	for i := range agent.MaxGone {
		state.Components = append(state.Components, agent.Component{ID: fmt.Sprint("c-", i), Release: 1})
	}
	state = live(state, "app")
	assert.Len(t, state.Gone, agent.MaxGone)
	assert.Equal(t, "c-0:1", releases(state.Gone)[0], "the oldest is forgotten")
}
