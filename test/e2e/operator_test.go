package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/control"
	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// document runs a verb with --json and reads what it prints.
func document[T any](t *testing.T, d *harness.Device, verb string, args ...string) (found T) {
	t.Helper()
	outcome := d.Do(verb, append([]string{"--json"}, args...)...)
	require.Equal(t, 0, outcome.Code, outcome.Err)
	require.NoError(t, json.Unmarshal([]byte(outcome.Out), &found), outcome.Out)
	return found
}

// awaitState waits until explain gives a word.
func (s *setting) awaitState(want string) (e control.Explanation) {
	s.t.Helper()
	harness.Await(s.t, "the state "+want, func() bool {
		outcome := s.device.Do("explain", "--json")
		return outcome.Code == 0 && json.Unmarshal([]byte(outcome.Out), &e) == nil && e.State == want
	})
	return e
}

// bundleFile writes a signed package file of app onto the device.
func (s *setting) bundleFile(name, target string, release int64, content string, change func(*ota.Manifest),
	keys ...harness.Key) string {
	s.t.Helper()
	s.device.Write("usb/app.img", []byte(content), 0o644)
	r := bundle.Release{Files: []string{s.device.Path("usb/app.img")}, Chunk: 4096, Manifest: ota.Manifest{
		Product: harness.Product, Component: "app", Type: ota.Module, Package: ota.Full, Target: target, Release: release}}
	if change != nil {
		change(&r.Manifest)
	}
	for _, k := range keys {
		r.Keys = append(r.Keys, k.PrivateKey)
	}
	path := s.device.Path("usb/" + name)
	_, err := bundle.Create(path, r)
	require.NoError(s.t, err)
	return path
}

// closedWindow is a window that is closed now and for two hours at least, and when
// it opens.
func closedWindow() (window string, opens time.Time) {
	opens = time.Now().UTC().Truncate(time.Hour).Add(3 * time.Hour)
	return fmt.Sprintf("%02d:00-%02d:30 UTC", opens.Hour(), opens.Hour()), opens
}

func TestOutsideTheWindow(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	window, opens := closedWindow()
	s.device.Settings["windows"] = []string{window}
	agent := s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	e := s.awaitState("refused")
	require.NotNil(t, e.Again)
	assert.Contains(t, e.Sentence, "outside_window: the next maintenance window opens at ")
	decision := s.platform.AwaitDecision("p")
	assert.Equal(t, ota.ReasonWindow, decision.Reason)
	assert.WithinDuration(t, *e.Again, decision.RetryAt, 0, "the platform hears the same")
	assert.False(t, decision.RetryAt.Before(opens))
	assert.WithinDuration(t, opens, decision.RetryAt, 30*time.Minute, "while it is open")
	assert.Contains(t, s.device.Do("explain").Out, "\nwindow      no     opens at ")
	assert.Contains(t, s.device.Do("explain").Out, "\n  looks again  ")

	agent.Stop()
	delete(s.device.Settings, "windows")
	s.device.Start()
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
}

func TestZoneThatTheDeviceDoesNotHave(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Settings["windows"] = []string{"01:00-05:00 Europe/Atlantis"}
	s.device.Configure()
	outcome := harness.Run(t, s.device.Dir, programs.Agent, "validate", "--config", "agent.yaml")
	assert.Equal(t, 2, outcome.Code)
	assert.Contains(t, outcome.Err, `the time zone "Europe/Atlantis" is not known on this device`)
	assert.Contains(t, outcome.Err, "tzdata")
}

