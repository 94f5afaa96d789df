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
	t     *testing.T
	dir   string // of its logs, and of the histories
	id    string // of the array's job
	merge string // of the job that merges
}

// submit runs what ota-sim prints for a scenario in shards.
func submit(t *testing.T, scenario string, flags ...string) *array {
	t.Helper()
	a := &array{t: t, dir: t.TempDir()}
	args := append([]string{"cluster", "slurm", scenario, "--name", "fleet", "--shards", fmt.Sprint(shards),
		"--out", a.out()}, flags...)
	a.run(do(t, os.Getenv("OTA_SIM"), args...))
	return a
}

// run runs a script that submits the array and the job that merges.
func (a *array) run(script string) {
	a.t.Helper()
	// Slurm's tasks have the environment of whoever submits them.
	a.t.Setenv("PATH", filepath.Dir(os.Getenv("OTA_SIM"))+":"+os.Getenv("PATH"))
	path := filepath.Join(a.dir, "script")
	require.NoError(a.t, os.WriteFile(path, []byte(script), 0o600))
	o := harness.Run(a.t, a.dir, "bash", path)
	require.Zero(a.t, o.Code, o.Out+o.Err)
	ids := regexp.MustCompile(`Submitted batch job (\d+)`).FindAllStringSubmatch(o.Out, -1)
	require.Len(a.t, ids, 2, o.Out)
	a.id, a.merge = ids[0][1], ids[1][1]
	a.t.Cleanup(func() {
		if a.t.Failed() {
			a.t.Log(a.logs())
		}
		do(a.t, "scancel", a.id, a.merge)
		harness.Await(a.t, "Slurm has let go of it", func() bool { return queued(a.t, a.id+","+a.merge) == "" })
	})
}

// out is where the shards keep their histories.
func (a *array) out() string { return filepath.Join(a.dir, "histories") }

// do runs a program that has to succeed, and gives what it prints.
func do(t *testing.T, program string, args ...string) string {
	t.Helper()
	o := harness.Run(t, ".", program, args...)
	require.Zero(t, o.Code, "%s %q: %s%s", program, args, o.Out, o.Err)
	return strings.TrimSpace(o.Out)
}

// logs are the last lines that each job has written.
func (a *array) logs() string {
	a.t.Helper()
	const last = 5
	paths, err := filepath.Glob(filepath.Join(a.dir, "*.log"))
	require.NoError(a.t, err)
	var b strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(a.t, err)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&b, "%s:\n%s\n", filepath.Base(path), strings.Join(lines[max(0, len(lines)-last):], "\n"))
	}
	return b.String()
}

// queued is what Slurm has not finished of jobs.
func queued(t *testing.T, ids string) string {
	t.Helper()
	return do(t, "squeue", "--noheader", "--jobs", ids)
}

// end waits for all tasks and gives their exit codes, in the order of their numbers.
func (a *array) end() (codes [shards]string) {
	a.t.Helper()
	harness.Await(a.t, "the array has ended", func() bool { return queued(a.t, a.id) == "" })
	for _, line := range strings.Split(do(a.t, "scontrol", "--oneliner", "show", "job", a.id), "\n") {
		m := regexp.MustCompile(`ArrayTaskId=(\d+) .*ExitCode=(\d+):`).FindStringSubmatch(line)
		require.NotNil(a.t, m, line)
		codes[m[1][0]-'1'] = m[2]
	}
	return codes
}

// merged waits for the job that merges and gives its exit code.
func (a *array) merged() string {
	a.t.Helper()
	harness.Await(a.t, "the histories are merged", func() bool { return queued(a.t, a.merge) == "" })
	m := regexp.MustCompile(`ExitCode=(\d+):`).FindStringSubmatch(do(a.t, "scontrol", "show", "job", a.merge))
	require.NotNil(a.t, m)
	return m[1]
}

// part is the directory of a task's history.
func (a *array) part(task int) string { return filepath.Join(a.out(), fmt.Sprint("part-", task)) }

// requeue starts a task again, while it runs.
func (a *array) requeue(task int) {
	a.t.Helper()
	name := fmt.Sprint(a.id, "_", task)
	do(a.t, "scontrol", "requeue", name)
	harness.Await(a.t, "it is to be started again", func() bool {
		return strings.Contains(do(a.t, "scontrol", "show", "job", name), "Restarts=1")
	})
}

// verdict is the one on the merged histories.
func (a *array) verdict() verdict {
	a.t.Helper()
	path := filepath.Join(a.dir, "verdict.json")
	do(a.t, os.Getenv("OTA_SIM"), "merge", a.out(), "--json", path)
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

// Real devices, which begin together, the platform embedded in each task, one verdict.
func TestArray(t *testing.T) {
	a := submit(t, "happy")
	assert.Equal(t, [shards]string{"0", "0", "0", "0"}, a.end())
	assert.Equal(t, "0", a.merged())
	v := a.verdict()
	assert.True(t, v.Held)
	assert.Equal(t, 40, v.Classes.All["upgraded"])
}

// A task in virtual time that Slurm ends and starts again gives the same history in the end.
func TestRequeue(t *testing.T) {
	scenario := harness.Million(t, "60000")
	a := submit(t, scenario, "--virtual")
	harness.Await(t, "the history has begun", func() bool {
		_, err := os.Stat(filepath.Join(a.part(2), "run.json"))
		return err == nil
	})
	a.requeue(2)
	assert.Equal(t, [shards]string{"0", "0", "0", "0"}, a.end())
	assert.Equal(t, "0", a.merged())
	assert.DirExists(t, filepath.Join(a.part(2), "try-2"))
	assert.Equal(t, whole(t, scenario), a.verdict())
}

// What real devices had done cannot be undone: the shard is lost, and is named.
func TestRequeueOfRealDevices(t *testing.T) {
	a := submit(t, "happy", "--start-within", "30s")
	harness.Await(t, "the devices have begun", func() bool { return harness.Begun(a.logs()) })
	a.requeue(3)
	codes := a.end()
	assert.NotEqual(t, "0", codes[2])
	codes[2] = "0"
	assert.Equal(t, [shards]string{"0", "0", "0", "0"}, codes)
	assert.Equal(t, "5", a.merged())
	assert.Contains(t, a.logs(), "shard 3/4")
}

// A scenario that is wrong ends all tasks: none is started again.
func TestWrongScenario(t *testing.T) {
	a := &array{t: t, dir: t.TempDir()}
	script := do(t, os.Getenv("OTA_SIM"), "cluster", "slurm", "happy", "--name", "fleet", "--shards", fmt.Sprint(shards),
		"--out", a.out())
	a.run(strings.Replace(script, " run happy ", " run harpy ", 1))
	assert.Contains(t, a.end(), "2")
	assert.Contains(t, a.logs(), "harpy")
}
