package e2e_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/internal/programtest"
	"otafleet/test/harness"
)

// launcher is what systemd and procd start where the agent is its own component.
func launcher(t *testing.T) string {
	path, err := filepath.Abs("../../packaging/launch")
	require.NoError(t, err)
	return path
}

// launch starts the agent as they do.
func (s *setting) launch(packaged string) *harness.Process {
	s.t.Helper()
	s.device.Configure()
	return harness.Start(s.t, s.device.Dir, launcher(s.t), packaged, s.device.Programs.Agent, "run", "--config",
		s.device.Path("agent.yaml"))
}

// A new agent that starts, and ends before it could roll itself back, is rolled
// back by what starts it; one that hangs, by the old one, which does not give way to
// it. The old one reports that, and can be upgraded again.
func TestNewAgentThatEndsIsRolledBack(t *testing.T) {
	for name, script := range map[string]string{
		"at once":                "exit 1",
		"never":                  "sleep 1000",
		"at once when it runs":   `[ "$1" = version ]`,
		"a second after a start": `[ "$1" = version ] || { sleep 1; exit 1; }`,
		"when it has connected":  `[ "$1" = version ] || { AGENT "$@" & sleep 2; kill -9 $!; exit 1; }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetting(t)
			s.device.Settings["soak"] = "5s"
			packaged := s.device.Programs.Agent
			script := strings.ReplaceAll(script, "AGENT", packaged)
			image := s.installAgent(harness.Settings{"path": "sbin/ota-agent", "restart": "process"})
			agent := s.launch(packaged)
			keep := func() {
				if !agent.Running() {
					agent = s.launch(packaged)
				}
			}
			s.platform.Offer(harness.Plan{ID: "bad"},
				harness.Pack(t, "agent", "1.1.0", 2, []byte("#!/bin/sh\n"+script+"\n"), nil, s.key))
			harness.Await(t, "the end of the plan", func() bool {
				keep()
				return s.platform.Status("bad", s.device) == ota.DeviceUpgradeFailed
			})
			assert.Equal(t, trail("download_succeeded", "upgrading", "upgrade_failed: boot_failed"),
				s.platform.Trail("bad", "agent"))
			assert.Empty(t, s.platform.Faults("bad"))
			assert.True(t, bytes.Equal(image, s.device.Read("sbin/ota-agent")), "the old program is there")
			s.onlyIn("sbin", "ota-agent")

			s.upgrade(harness.Plan{ID: "good"}, ota.DeviceUpgraded, harness.Pack(t, "agent", "1.2.0", 3, image, nil, s.key))
			for range 5 { // confirmed: it may be started as often as it likes
				agent.Kill()
				keep()
				agent.AwaitOutput("connected to the broker")
			}
			assert.NotContains(t, agent.Output(), "launch:")
			assert.Contains(t, s.device.Do("status").Out, "1.2.0")
			s.onlyIn("sbin", "ota-agent", "ota-agent.ota-previous")
			assert.Equal(t, 0, agent.Stop())
		})
	}
}

// A program that hangs is ended after a while, also where there is no timeout(1);
// a sleep that takes no time makes that while short.
func TestLaunchWithAProgramThatHangs(t *testing.T) {
	dir := t.TempDir()
	programtest.Write(t, filepath.Join(dir, "sleep"), []byte("#!/bin/sh\n"), 0o755)
	programtest.Write(t, filepath.Join(dir, "packaged"), []byte("#!/bin/sh\necho packaged\n"), 0o755)
	programtest.Write(t, filepath.Join(dir, "own"), []byte("#!/bin/sh\nexec tail -f /dev/null\n"), 0o755)
	for range 2 {
		outcome := harness.Run(t, dir, "env", "PATH="+dir+":"+os.Getenv("PATH"),
			launcher(t), filepath.Join(dir, "packaged"), filepath.Join(dir, "own"), "run")
		assert.Equal(t, "packaged\n", outcome.Out, outcome.Err)
	}
}

func (s *setting) onlyIn(dir string, want ...string) {
	s.t.Helper()
	entries, err := os.ReadDir(s.device.Path(dir))
	require.NoError(s.t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	assert.Equal(s.t, want, names)
}

// What the launcher starts, of programs that print their names; one that is
// called broken cannot be run.
func TestLaunch(t *testing.T) {
	const own, trial, starts = "own", "own.ota-trial", "own.ota-starts"
	for name, test := range map[string]struct {
		files  map[string]string // the programs, and how many starts were counted
		starts string            // what the first, second … start runs
		left   string            // names, in the end
	}{
		"no trial": {map[string]string{own: "a"}, "a a a a a", "own packaged"},
		"no trial, and an old count": {map[string]string{own: "a", starts: "\n\n\n\n\n"}, "a a",
			"own own.ota-starts packaged"},
		"no trial, and a version kept": {map[string]string{own: "a", "own.ota-previous": "b"}, "a a a a a",
			"own own.ota-previous packaged"},
		"on trial": {map[string]string{own: "new", trial: "old"}, "new new new old old old old old",
			"own own.ota-starts packaged"},
		"on trial, and is none": {map[string]string{own: "broken", trial: "old"}, "old old",
			"own own.ota-starts packaged"},
		"on trial, not to be counted": {map[string]string{own: "new", trial: "old", starts + "/x": "x"}, "old old",
			"own own.ota-starts packaged"},
		"on trial, counted in a pipe": {map[string]string{own: "new", trial: "old", starts: "|"}, "new new new old",
			"own own.ota-starts packaged"},
		"on trial, not yet switched": {map[string]string{own: "a", trial: "="}, "a a a a a",
			"own own.ota-starts packaged"},
		"on trial, and gone": {map[string]string{trial: "old"}, "old old", "own own.ota-starts packaged"},
		"on trial, and neither is one": {map[string]string{own: "broken", trial: "broken"}, "packaged packaged",
			"own own.ota-starts packaged"},
		"missing": {nil, "packaged packaged", "own packaged"},
		"broken":  {map[string]string{own: "broken"}, "packaged packaged", "own packaged"},
		"broken, and half a copy of it": {map[string]string{own: "broken", "own.ota-packaged": "broken"}, "packaged packaged",
			"own packaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put := func(name, content string) {
				path := filepath.Join(dir, name)
				if content == "=" { // another name of the program
					require.NoError(t, os.Link(filepath.Join(dir, own), path))
					return
				}
				if content == "|" {
					require.NoError(t, syscall.Mkfifo(path, 0o600))
					return
				}
				program := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = version ] || echo %s \"$@\"\n", content)
				if content == "broken" || strings.HasPrefix(name, starts) {
					program = content
				}
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				programtest.Write(t, path, []byte(program), 0o755)
			}
			put("packaged", "packaged")
			for _, name := range slices.Sorted(maps.Keys(test.files)) {
				put(name, test.files[name])
			}
			for i, want := range strings.Fields(test.starts) {
				outcome := harness.Run(t, dir, launcher(t), filepath.Join(dir, "packaged"), filepath.Join(dir, own), "run",
					"two words")
				assert.Equal(t, want+" run two words\n", outcome.Out, "start %d: %s", i+1, outcome.Err)
			}
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			var left []string
			for _, entry := range entries {
				left = append(left, entry.Name())
			}
			assert.Equal(t, test.left, strings.Join(left, " "))
		})
	}
}
