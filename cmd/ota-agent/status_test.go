package main

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/control"
	"otafleet/agent/eventlog"
)

// asking is the status of a device with a question, and hostile texts behind all
// that comes from outside.
func asking(hostile string) *control.Status {
	return &control.Status{
		Product: "gw-200", Device: "gw-0001", Agent: "ota-agent/1.0.0", Uptime: 77,
		Unreached: "the broker refuses the device" + hostile, Waiting: "plan p-17 waits for your answer" + hostile,
		Remedy: "ota-agent confirm --plan p-17, or ota-agent refuse --plan p-17",
		Components: []control.Component{{ID: "app", Type: "module", Version: "1.0.0" + hostile, Release: 3},
			{ID: "motor", Type: "mcu", Silent: "exit status 1" + hostile}},
		Plan: &control.Plan{ID: "p-17" + hostile, Attempt: 2, Answer: "asking",
			Ends: time.Date(2026, 12, 1, 0, 0, 0, 0, time.Local), Components: []control.Part{
				{ID: "app", Status: "download_failed", Target: "1.1.0" + hostile,
					Failure: &control.Failure{Code: "http_error", Detail: "503" + hostile}}}},
		Pending: 1, StateFile: control.StateFile{Trouble: "disk full" + hostile},
		SubDevices: []control.Status{{Device: "meter-1", Product: "m", Waiting: "idle" + hostile, Pending: 2}},
	}
}

func TestPrintStatus(t *testing.T) {
	var b strings.Builder
	require.NoError(t, printStatus(&b, asking("")))
	assert.Equal(t, `gw-0001 of product gw-200, ota-agent/1.0.0, up 1m17s
not connected: the broker refuses the device
plan p-17 waits for your answer
  ota-agent confirm --plan p-17
  ota-agent refuse --plan p-17

COMPONENT  TYPE    RUNS               RELEASE
app        module  1.0.0              3
motor      mcu     (does not answer)  0
motor does not answer, and is asked again: exit status 1

plan p-17, attempt 2, asking, ends 2026-12-01 00:00:00
  app  download_failed  to 1.1.0  http_error 503

1 report waits for the platform

SUB-DEVICE  PRODUCT  RUNS  
meter-1     m              idle; 2 reports wait for the platform

state: disk full
`, b.String())
}

// TestTextsFromOutsideAreShownNotObeyed in everything that is printed for people.
func TestTextsFromOutsideAreShownNotObeyed(t *testing.T) {
	const hostile = "\n\x1b[2J\u009b31m\u202e\t\xff"
	var b strings.Builder
	s := asking(hostile)
	require.NoError(t, printStatus(&b, s))
	require.NoError(t, printExplanation(&b, &control.Explanation{Sentence: s.Waiting, Remedy: "wait" + hostile,
		Checks: []control.Check{{Name: "connection", Have: "not connected" + hostile, Need: hostile}}}))
	require.NoError(t, printRehearsal(&b, &rehearsal{Path: hostile, Content: hostile,
		Rehearsal: control.Rehearsal{Component: hostile,
			Target: hostile, Refused: &control.Failure{Detail: hostile}, Blocked: []control.Blocker{{Detail: hostile}}}}, true))
	b.WriteString(describeEvent(&eventlog.Line{Kind: "step", Plan: hostile, Component: hostile, Detail: hostile}))
	for _, line := range strings.Split(b.String(), "\n") {
		assert.False(t, strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", line)
		assert.False(t, strings.HasPrefix(strings.TrimSpace(line), `\x1b`), "no text makes a line of its own: %q", line)
	}

	b.Reset()
	require.NoError(t, printJSON(&b, s))
	assert.NotContains(t, b.String(), "\u009b")
	assert.NotContains(t, b.String(), "\u202e")
}

func TestStatusOfATrial(t *testing.T) {
	var b strings.Builder
	require.NoError(t,
		printStatus(&b, &control.Status{Components: []control.Component{{ID: "app", Type: "module", Version: "1.0.0",
			Release: 1}},
			Plan: &control.Plan{ID: "p", Components: []control.Part{{ID: "app", Status: "upgrading", Target: "1.1.0",
				OnTrial: true}}}}))
	assert.Contains(t, b.String(), "app        module  1.0.0, on trial 1.1.0  1\n")
}

func TestDescribeEvent(t *testing.T) {
	at := time.Date(2026, 11, 29, 11, 7, 10, 0, time.Local)
	for want, e := range map[string]eventlog.Line{
		"2026-11-29 11:07:10  started       boot 18": {Kind: "started", Detail: "boot 18"},
		"2026-11-29 11:07:10  connected":             {Kind: "connected"},
		"2026-11-29 11:07:10  refused       plan p  attempt 2  declined: no time": {Kind: "refused", Plan: "p", Attempt: 2,
			Code: "declined", Detail: "no time"},
		"2026-11-29 11:07:10  ended         app  activate  after 26ms": {Kind: "ended", Component: "app",
			Step: "activate", TookMS: 26},
	} {
		e.Time = at
		assert.Equal(t, want, describeEvent(&e))
	}
}
