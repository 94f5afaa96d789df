package engine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// drawn is the way of a component as a page shows it: the first letters of the
// states of its five steps.
func drawn(t *testing.T, e *engine.Engine, key string, component int) string {
	t.Helper()
	view, found := e.Device("p", key)
	require.True(t, found)
	var b strings.Builder
	for _, s := range view.Components[component].Steps() {
		b.WriteString(string(s.State[:1]))
	}
	return b.String()
}

// TestSteps: done, now, later, failed and skipped, of Start, Confirm, Download,
// Upgrading and the end.
func TestSteps(t *testing.T) {
	for _, c := range []struct{ name, script, a, b string }{
		{"nothing yet", "plan p; d1 on", "nllll", "nllll"},
		{"received", "plan p; d1 ask; d1 A:recv", "dnlll", "nllll"},
		{"confirmed", "plan p; d1 ask; d1 take", "dnlll", "dnlll"},
		{"downloading", "plan p; d1 ask; d1 take; d1 A:ready; d1 A:down", "ddnll", "dnlll"},
		{"downloaded", "plan p; d1 ask; d1 take; d1 A:ready; d1 A:down; d1 A:got", "ddnll", "dnlll"},
		{"upgrading", "plan p; d1 ask; d1 take; d1 A:ready; d1 A:down; d1 A:got; d1 A:upg", "dddnl", "dnlll"},
		{"upgraded", "plan p; d1 ask; d1 take; d1 A+", "ddddd", "dnlll"},
		{"failed, and another one because of it", "plan p; d1 ask; d1 take; d1 A!boot_failed; d1 B:fail:skipped", "ddddf",
			"ddssf"},
		{"a refused manifest", "plan p; d1 ask; d1 take; d1 A:fail:signature_invalid", "ddssf", "dnlll"},
		{"a failed download", "plan p; d1 ask; d1 take; d1 A:ready; d1 A:dlfail:size_mismatch", "ddfss", "dnlll"},
		{"tried again", "plan p retries=1; d1 ask; d1 take; d1 A!boot_failed; d1 A:ready", "ddnll", "dnlll"},
		{"nothing to do", "plan p; d1 ask A2; d1 A:recv; d1 B:recv; d1 yes; d1 A:none; d1 B:conf", "dsssd", "dnlll"},
		{"nothing to do, never asked", "plan p; d1 on A2 B2", "ssssd", "ssssd"},
		{"the version alone", "plan p; d1 ask; d1 take; d1 A:ready; d1 A:down; d1 on A2", "ddssd", "dnlll"},
		{"terminated, never reached", "plan p; d1 on; terminate p", "ssssf", "ssssf"},
		{"terminated, received", "plan p; d1 ask; d1 A:recv; d1 B:recv; terminate p; d1 A:fail:plan_terminated", "dsssf",
			"dnlll"},
		{"ended, never reached", "plan p end=1h; d1 on; wait 1h", "ssssf", "ssssf"},
		{"ended, sent and nothing heard", "plan p end=1h; d1 ask; wait 1h", "ssssf", "ssssf"},
		{"the operator ends it in a download", "plan p; d1 ask; d1 take; d1 A:ready; d1 A:down; abandon p d1", "ddfsf",
			"ddssf"},
	} {
		s := newScript(t)
		s.all(c.script)
		assert.Equal(t, c.a, drawn(t, s.engine, "d1", 0), c.name)
		assert.Equal(t, c.b, drawn(t, s.engine, "d1", 1), c.name)
	}
}

// TestSentence: the words beside a status tell of nothing that did not happen.
func TestSentence(t *testing.T) {
	for script, want := range map[string]string{
		"plan p; d1 on; terminate p": "The upgrade ended before its switch began, and the " +
			"component runs what it ran before.",
		"plan p; d1 ask; d1 take; d1 A:fail:signature_invalid": "The upgrade ended before its switch began, and the " +
			"component runs what it ran before.",
		"plan p; d1 ask; d1 take; d1 A!boot_failed": "The upgrade failed and the component runs its previous version again.",
		"plan p; d1 ask; d1 take; d1 A+": "The component runs the target version, is healthy, and the device " +
			"is connected.",
	} {
		s := newScript(t)
		s.all(script)
		view, _ := s.engine.Device("p", "d1")
		assert.Equal(t, want, view.Components[0].Sentence(), script)
	}
}

// TestEndSaysWhy: devices that never got a plan end alike when it is terminated
// and when its time is up, and so do others that have not accepted; details and log
// say why.
func TestEndSaysWhy(t *testing.T) {
	for _, end := range []struct {
		script, how string
		code        ota.Code
	}{
		{"terminate p", "was terminated", ota.PlanTerminated},
		{"wait 1h", "has ended", ota.PlanExpired},
	} {
		s := newScript(t)
		s.all(
			"plan p end=1h; never on; off on; off off; sent ask; got ask; got A:recv; got B:recv; got off; agreed ask; " +
				"agreed take; done on A2 B2; " + end.script,
		)
		for key, want := range map[string]struct {
			status ota.DeviceStatus
			line   string
		}{
			"never":  {ota.DeviceUpgradeFailed, "Plan " + end.how + " before the device had it"},
			"off":    {ota.DeviceUpgradeFailed, "Plan " + end.how + " before the device had it"},
			"sent":   {ota.DeviceUpgradeFailed, "Plan " + end.how + " before the device had it"},
			"got":    {ota.DeviceNotUpgraded, "Plan " + end.how + " before the device had accepted it"},
			"agreed": {ota.DeviceUpgrading, "Plan " + end.how + "; the device has accepted it and goes on"},
			"done":   {ota.DeviceNoUpdateRequired, ""},
		} {
			view, found := s.engine.Device("p", key)
			require.True(t, found, key)
			assert.Equal(t, want.status, view.Status, key)
			var lines []string
			for _, l := range view.Log {
				assert.NotZero(t, l.At)
				lines = append(lines, l.Text)
			}
			if want.line == "" {
				assert.Empty(t, lines, key)
				continue
			}
			assert.Contains(t, lines, want.line, key)
			if want.status == ota.DeviceUpgradeFailed {
				require.NotNil(t, view.Components[0].Failure, key)
				assert.Equal(t, end.code, view.Components[0].Failure.Code, key)
				assert.Contains(t, view.Components[0].Failure.Detail, end.how, key)
			}
		}
		checkCounts(t, s.engine)
	}
}

// TestFailureIsOver: what has failed and was tried again is history.
func TestFailureIsOver(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"automatically", "plan p retries=1; d1 ask; d1 take; d1 A!boot_failed; d1 A+"},
		{"by hand", "plan p; d1 ask; d1 take; d1 A!boot_failed; retry p d1; d1 yes; d1 A+"},
		{"under way", "plan p retries=1; d1 ask; d1 take; d1 A!boot_failed; d1 A:ready"},
		{"shown by the version", "plan p retries=1; d1 ask; d1 take; d1 A!boot_failed; d1 on A2"},
	} {
		s := newScript(t)
		s.all(c.script)
		view, _ := s.engine.Device("p", "d1")
		a := view.Components[0]
		assert.Nil(t, a.Failure, c.name)
		assert.Equal(t, &ota.Failure{Code: ota.BootFailed}, a.Earlier, c.name)
		assert.Equal(t, 1, a.EarlierIn, c.name)
		assert.Contains(t, view.Log[len(view.Log)-1].Text+texts(view.Log), "Status: Upgrade Failed (boot_failed)",
			"the log is the history")
	}
}

func texts(log []engine.LogLine) string {
	var b strings.Builder
	for _, l := range log {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}
