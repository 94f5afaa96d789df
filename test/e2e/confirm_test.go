package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/control"
	"otafleet/internal/ota"
	"otafleet/test/harness"
)

func TestConfirmByAsking(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Settings["confirm"] = "ask"
	agent := s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	s.awaitQuestion()
	question := []string{"--plan", "p", "--attempt", "1", "--targets", "1.1.0"}
	status := s.device.Do("status").Out
	assert.Contains(t, status, "plan p waits for your answer: "+s.device.Shown("confirm")+", or "+s.device.Shown("refuse"))
	assert.Contains(t, status, s.device.Shown("confirm")+" "+strings.Join(question, " "), "what is read can be typed")

	for _, other := range [][]string{{"--plan", "q"}, {"--attempt", "2"}, {"--targets", "1.0.9"},
		{"--targets", "1.1.0,2"}} {
		assert.Equal(
			t,
			harness.Outcome{
				Code: 4,
				Err:  "ota-agent confirm: another question waits now: plan p, attempt 1: app 1.0.0 to 1.1.0\n",
			},
			s.device.Do("confirm", other...),
		)
	}
	refused := s.device.Do("refuse", append(question, "--reason", "the line is running")...)
	assert.Equal(t, harness.Outcome{Out: "refused plan p, attempt 1: app 1.0.0 to 1.1.0\n"}, refused)
	decision := s.platform.AwaitDecision("p")
	assert.Equal(t, ota.ReasonDeclined, decision.Reason)
	assert.Equal(t, "the line is running", decision.Detail)
	assert.Contains(t, s.device.Do("status").Out, "plan p is refused (declined: the line is running)")
	assert.Equal(t, 4, s.device.Do("confirm").Code, "nothing waits any more")

	assert.Equal(t, 0, s.device.Do("check").Code)
	s.awaitQuestion()
	agent.Kill() // the question is asked again after a cut
	s.device.Start()
	s.awaitQuestion()
	assert.Equal(t, harness.Outcome{Out: "confirmed plan p, attempt 1: app 1.0.0 to 1.1.0\n"}, s.device.Do("confirm"))
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
	assert.Equal(t, succeeded, s.platform.Trail("p", "app"))
	assert.Equal(t, "new", string(s.device.Read("app.bin")))
}

func (s *setting) awaitQuestion() {
	s.t.Helper()
	harness.Await(s.t, "a plan that waits for an answer", func() bool {
		status, ok := s.status()
		return ok && status.Plan != nil && status.Plan.Answer == control.AnswerAsking
	})
}

// status asks the agent; false while it does not answer.
func (s *setting) status() (status control.Status, ok bool) {
	s.t.Helper()
	outcome := s.device.Do("status", "--json")
	if outcome.Code != 0 {
		return status, false
	}
	require.NoError(s.t, json.Unmarshal([]byte(outcome.Out), &status))
	return status, true
}

func TestConfirmByCommand(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Write("ask", []byte(`#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$OTA_PLAN $OTA_ATTEMPT $OTA_COMPONENTS" >asked
[ -e yes ] || { echo "no operator there" >&2; exit 1; }
`), 0o755)
	s.device.Settings["confirm"] = "command"
	s.device.Settings["confirm_command"] = []string{s.device.Path("ask")}
	s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	decision := s.platform.AwaitDecision("p")
	assert.Equal(t, ota.ReasonDeclined, decision.Reason)
	assert.Equal(t, "no operator there", decision.Detail)
	assert.Equal(t, "p 1 app 1.1.0 3\n", string(s.device.Read("asked")))
	assert.Equal(t, "old", string(s.device.Read("app.bin")))

	s.device.Write("yes", nil, 0o644)
	assert.Equal(t, 0, s.device.Do("check").Code)
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
	assert.Equal(t, "new", string(s.device.Read("app.bin")))
}
