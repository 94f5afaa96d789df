package control_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/control"
	"otafleet/internal/ota"
)

var (
	ten     = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	waiting = agent.View{
		Explained: agent.Explanation{State: "window", Sentence: "component app is downloaded", Since: ten,
			Again: ten.Add(time.Hour), Remedy: "wait",
			Checks: []agent.Check{{Name: "battery", Holds: true, Have: "80 %", Need: "30 %"}, {Name: "pause", Holds: true}}},
		Past: []agent.PlanView{{ID: "p-16", Name: "winter", Attempt: 2, Answer: "accepted", Taken: ten,
			Components: []agent.PartView{
				{ID: "app", Status: ota.UpgradeFailed, From: "1", Target: "2", At: ten,
					Failure: &ota.Failure{Code: ota.BootFailed, Detail: "fell back"}}}}},
		Plan: &agent.PlanView{ID: "local-1", Attempt: 1, Answer: "accepted", Local: "/media/usb/app.ota",
			Components: []agent.PartView{
				{ID: "app", Status: ota.DownloadSucceeded, Target: "2"}}},
	}
)

func TestExplain(t *testing.T) {
	client := serve(t, server(socket(t), &fakeAgent{view: waiting}))
	e, err := client.Explain(t.Context())
	require.NoError(t, err)
	written, err := json.Marshal(e)
	require.NoError(t, err)
	assert.JSONEq(t, `{"state":"window","sentence":"component app is downloaded",
 "since":"2026-11-25T10:00:00Z","again":"2026-11-25T11:00:00Z","remedy":"wait",
 "checks":[{"name":"battery","holds":true,"have":"80 %","need":"30 %"},
  {"name":"pause","holds":true}]}`, string(written))
}

func TestHistory(t *testing.T) {
	client := serve(t, server(socket(t), &fakeAgent{view: waiting}))
	h, err := client.History(t.Context())
	require.NoError(t, err)
	written, err := json.Marshal(h)
	require.NoError(t, err)
	assert.JSONEq(t, `{"plans":[
 {"id":"p-16","name":"winter","attempt":2,"answer":"accepted","taken":"2026-11-25T10:00:00Z","components":[
  {"id":"app","from":"1","target":"2","status":"upgrade_failed","at":"2026-11-25T10:00:00Z",
   "failure":{"code":"boot_failed","detail":"fell back"}}]},
 {"id":"local-1","name":"","attempt":1,"answer":"accepted","local":"/media/usb/app.ota",
  "components":[{"id":"app","target":"2","status":"download_succeeded"}]}]}`, string(written))

	empty, err := serve(t, server(socket(t), &fakeAgent{})).History(t.Context())
	require.NoError(t, err)
	assert.Equal(t, control.History{Plans: []control.PastPlan{}}, empty)
}

func TestEvents(t *testing.T) {
	events, err := serve(t, server(socket(t), &fakeAgent{})).Events(t.Context())
	require.NoError(t, err)
	require.Len(t, events.Events, 1)
	assert.JSONEq(t, `{"kind":"started"}`, string(events.Events[0]))

	_, err = serve(t, server(socket(t), &fakeAgent{err: errors.New("cannot read the event log")})).Events(t.Context())
	assert.ErrorContains(t, err, "cannot read the event log")
}

func TestPauseAndResume(t *testing.T) {
	running := &fakeAgent{}
	client := serve(t, server(socket(t), running))
	said, err := client.Pause(t.Context(), "the line is running")
	require.NoError(t, err)
	assert.Equal(t, "paused: nothing new begins before 'ota-agent resume'", said)
	assert.Equal(t, []agent.Input{agent.PauseRequested{Reason: "the line is running"}}, running.inputs())
	_, err = client.Resume(t.Context())
	assertRefused(t, err, http.StatusConflict, "the agent is not paused")

	paused := &fakeAgent{view: agent.View{Paused: &agent.Pause{Since: ten, Reason: "the line is running"}}}
	client = serve(t, server(socket(t), paused))
	_, err = client.Pause(t.Context(), "")
	assertRefused(t, err, http.StatusConflict, "the agent is paused already")
	said, err = client.Resume(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "resumed", said)
	assert.Equal(t, []agent.Input{agent.ResumeRequested{}}, paused.inputs())
	assert.Equal(t, &control.Pause{Since: ten, Reason: "the line is running"}, control.NewStatus(paused.view).Paused)
}