func TestPauseLastsOverRestarts(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	agent := s.device.Start()
	agent.AwaitOutput("connected to the broker")
	assert.Equal(t, 4, s.device.Do("resume").Code, "it is not paused")
	assert.Equal(t, harness.Outcome{Out: "paused: nothing new begins before '" + s.device.Shown("resume") + "'\n"},
		s.device.Do("pause", "--reason", "line 3 runs"))
	s.awaitState("paused")
	assert.Equal(t, 4, s.device.Do("pause").Code, "it is paused already")
	agent.Kill()
	s.device.Start()
	status := s.awaitStatus()
	require.NotNil(t, status.Paused)
	assert.Equal(t, "line 3 runs", status.Paused.Reason)
	assert.Contains(t, s.device.Do("status").Out, " (line 3 runs)\npaused by the operator (line 3 runs)")

	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, "new"))
	decision := s.platform.AwaitDecision("p")
	assert.Equal(t, ota.ReasonBusy, decision.Reason)
	assert.Equal(t, "the operator has paused the agent: line 3 runs", decision.Detail)
	assert.Equal(t, map[string]string{"done": "resumed"}, document[map[string]string](t, s.device, "resume"))
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
}

func (s *setting) awaitStatus() (status control.Status) {
	s.t.Helper()
	harness.Await(s.t, "a status", func() (ok bool) { status, ok = s.status(); return ok })
	return status
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s, began := newSetting(t), time.Now()
	agent := s.device.Start()
	agent.AwaitOutput("connected to the broker")
	assert.Equal(t, "no plan yet\n", s.device.Do("history").Out)
	s.upgrades("first", "1.1.0", 3)
	s.upgrade(harness.Plan{ID: "second"}, ota.DeviceUpgradeFailed, s.pack("1.0.5", 2, "older"))
	agent.Kill()
	s.device.Start()
	s.awaitStatus()

	h := document[control.History](t, s.device, "history")
	require.Len(t, h.Plans, 2)
	first, second := h.Plans[0], h.Plans[1]
	assert.Equal(t, []string{"first", "second"}, []string{first.ID, second.ID})
	assert.Equal(t, "1.0.0", first.Components[0].From)
	assert.Equal(t, "upgrade_succeeded", first.Components[0].Status)
	assert.WithinRange(t, *first.Taken, began.Truncate(time.Second), time.Now())
	assert.False(t, first.Components[0].At.Before(*first.Taken))
	assert.Equal(t, "downgrade_refused", second.Components[0].Failure.Code)
	assert.Regexp(
		t,
		`(?m)^first +\d{4}-.* accepted  app +1\.0\.0  1\.1\.0  upgrade_succeeded `,
		s.device.Do("history").Out,
	)

	events := s.device.Do("history", "--events")
	assert.Equal(t, 0, events.Code)
	for _, line := range []string{"started", "connected", "accepted      plan first",
		"step          plan first  app  downloading",
		"begun         app  activate", "ended         app  check health",
		"step          plan second  app  upgrade_failed  downgrade_refused: release 2, and 3 has run"} {
		assert.Contains(t, events.Out, line)
	}
	kept, err := os.ReadFile(s.device.Path("state/events.jsonl")) // it may grow: the agent connects again
	require.NoError(t, err)
	lines := s.device.Do("history", "--events", "--json")
	assert.Regexp(
		t,
		`(?m)^\{"time":"[^"]+","kind":"step","plan":"second","attempt":1,"component":"app",`+
			`"step":"upgrade_failed","code":"downgrade_refused"`,
		lines.Out,
	)
	assert.Contains(t, lines.Out, string(kept), "the file is what the verb prints")
}

