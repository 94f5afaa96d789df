package selection_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/selection"
)

func TestAutoShard(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"1/8": {"JOB_COMPLETION_INDEX": "0", "OTA_SIM_SHARDS": "8"},
		"8/8": {"JOB_COMPLETION_INDEX": "7", "OTA_SIM_SHARDS": "8"},
		"3/4": {"SLURM_ARRAY_TASK_ID": "12", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_COUNT": "4"},
		"2/4": {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_STEP": "5",
			"SLURM_ARRAY_TASK_COUNT": "4"},
		"2/3": {"AWS_BATCH_JOB_ARRAY_INDEX": "1", "AWS_BATCH_JOB_ARRAY_SIZE": "3"},
		"5/6": {"NOMAD_ALLOC_INDEX": "4", "OTA_SIM_SHARDS": "6"},
		"4/5": {"CI_NODE_INDEX": "4", "CI_NODE_TOTAL": "5"},
		"1/5": {"CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "5"},
		"2/9": {"CIRCLE_NODE_INDEX": "1", "CIRCLE_NODE_TOTAL": "5", "OTA_SIM_SHARDS": "9"},
	} {
		s, err := selection.AutoShard(func(name string) string { return env[name] })
		require.NoError(t, err)
		assert.Equal(t, want, s.String())
	}
	for want, env := range map[string]map[string]string{
		"nothing numbers this process: want one of JOB_COMPLETION_INDEX, ": {"OTA_SIM_SHARDS": "8"},
		"task of an indexed Job of Kubernetes: nothing says how many shards there are: set OTA_SIM_SHARDS": {
			"JOB_COMPLETION_INDEX": "0"},
		`JOB_COMPLETION_INDEX="one" is not a number`: {"JOB_COMPLETION_INDEX": "one", "OTA_SIM_SHARDS": "8"},
		"shard 9/8: there are only the shards":       {"JOB_COMPLETION_INDEX": "8", "OTA_SIM_SHARDS": "8"},
		"shard 0/5: there are only the shards":       {"CI_NODE_INDEX": "0", "CI_NODE_TOTAL": "5"},
		"6 is none of the numbers from 0 in steps of 5": {"SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_MIN": "0",
			"SLURM_ARRAY_TASK_STEP": "5", "SLURM_ARRAY_TASK_COUNT": "4"},
		"JOB_COMPLETION_INDEX=1 and CI_NODE_INDEX=2 both number this process": {
			"JOB_COMPLETION_INDEX": "1", "CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "5"},
	} {
		_, err := selection.AutoShard(func(name string) string { return env[name] })
		assert.ErrorContains(t, err, want)
	}
}