func assertRefused(t *testing.T, err error, code int, says string) {
	t.Helper()
	var refused *control.Refused
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, code, refused.Code)
	assert.Contains(t, refused.Message, says)
}

func TestRehearse(t *testing.T) {
	f := &fakeAgent{}
	envelope := ota.Envelope{PayloadType: "application/vnd.ota.manifest.v1+json", Payload: []byte("{}"),
		Signatures: []ota.Signature{{KeyID: "a", Sig: []byte("b")}}}
	result, err := serve(t, server(socket(t), f)).Rehearse(t.Context(), envelope)
	require.NoError(t, err)
	assert.Equal(t, control.Rehearsal{Component: "app", Blocked: []control.Blocker{}}, result)
	assert.Equal(t, envelope, f.rehearsed)

	_, err = serve(t, server(socket(t), &fakeAgent{err: errors.New("cannot read the manifest")})).Rehearse(t.Context(),
		envelope)
	assertRefused(t, err, http.StatusUnprocessableEntity, "cannot read the manifest")
}

// Eight clients that rehearse, one after the other, keep no other from looking.
func TestRehearsalsAreServedOneAtATime(t *testing.T) {
	const clients = 8
	var underWay, most, served atomic.Int32
	begun, goOn := make(chan struct{}, clients), make(chan struct{})
	f := &fakeAgent{status: control.Status{Waiting: "idle"}, rehearses: func() {
		most.Store(max(most.Load(), underWay.Add(1)))
		begun <- struct{}{}
		<-goOn
		underWay.Add(-1)
		served.Add(1)
	}}
	client := serve(t, server(socket(t), f))
	envelope := ota.Envelope{PayloadType: "a", Payload: []byte("{}")}
	var asking sync.WaitGroup
	for range clients {
		asking.Go(func() {
			_, err := client.Rehearse(t.Context(), envelope)
			assert.NoError(t, err)
		})
	}
	<-begun
	s, err := client.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "idle", s.Waiting)
	assert.Zero(t, served.Load(), "all of them are still under way")
	close(goOn)
	asking.Wait()
	assert.EqualValues(t, clients, served.Load())
	assert.EqualValues(t, 1, most.Load())
}

// A request that does not arrive gives its place to the next one.
func TestSlowRehearsal(t *testing.T) {
	client := serve(t, server(socket(t), &fakeAgent{}))
	slow, err := net.Dial("unix", client.Path)
	require.NoError(t, err)
	defer slow.Close()
	_, err = slow.Write([]byte("POST /v1/rehearse HTTP/1.1\r\nHost: agent\r\nContent-Length: 1000\r\n\r\n{"))
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(slow), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	_, err = client.Rehearse(t.Context(), ota.Envelope{PayloadType: "a", Payload: []byte("{}")})
	assert.NoError(t, err)
}

func TestInstall(t *testing.T) {
	for name, test := range map[string]struct {
		path string
		err  error
		code int // of the refusal; 0 if it is carried out
		says string
	}{
		"taken":    {"/media/usb/app.ota", nil, 0, ""},
		"relative": {"app.ota", nil, http.StatusBadRequest, "no absolute path"},
		"blocked": {"/media/usb/app.ota", &control.Blocked{Why: "plan p1 is in progress"}, http.StatusConflict,
			"cannot be installed now: plan p1 is in progress"},
		"rejected": {"/media/usb/app.ota", &control.Rejected{Failure: &ota.Failure{Code: ota.KeyUntrusted}},
			http.StatusUnprocessableEntity, "the package is refused: key_untrusted"},
		"not a package": {"/media/usb/app.ota", errors.New("cannot read the package"), http.StatusUnprocessableEntity,
			"cannot read the package"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := ""
			client := serve(t, server(socket(t), &fakeAgent{installs: func(path string) (string, error) {
				asked = path
				return "local-1", test.err
			}}))
			done, err := client.Install(t.Context(), test.path)
			if test.code != 0 {
				assertRefused(t, err, test.code, test.says)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, control.Installation{Done: "installing /media/usb/app.ota", Plan: "local-1"}, done)
			assert.Equal(t, test.path, asked)
		})
	}
}
