//go:build slurm

package slurm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// shards is how many tasks an array here has.
const shards = 4

// verdict is what the tests look at of a verdict in JSON.
type verdict struct {
	Held    bool
	Digest  string `json:"history_digest"`
	Classes struct{ All map[string]int }
}

// array is a scenario as an array of Slurm.
type array struct {
	t      *testing.T
	dir    string // of the histories, its logs and its script
	id     string // of its job
	script string // what ota-sim prints
}

// submit hands an array to Slurm.
func submit(t *testing.T, scenario string, flags ...string) *array {
	t.Helper()
	a := &array{t: t, dir: t.TempDir()}
	args := strings.Join(append([]string{scenario}, flags...), " ")
	a.script = "#!/bin/sh\n#SBATCH --array=1-4 --requeue --open-mode=append\n" + "exec " + os.Getenv("OTA_SIM") +
		" run " + args + " --shard auto --out " + a.dir + "/part-$SLURM_ARRAY_TASK_ID --verdict merge --quiet\n"
	path := filepath.Join(a.dir, "job.sh")
	require.NoError(t, os.WriteFile(path, []byte(a.script), 0o700))
	a.id = do(t, "sbatch", "--parsable", "--output", filepath.Join(a.dir, "log-%a"), path)
	t.Cleanup(func() {
		do(t, "scancel", a.id)
		harness.Await(t, "Slurm has let go of it", func() bool { return a.queued() == "" })
	})
	return a
}

// do runs a program that has to succeed, and gives what it prints.
func do(t *testing.T, program string, args ...string) string {
	t.Helper()
	o := harness.Run(t, ".", program, args...)
	require.Zero(t, o.Code, "%s %q: %s%s", program, args, o.Out, o.Err)
	return strings.TrimSpace(o.Out)
}

// logs are the last lines that each task has written.
func (a *array) logs() string {
	a.t.Helper()
	const last = 5
	var b strings.Builder
	for i := range shards {
		text, err := os.ReadFile(filepath.Join(a.dir, fmt.Sprint("log-", i+1)))
		require.NoError(a.t, err)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&b, "task %d:\n%s\n", i+1, strings.Join(lines[max(0, len(lines)-last):], "\n"))
	}
	return b.String()
}

// queued is what Slurm has not finished of the array.
func (a *array) queued() string { return do(a.t, "squeue", "--noheader", "--jobs", a.id) }

// end waits for all tasks and gives their exit codes, in the order of their numbers.
func (a *array) end() []string {
	a.t.Helper()
	harness.Await(a.t, "the array has ended", func() bool { return a.queued() == "" })
	codes := make([]string, shards)
	for _, line := range strings.Split(do(a.t, "scontrol", "--oneliner", "show", "job", a.id), "\n") {
		m := regexp.MustCompile(`ArrayTaskId=(\d+) .*ExitCode=(\d+):`).FindStringSubmatch(line)
		require.NotNil(a.t, m, line)
		codes[m[1][0]-'1'] = m[2]
	}
	return codes
}

// part is the directory of a task's history.
func (a *array) part(task int) string { return filepath.Join(a.dir, fmt.Sprint("part-", task)) }

// requeue starts a task again while it runs, once it has begun its history.
func (a *array) requeue(task int) {
	a.t.Helper()
	harness.Await(a.t, "the history has begun", func() bool {
		_, err := os.Stat(filepath.Join(a.part(task), "run.json"))
		return err == nil
	})
	name := fmt.Sprint(a.id, "_", task)
	do(a.t, "scontrol", "requeue", name)
}

// merge makes one verdict of the histories.
func (a *array) merge(flags ...string) harness.Outcome {
	a.t.Helper()
	args := append([]string{"merge"}, flags...)
	for i := range shards {
		args = append(args, a.part(i+1))
	}
	return harness.Run(a.t, ".", os.Getenv("OTA_SIM"), args...)
}

// verdict is the one on the merged histories.
func (a *array) verdict() verdict {
	a.t.Helper()
	path := filepath.Join(a.dir, "verdict.json")
	o := a.merge("--json", path)
	assert.Zero(a.t, o.Code, o.Out+o.Err)
	return read(a.t, path)
}

func read(t *testing.T, path string) (v verdict) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

// whole is the verdict on a scenario in virtual time, in one piece.
func whole(t *testing.T, scenario string) verdict {
	t.Helper()
	path := filepath.Join(t.TempDir(), "verdict.json")
	do(t, os.Getenv("OTA_SIM"), "run", scenario, "--virtual", "--quiet", "--json", path)
	return read(t, path)
}

// Real devices, the platform embedded in each task, one verdict.
func TestArray(t *testing.T) {
	a := submit(t, "happy")
	assert.Equal(t, []string{"0", "0", "0", "0"}, a.end())
	v := a.verdict()
	assert.True(t, v.Held)
	assert.Equal(t, 40, v.Classes.All["upgraded"])
}

// A task in virtual time that Slurm ends and starts again gives the same history in the end.
func TestRequeue(t *testing.T) {
	scenario := harness.Million(t, "60000")
	a := submit(t, scenario, "--virtual")
	a.requeue(2)
	assert.Equal(t, []string{"0", "0", "0", "0"}, a.end())
	assert.DirExists(t, filepath.Join(a.part(2), "try-2"), a.logs())
	assert.Equal(t, whole(t, scenario), a.verdict())
}

// What real devices had done cannot be undone: the shard is lost, and is named.
func TestRequeueOfRealDevices(t *testing.T) {
	a := submit(t, "happy")
	a.requeue(3)
	assert.Equal(t, []string{"0", "0", "5", "0"}, a.end())
	o := a.merge()
	assert.Equal(t, 5, o.Code)
	assert.Contains(t, o.Err, "3/4")
}

// A wrong scenario ends every task at once.
func TestWrongScenario(t *testing.T) {
	a := submit(t, "no-such-scenario")
	assert.Equal(t, []string{"2", "2", "2", "2"}, a.end())
	assert.Contains(t, a.logs(), "no-such-scenario")
}
