package control_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/control"
)

// A request is about the device that it names, and no other.
func TestSubDevices(t *testing.T) {
	own := &fakeAgent{status: control.Status{Device: "gw-0001", SubDevices: []control.Status{{Device: "meter-1"}, {Device: "meter-2"}}}}
	asking := control.Status{Device: "meter-2", Connected: true, Plan: &control.Plan{ID: "p-17", Answer: control.AnswerAsking}}
	subs := map[string]*fakeAgent{"meter-1": {status: control.Status{Device: "meter-1"}}, "meter-2": {status: asking}}
	client := serve(t, &control.Server{Path: socket(t), Agent: own, SubDevice: func(key string) control.Agent {
		if a := subs[key]; a != nil {
			return a
		}
		return nil
	}})
	whole, err := client.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, own.status, whole)

	client.Device = "meter-2"
	status, err := client.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, asking, status)
	done, err := client.Check(t.Context())
	require.NoError(t, err)
	assert.Contains(t, done, "the platform is asked")
	done, err = client.Confirm(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "confirmed plan p-17", done)
	_, err = client.Refuse(t.Context(), "dark")
	require.NoError(t, err)
	assert.Equal(t, []agent.Input{agent.CheckRequested{}, agent.Decided{Accept: true}, agent.Decided{Detail: "dark"}}, subs["meter-2"].inputs())

	client.Device = "meter-1"
	_, err = client.Confirm(t.Context())
	assert.ErrorContains(t, err, "no plan waits for an answer")
	assert.Empty(t, subs["meter-1"].inputs())
	assert.Empty(t, own.inputs())
}

func TestSubDeviceThatIsNotThere(t *testing.T) {
	for name, server := range map[string]*control.Server{
		"none":    {Path: socket(t), Agent: &fakeAgent{}},
		"another": {Path: socket(t), Agent: &fakeAgent{}, SubDevice: func(string) control.Agent { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, server)
			client.Device = "a b&c"
			_, statusErr := client.Status(t.Context())
			_, checkErr := client.Check(t.Context())
			_, confirmErr := client.Confirm(t.Context())
			_, refuseErr := client.Refuse(t.Context(), "")
			for _, err := range []error{statusErr, checkErr, confirmErr, refuseErr} {
				var refused *control.Refused
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, http.StatusNotFound, refused.Code)
				assert.Equal(t, `this agent speaks for no sub-device "a b&c": see 'ota-agent status'`, refused.Message)
			}
		})
	}
}
