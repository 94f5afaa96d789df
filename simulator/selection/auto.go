package selection

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ShardsVariable says how many shards there are, where what numbers them does not.
const ShardsVariable = "OTA_SIM_SHARDS"

// numbering is how something that starts many tasks tells each its number, and how many
// there are: the names of environment variables, from its documentation.
type numbering struct {
	by          string
	index       string
	first, step string // of the indexes; empty if the first is base, and each is one higher
	base        int
	count       string // empty for ShardsVariable
}

func numberings() []numbering {
	return []numbering{
		{by: "an indexed Job of Kubernetes", index: "JOB_COMPLETION_INDEX"},
		{by: "an array of Slurm", index: "SLURM_ARRAY_TASK_ID", first: "SLURM_ARRAY_TASK_MIN",
			step: "SLURM_ARRAY_TASK_STEP", count: "SLURM_ARRAY_TASK_COUNT"},
		{by: "an array of AWS Batch", index: "AWS_BATCH_JOB_ARRAY_INDEX", count: "AWS_BATCH_JOB_ARRAY_SIZE"},
		{by: "Nomad", index: "NOMAD_ALLOC_INDEX"},
		{by: "GitLab", index: "CI_NODE_INDEX", base: 1, count: "CI_NODE_TOTAL"},
		{by: "CircleCI", index: "CIRCLE_NODE_INDEX", count: "CIRCLE_NODE_TOTAL"},
	}
}

// AutoShard is the shard of a process that something has started as one of many, by the
// environment. OTA_SIM_SHARDS is how many there are, if it is set.
func AutoShard(getenv func(string) string) (Shard, error) {
	var found []numbering
	for _, n := range numberings() {
		if getenv(n.index) != "" {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return Shard{}, fmt.Errorf("--shard auto: nothing numbers this process: want one of %s, or a shard as i/N",
			indexNames())
	case 1:
		s, err := found[0].shard(getenv)
		if err != nil {
			return Shard{}, fmt.Errorf("--shard auto: cannot number this task of %s: %w", found[0].by, err)
		}
		return s, nil
	}
	a, b := found[0].index, found[1].index
	return Shard{}, fmt.Errorf("--shard auto: %s=%s and %s=%s both number this process: give the shard as i/N",
		a, getenv(a), b, getenv(b))
}

// shard is what a task's number makes it.
func (n *numbering) shard(getenv func(string) string) (Shard, error) {
	var problems []error
	read := func(name string, otherwise int) int {
		text := ""
		if name != "" {
			text = getenv(name)
		}
		if text == "" {
			return otherwise
		}
		value, err := strconv.Atoi(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s=%.64q is not a number", name, text))
		}
		return value
	}
	index, first, step := read(n.index, 0), read(n.first, n.base), read(n.step, 1)
	of := read(ShardsVariable, read(n.count, 0))
	switch {
	case len(problems) > 0:
		return Shard{}, errors.Join(problems...)
	case of == 0:
		return Shard{}, fmt.Errorf("nothing says how many shards there are: set %s", ShardsVariable)
	case step < 1 || (index-first)%step != 0:
		return Shard{}, fmt.Errorf("%d is none of the numbers from %d in steps of %d", index, first, step)
	}
	s := Shard{(index-first)/step + 1, of}
	return s, s.Validate()
}

func indexNames() string {
	var names []string
	for _, n := range numberings() {
		names = append(names, n.index)
	}
	return strings.Join(names, ", ")
}