// Only an operator with a USB stick is there.
func TestInstallWithoutAnyPlatform(t *testing.T) {
	t.Parallel()
	s := &setting{t: t, key: harness.NewKey(t)}
	s.device = harness.NewDevice(t, programs, "mqtt://127.0.0.1:1", s.key)
	s.device.Components(harness.FileComponent("app", "1.0.0", harness.Settings{"restart": "process"}))
	s.device.Settings["health"] = []harness.Settings{
		{"command": []string{"sh", "-c", "! grep -q broken " + s.device.Path("app.bin")}},
	}
	window, _ := closedWindow()
	s.device.Settings["windows"] = []string{window}
	s.device.Settings["confirm"] = "ask"
	s.device.Write("app.bin", []byte("old"), 0o755)
	early := s.device.Do("rehearse", s.bundleFile("early.ota", "1.1.0", 2, "new", nil, s.key))
	assert.Equal(t, 3, early.Code, "no agent answers yet")
	assert.Contains(t, early.Out, "content    complete\n")
	assert.Contains(t, early.Out, "signature  not checked: no agent answers")
	s.device.Start()
	s.awaitStatus()
	good := s.bundleFile("app-1.1.0.ota", "1.1.0", 2, "new", nil, s.key)
	current := s.device.Do("rehearse", s.bundleFile("app-1.0.0.ota", "1.0.0", 1, "old", nil, s.key))
	assert.Equal(t, 0, current.Code, current.Err)
	assert.Contains(t, current.Out, "result     nothing to do: app runs 1.0.0 already\n")

	rehearsed := s.device.Do("rehearse", good)
	assert.Equal(t, 0, rehearsed.Code, rehearsed.Err)
	for _, line := range []string{"component  app (module), runs 1.0.0\n", "target     1.1.0, full package, release 2\n",
		"signature  as the device asks for\n",
		"content    complete\n", "reads      3 B\n", "restarts   process\n"} {
		assert.Contains(t, rehearsed.Out, line)
	}
	assert.Equal(t, "old", string(s.device.Read("app.bin")), "nothing has changed")
	assert.Empty(t, document[control.History](t, s.device, "history").Plans)

	// A relative path is the operator's.
	installed := harness.Run(t, s.device.Path("usb"), programs.Agent, "install", "--socket", "../agent.sock",
		"app-1.1.0.ota")
	assert.Equal(t, 0, installed.Code, installed.Err)
	assert.Contains(t, installed.Out, "  app  upgrade succeeded\n")
	assert.Equal(t, "new", string(s.device.Read("app.bin")))
	h := document[control.History](t, s.device, "history")
	assert.Equal(t, good, h.Plans[0].Local)
	assert.Contains(t, s.device.Do("status").Out, "the package "+good+", accepted\n")

	again := s.device.Do("install", "--json", good)
	assert.Equal(t, 0, again.Code)
	assert.Contains(t, again.Out, `"no_update_required"`)

	bad := s.device.Do("install", s.bundleFile("app-1.2.0.ota", "1.2.0", 3, "broken", nil, s.key), "--detach")
	assert.Equal(t, 0, bad.Code, bad.Err)
	harness.Await(t, "the trial of the bad version", func() bool {
		return strings.Contains(s.device.Do("explain").Out,
			"component app runs on trial: its health is being checked\n  since ")
	})
	busy := s.device.Do("install", good)
	assert.Equal(t, 4, busy.Code)
	assert.Contains(t, busy.Err, "is in progress")
}

