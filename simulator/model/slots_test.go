package model_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/simulator/model"
)

// job is an upgrade to a version with one file of the given hash.
func job(target string, hash byte) *firmware.Job {
	return &firmware.Job{Component: "app", Target: target, Files: []ota.File{{Name: "app.bin", SHA256: ota.Digest{hash}}}}
}

// upgraded runs 1.1.0, and may roll back to 1.0.0.
func upgraded(t *testing.T) *model.Slots {
	t.Helper()
	s := &model.Slots{Running: "1.0.0", Restart: firmware.RestartSystem}
	j := job("1.1.0", 1)
	assert.True(t, s.Open(j))
	require.NoError(t, s.Stage(j))
	already, err := s.Ready(j)
	require.NoError(t, err)
	require.False(t, already)
	s.Activate()
	require.NoError(t, s.Commit(j))
	return s
}

// TestEveryStepMayBeDoneAgain, as after a power cut between the step and the
// moment when the device has saved that it is done.
func TestEveryStepMayBeDoneAgain(t *testing.T) {
	j := job("1.1.0", 1)
	s := &model.Slots{Running: "1.0.0", Restart: firmware.RestartProcess}
	assert.True(t, s.Open(j))
	assert.False(t, s.Open(j), "what is in place stays")
	require.NoError(t, s.Stage(j))
	require.NoError(t, s.Stage(j))
	s.Activate()
	already, err := s.Ready(j)
	require.NoError(t, err)
	assert.True(t, already, "it runs; activated again it would be its own previous version")
	require.NoError(t, s.Commit(j))
	require.NoError(t, s.Commit(j))
	assert.Equal(t, firmware.RestartProcess, s.Revert(j))
	assert.Equal(t, firmware.RestartProcess, s.Revert(j))
	assert.Equal(t, "1.0.0", s.Running)
}

func TestOnlyWhatIsStagedRuns(t *testing.T) {
	s := &model.Slots{Running: "1.0.0"}
	j := job("1.1.0", 1)
	_, err := s.Ready(j)
	require.Error(t, err)
	require.Error(t, s.Stage(j), "nothing is in place")
	s.Open(j)
	_, err = s.Ready(j)
	require.Error(t, err, "in place, and not declared whole")
	require.Error(t, s.Commit(j), "it does not run")
	require.NoError(t, s.Stage(j))
	assert.True(t, s.Open(job("1.1.0", 2)), "the same version made of other bytes is another image")
	_, err = s.Ready(j)
	require.Error(t, err)
}

func TestRevert(t *testing.T) {
	s := upgraded(t)
	assert.Equal(t, firmware.RestartNone, s.Revert(job("1.2.0", 2)), "a job that was never activated needs no rollback")
	assert.Equal(t, "1.1.0", s.Running)
	assert.Equal(t, firmware.RestartSystem, s.Revert(job("1.1.0", 1)), "after its confirmation, too")
	assert.Equal(t, "1.0.0", s.Running)

	s = upgraded(t)
	next := job("1.2.0", 2)
	s.Open(next)
	require.NoError(t, s.Stage(next))
	assert.Equal(t, firmware.RestartNone, s.Revert(job("1.1.0", 1)), "its place has been taken by the next job")
	assert.Equal(t, "1.1.0", s.Running)
}
