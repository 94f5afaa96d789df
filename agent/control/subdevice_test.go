package control_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/control"
	"otafleet/internal/ota"
)

// A request is about the device that it names, and no other.
func TestSubDevices(t *testing.T) {
	own := &fakeAgent{status: control.Status{Device: "gw-0001",
		SubDevices: []control.Status{{Device: "meter-1"}, {Device: "meter-2"}}}}
	asking := control.Status{Device: "meter-2", Connected: true,
		Plan: &control.Plan{ID: "p-17", Answer: control.AnswerAsking}}
	subs := map[string]*fakeAgent{"meter-1": {status: control.Status{Device: "meter-1"}}, "meter-2": {status: asking}}
	srv := server(socket(t), own)
	srv.SubDevice = func(key string) (control.Subject, error) {
		return control.Subject{Agent: subs[key], Records: subs[key], Packages: subs[key]}, nil
	}
	client := serve(t, srv)
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
	done, err = client.Confirm(t.Context(), control.Question{})
	require.NoError(t, err)
	assert.Equal(t, "confirmed plan p-17, attempt 0: ", done)
	_, err = client.Refuse(t.Context(), control.Question{}, "dark")
	require.NoError(t, err)
	assert.Equal(t, []agent.Input{agent.CheckRequested{}, agent.Decided{Accept: true, Plan: "p-17", Targets: []string{}},
		agent.Decided{Detail: "dark", Plan: "p-17", Targets: []string{}}}, subs["meter-2"].inputs())

	subs["meter-2"].view.Paused = &agent.Pause{}
	_, err = client.Resume(t.Context())
	require.NoError(t, err)
	assert.Equal(t, agent.ResumeRequested{}, subs["meter-2"].inputs()[3])
	subs["meter-2"].installs = func(path string) (string, error) { return "local-1", nil }
	begun, err := client.Install(t.Context(), "/media/fw.ota")
	require.NoError(t, err)
	assert.Equal(t, "local-1", begun.Plan)
	_, err = client.Rehearse(t.Context(), ota.Envelope{PayloadType: "x", Payload: []byte("{}")})
	require.NoError(t, err)
	assert.Equal(t, "x", subs["meter-2"].rehearsed.PayloadType)

	client.Device = "meter-1"
	_, err = client.Confirm(t.Context(), control.Question{})
	assert.ErrorContains(t, err, "no plan waits for an answer")
	assert.Empty(t, subs["meter-1"].inputs())
	assert.Empty(t, own.inputs())
}

func TestSubDeviceThatIsNotThere(t *testing.T) {
	none, another := server(socket(t), &fakeAgent{}), server(socket(t), &fakeAgent{})
	another.SubDevice = func(key string) (control.Subject, error) {
		return control.Subject{}, fmt.Errorf("there is no %q", key)
	}
	for want, server := range map[string]*control.Server{"this agent speaks for no sub-device": none,
		`there is no "a b&c"`: another} {
		client := serve(t, server)
		client.Device = "a b&c"
		_, statusErr := client.Status(t.Context())
		_, explainErr := client.Explain(t.Context())
		_, historyErr := client.History(t.Context())
		_, eventsErr := client.Events(t.Context())
		_, checkErr := client.Check(t.Context())
		_, confirmErr := client.Confirm(t.Context(), control.Question{})
		_, refuseErr := client.Refuse(t.Context(), control.Question{}, "")
		_, pauseErr := client.Pause(t.Context(), "")
		_, resumeErr := client.Resume(t.Context())
		_, installErr := client.Install(t.Context(), "/x")
		for _, err := range []error{statusErr, explainErr, historyErr, eventsErr, checkErr, confirmErr, refuseErr, pauseErr,
			resumeErr, installErr} {
			var refused *control.Refused
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, http.StatusNotFound, refused.Code)
			assert.Equal(t, want, refused.Message)
		}
	}
}