func TestPackagesThatAreNotInstalled(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Settings["conditions"] = harness.Settings{"busy_file": "busy"}
	agent := s.device.Start()
	agent.AwaitOutput("connected to the broker")
	good := s.bundleFile("good.ota", "1.1.0", 2, "new", nil, s.key)
	content, err := os.ReadFile(good)
	require.NoError(t, err)
	content[len(content)-1536]++ // the file's first byte, before the padding and the end of the archive
	s.device.Write("usb/damaged.ota", content, 0o644)
	for _, test := range []struct {
		name, path string
		code       int // of rehearse
		says       string
		install    int
		installs   string
	}{
		{"unsigned", s.bundleFile("unsigned.ota", "1.1.0", 2, "new", nil), 1, "would be refused: key_untrusted", 1,
			"the package is refused: key_untrusted"},
		{"of an unknown key", s.bundleFile("unknown.ota", "1.1.0", 2, "new", nil, harness.NewKey(t)), 1, "key_untrusted", 1,
			"key_untrusted"},
		{"another product's", s.bundleFile("product.ota", "1.1.0", 2, "new", func(m *ota.Manifest) { m.Product = "gw-300" },
			s.key), 1, "manifest_mismatch", 1, "manifest_mismatch"},
		{"another component's", s.bundleFile("component.ota", "1.1.0", 2, "new",
			func(m *ota.Manifest) { m.Component = "motor" }, s.key), 1, "would be refused", 1, "refused"},
		{"expired", s.bundleFile("expired.ota", "1.1.0", 2, "new",
			func(m *ota.Manifest) { m.Expires = time.Now().Add(-time.Hour) }, s.key), 1, "manifest_expired", 1,
			"manifest_expired"},
		{"damaged", s.device.Path("usb/damaged.ota"), 1, "would fail: 3 B are damaged", 1, "digest_mismatch"},
		{"no package", s.device.Path("release.pub"), 1, "it is not a package file", 1, "it is not a package file"},
		{"nothing", s.device.Path("none.ota"), 1, "no such file", 1, "no such file"},
		{"a directory", s.device.Dir, 1, "is not a file", 1, "is not a file"},
	} {
		rehearsed := s.device.Do("rehearse", test.path)
		assert.Equal(t, test.code, rehearsed.Code, test.name)
		assert.Contains(t, rehearsed.Err, test.says, test.name)
		installed := s.device.Do("install", test.path)
		assert.Equal(t, test.install, installed.Code, test.name)
		assert.Contains(t, installed.Err, test.installs, test.name)
		assert.Equal(t, "old", string(s.device.Read("app.bin")), test.name)
	}

	s.device.Do("pause")
	s.awaitState("paused")
	for _, verb := range []string{"rehearse", "install"} {
		outcome := s.device.Do(verb, good)
		assert.Equal(t, 4, outcome.Code, verb)
		assert.Contains(t, outcome.Err, "the operator has paused the agent", verb)
	}
	s.device.Do("resume")
	s.device.Write("busy", nil, 0o644)
	for _, verb := range []string{"rehearse", "install"} {
		outcome := s.device.Do(verb, good)
		assert.Equal(t, 4, outcome.Code, verb)
		assert.Contains(t, outcome.Err, "the device asks not to be disturbed", verb)
	}
	require.NoError(t, os.Remove(s.device.Path("busy")))

	// What the platform hears of it all is the new version.
	assert.Equal(t, 0, s.device.Do("install", good).Code)
	assert.Equal(t, "new", string(s.device.Read("app.bin")))
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceNoUpdateRequired, s.pack("1.1.0", 2, "new"))
	for _, plan := range document[control.History](t, s.device, "history").Plans {
		if plan.Local != "" {
			assert.Empty(t, s.platform.Reports(plan.ID))
			assert.Empty(t, s.platform.Faults(plan.ID))
		}
	}
}

// The agent is killed again and again while it installs a package file.
func TestInstallIsCutOff(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	s.device.Components(harness.FileComponent("app", "1.0.0", harness.Settings{"after": []string{"sleep", "0.3"}}))
	agent := s.device.Start()
	s.awaitStatus()
	image := string(harness.Image(3, 3_000_000))
	good := s.bundleFile("good.ota", "1.1.0", 2, image, nil, s.key)
	require.Equal(t, 0, s.device.Do("install", "--detach", good).Code)
	for i := range 4 {
		time.Sleep(time.Duration(40*i) * time.Millisecond)
		agent.Kill()
		agent = s.device.Start()
		s.awaitStatus()
	}
	harness.Await(t, "the end", func() bool {
		status, ok := s.status()
		return ok &&
			(status.Plan == nil || status.Plan.Components[0].Status == "upgrade_succeeded" ||
				status.Plan.Components[0].Failure != nil)
	})
	status := s.awaitStatus()
	if status.Plan == nil || status.Plan.Components[0].Failure != nil { // cut before the package was kept
		require.Equal(t, 0, s.device.Do("install", good).Code)
	}
	assert.Equal(t, image, string(s.device.Read("app.bin")))
}
