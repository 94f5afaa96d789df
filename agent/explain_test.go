package agent_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/ota"
)

// TestExplain looks at every situation. Times are since the start of the driver's
// clock; a minus stands for one that is not known.
func TestExplain(t *testing.T) {
	seen := map[string]bool{"starting": true} // before the first input
	for _, c := range []struct {
		name, setup, script         string
		state, since, again, ending string
		says                        string
	}{
		{"no platform", "app:1>2", "wait:1m; battery:50", "unconnected", "0s", "-", "-", "waiting for a connection"},
		{"waits for the platform's answer", "app:1>2 to inventory?", "", "idle", "0s", "30s", "-", "idle: no plan yet"},
		{"no plan", "app:1>2 to inventory?", "none", "idle", "0s", "-", "-", "idle: no plan yet"},
		{"the question", "app:1>2 ask to inventory?", "wait:10s; plan", "asking", "10s", "-", "720h0m0s",
			"waits for your answer"},
		{"the battery", "app:1>2 battery:20 needs:30 to inventory?", "plan; wait:10s; battery:25", "refused", "0s", "40s",
			"-", "battery_low: 25 % < 30 %"},
		{"the window", "app:1>2 window:12-13 to inventory?", "plan", "refused", "0s", "2h0m0s", "-",
			"outside_window: the next maintenance window opens at 2026-11-23 12:00 UTC"},
		{"a window of no known zone", "app:1>2 shut to inventory?", "plan", "refused", "0s", "-", "-",
			"outside_window: no maintenance window opens: see the warnings"},
		{"declined", "app:1>2 ask to ask-operator", "no", "declined", "0s", "-", "-", "declined: not now"},
		{"not answered before a restart", "app:1>2 ask to ask-operator", "wait:1m; cut; boot", "unanswered", "1m0s", "-",
			"-", "is not answered"},
		{"refused before a restart", "app:1>2 battery:20 needs:30 to refuse:battery_low", "cut; boot", "unanswered", "0s",
			"-", "-", "is refused: it waits"},
		{"paused", "app:1>2 to inventory?", "pause:line 3; wait:1h; cut; boot", "paused", "0s", "-", "-",
			"paused by the operator (line 3): nothing new begins"},
		{"paused in the middle", "app:1>2 to app=downloading", "wait:1h; pause; battery:1", "paused", "1h0m0s", "-", "-",
			"plan p1 goes on after ota-agent resume"},
		{"the address", "app:1>2 to accept", "", "address", "0s", "30s", "168h0m0s", "asks again at 10:00:30Z"},
		{"the address, offline", "app:1>2 to accept", "disconnect", "address", "0s", "-", "-", "the device is not connected"},
		{"a download", "app:1>2 to fetch:app", "wait:1m; started; wait:1h; progress", "working", "1m0s", "-", "-",
			"is being downloaded"},
		{"a download over a restart", "app:1>2 to app=downloading", "wait:1h; crash; boot", "working", "0s", "-", "-",
			"is being downloaded"},
		{"the window for the switch", "app:1>2 window:9-11 to app=downloading", "wait:2h; ok", "window", "2h0m0s", "23h0m0s",
			"-", "in the next maintenance window, at 2026-11-24 09:00 UTC"},
		{"a busy device", "app:1>2 to app=downloading", "wait:1m; busy:on; ok", "busy", "1m0s", "1m30s", "-",
			"when the device is not busy"},
		{"the staging", "app:1>2 to stage:app", "", "working", "0s", "-", "-", "is being staged"},
		{"the contact", "app:1>2 to health:app", "disconnect; wait:1m; ok", "contact", "1m0s", "-", "31m0s",
			"waits for contact"},
		{"the time on trial", "app:1>2/process soak:10s to restart:process", "crash; boot; connect; wait:1m; ok", "soaking",
			"1m0s", "1m10s", "-", "runs on trial for a while"},
		{"no rollback", "app:1>2 to confirm:app", "fail:write_failed; fail:write_failed", "working", "0s", "5s", "-",
			"cannot roll back to its previous version, and tries again"},
		{"failed", "app:1>2 to app=downloading", "fail:http_error", "failed", "0s", "-", "-", "has failed on this device"},
		{"a local package failed", "app:1", "install:app!key_untrusted", "failed", "0s", "-", "-",
			"the local package has failed"},
		{"done", "app:1>2 to app=upgrade_succeeded", "none", "idle", "0s", "-", "-", "at its end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDriver(t, c.setup)
			d.config.Watch = 30 * time.Second
			d.play(c.script)
			e := d.machine.View().Explained
			since := func(at time.Time) string {
				if at.IsZero() {
					return "-"
				}
				return at.Sub(epoch).String()
			}
			assert.Equal(t, c.state, e.State)
			assert.Contains(t, e.Sentence, c.says)
			assert.Equal(t, []string{c.since, c.again, c.ending}, []string{since(e.Since), since(e.Again), since(e.Deadline)},
				"since, again, deadline")
			seen[c.state] = true
		})
	}
	for _, state := range agent.States() {
		assert.True(t, seen[state], "no row comes to the state %s", state)
	}
	assert.Equal(t, "starting", agent.New(ota.Identity{}, &agent.Config{}, nil).View().Explained.State)
}

// TestExplainSaysWhatToAnswer: what is to be typed names what has been read.
func TestExplainSaysWhatToAnswer(t *testing.T) {
	d := newDriver(t, "app:1>2 mcu:a>b ask to ask-operator")
	const flags = " --plan p1 --attempt 1 --targets 2,b"
	assert.Equal(t, "ota-agent confirm"+flags+", or ota-agent refuse"+flags, d.machine.View().Explained.Remedy)

	// What a platform calls a version is no command of a shell.
	d = newDriver(t, `app:1>$(reboot),"2" ask to ask-operator`)
	assert.Contains(t, d.machine.View().Explained.Remedy, ` --targets '$(reboot),"2"', or `)
}

func TestExplainChecks(t *testing.T) {
	d := newDriver(t, "app:1>2 battery:20 needs:25 least:30 window:12-13 window:14-15 to refuse:battery_low")
	d.play("busy:on; pause; disconnect")
	free := int64(5)
	d.readings.FreeBytes = &free
	d.input(agent.Measured{Readings: d.readings})
	checks := d.machine.View().Explained.Checks
	assert.Equal(t, []agent.Check{
		{Name: "pause", Have: "paused"},
		{Name: "busy", Have: "busy"},
		{Name: "connection", Have: "not connected"},
		{Name: "battery", Have: "20 %", Need: "30 %"},
		{Name: "signal", Holds: true},
		{Name: "space", Holds: true, Have: "5 B"},
		{Name: "window", Have: "opens at 2026-11-23 12:00 UTC"},
	}, checks)

	d.play("wait:2h; busy:off; resume; connect")
	checks = d.machine.View().Explained.Checks
	require.True(t, slices.ContainsFunc(checks, func(c agent.Check) bool {
		return c.Name == "window" && c.Holds && strings.HasPrefix(c.Have, "open until 2026-11-23 13:00")
	}), "%v", checks)
	assert.True(t, checks[0].Holds && checks[1].Holds && checks[2].Holds)
}
