package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/host"
	"otafleet/agent/statefile"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// saved makes a state directory of a device in the middle of an upgrade.
func saved(t *testing.T, part agent.Part) string {
	dir := t.TempDir()
	j, err := statefile.Open(statefile.Config{Dir: dir})
	require.NoError(t, err)
	memory := agent.Memory{File: j, Logger: slog.New(slog.DiscardHandler)}
	_, err = memory.Load()
	require.NoError(t, err)
	part.Status, part.From = ota.Upgrading, "1.0.0"
	require.NoError(t, memory.Save(&agent.State{
		Components: []agent.Component{{ID: "rootfs", Version: "1.0.0"}},
		Run: &agent.Run{Attempt: 1, LastSeq: 6, Answer: agent.Accepted, Parts: []agent.Part{part}, Plan: &ota.Plan{
			Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), ID: "p1", Name: "p1", Attempt: 1, Mode: ota.Silent,
			OnFailure: ota.Stop, Ends: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
			Components: []ota.PlanComponent{{ID: "rootfs", Type: ota.Module, Package: ota.Full, Target: "1.1.0", Size: 1}},
		}},
	}))
	require.NoError(t, j.Close())
	return dir
}

func TestAgentThatCannotStartInASystemOnTrial(t *testing.T) {
	broken := errors.New("agent.yaml:3: unknown key")
	for name, test := range map[string]struct {
		part   agent.Part
		mended int // the try that works; 0 for none
		before string
		after  string // content of the count
		ends   error
		asked  int // restarts of the system
	}{
		"first boot": {part: agent.Part{Step: agent.StepRestart, Owed: firmware.RestartSystem, BootID: "old"},
			after: "1", ends: broken, asked: 1},
		"on trial": {part: agent.Part{Step: agent.StepTrial, Owed: firmware.RestartSystem, BootID: "old"},
			before: "1", after: "2", ends: broken, asked: 1},
		"mounted late": {part: agent.Part{Step: agent.StepTrial, Owed: firmware.RestartSystem, BootID: "old"},
			mended: 3},
		"that did not help": {part: agent.Part{Step: agent.StepTrial, Owed: firmware.RestartSystem, BootID: "old"},
			before: "10", after: "10", ends: broken},
		"a damaged count": {part: agent.Part{Step: agent.StepTrial, Owed: firmware.RestartSystem, BootID: "old"},
			before: "\x00", after: "\x00", ends: broken},
		"not restarted yet": {part: agent.Part{Step: agent.StepRestart, Owed: firmware.RestartSystem, BootID: "new"},
			ends: broken},
		"the agent's own": {part: agent.Part{Step: agent.StepTrial, Owed: firmware.RestartProcess, BootID: "old"},
			ends: broken},
		"a file, switched":     {part: agent.Part{Step: agent.StepTrial, Owed: firmware.RestartNone}, ends: broken},
		"not yet the next one": {part: agent.Part{Step: agent.StepActivate}, ends: broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := saved(t, test.part)
				if test.before != "" {
					require.NoError(t, os.WriteFile(filepath.Join(dir, "rescues"), []byte(test.before), 0o600))
				}
				asked, tries := 0, 0
				r := newRescue("", dir, host.System{}, slog.New(slog.DiscardHandler))
				r.bootID, r.restart = "new", func() error { asked++; return nil }
				err := r.retry(t.Context(), func() error {
					if tries++; tries == test.mended {
						return nil
					}
					return broken
				})
				assert.ErrorIs(t, err, test.ends)
				assert.Equal(t, test.asked, asked)
				text, _ := os.ReadFile(r.file())
				assert.Equal(t, test.after, string(text))
				r.forget()
				assert.NoFileExists(t, r.file())
			})
		})
	}
}

// Whoever stops the agent meanwhile does not want a restart.
func TestRescueEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRescue("", saved(t, agent.Part{Step: agent.StepTrial, Owed: firmware.RestartSystem}), host.System{},
			slog.New(slog.DiscardHandler))
		r.restart = func() error { panic("restarted") }
		ctx, cancel := context.WithTimeout(t.Context(), rescueAgain)
		defer cancel()
		assert.Error(t, r.retry(ctx, func() error { return errors.New("broken") }))
	})
}

// The state directory is found in a configuration that cannot be used.
func TestStateDirectoryOfABrokenConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	for text, want := range map[string]string{
		"state_dir: /data/ota\nnew_key: 1\n": "/data/ota",
		"state_dir: ota\ncomponents: 7\n":    filepath.Join(filepath.Dir(path), "ota"),
		"components: [}":                     "/var/lib/ota-agent",
		"state_dir: [1]":                     "/var/lib/ota-agent",
		"":                                   "/var/lib/ota-agent",
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		assert.Equal(t, want, config.StateDir(path), text)
	}
	assert.Equal(t, "/var/lib/ota-agent", config.StateDir(filepath.Join(path, "none")))
}
