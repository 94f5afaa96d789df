package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
	"otafleet/simulator/history"
	"otafleet/simulator/history/bucket"
	"otafleet/simulator/history/bucket/buckettest"
)

// inStore lets the program use a store of the test.
func inStore(t *testing.T) *buckettest.Server {
	t.Helper()
	store := buckettest.New(t)
	for name, value := range store.Environment() {
		t.Setenv(name, value)
	}
	for _, ci := range []string{"CI_NODE_INDEX", "CIRCLE_NODE_INDEX"} {
		t.Setenv(ci, "") // these tests may be such a task
	}
	return store
}

// TestRunInABucket: tasks with one command line keep their histories in a bucket, and
// merge, which began before them, makes the verdict of the run in one piece.
func TestRunInABucket(t *testing.T) {
	store := inStore(t)
	dir, text := t.TempDir(), file(t, "sick.yaml", sick)
	t.Setenv("OTA_SIM_SHARDS", "3")
	merged := make(chan outcome)
	go func() { merged <- simUntil(t.Context(), "merge", "s3://runs/my/run", "--wait", "3") }()
	run := []string{"run", "--virtual", "--quiet", "--shard", "auto", "--verdict", "merge", "--out", "s3://runs/my/run",
		text}
	for _, index := range []string{"0", "1", "2"} {
		t.Setenv("JOB_COMPLETION_INDEX", index)
		o := sim(t, run...)
		require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	}
	again := sim(t, run...)
	assert.Equal(t, cli.OK, again.code, again.err)
	assert.Contains(t, again.out, "s3://runs/my/run/part-3 has the complete history of this shard: nothing is left to run")

	o := <-merged
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	whole := sim(t, "run", "--virtual", "--quiet", "--out", filepath.Join(dir, "whole"), text)
	digest := regexp.MustCompile(`history +[0-9a-f]{64}`)
	require.NotEmpty(t, digest.FindString(o.out))
	assert.Equal(t, digest.FindString(whole.out), digest.FindString(o.out))
	var keys []string
	for key := range store.Objects() {
		keys = append(keys, key)
	}
	for _, part := range []string{"part-1", "part-2", "part-3"} {
		for _, name := range []string{"waiting.json", "begun.json", "run.json", "scenario.yaml", "events.jsonl.zst"} {
			assert.Contains(t, keys, "my/run/"+part+"/"+name)
		}
	}
	assert.Len(t, keys, 15)
	assert.Equal(t, cli.OK, sim(t, "merge", "s3://runs/my/run").code, "without waiting, too")
	o = sim(t, "compare", filepath.Join(dir, "whole"), "s3://runs/my/run", "--tolerance", "resources=100%")
	assert.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	assert.Contains(t, o.out, "the histories are the same to the byte")
	o = sim(t, "report", "s3://runs/my/run/part-2")
	assert.Contains(t, o.out, "shard 2/3")
	o = sim(t, "replay", "s3://runs/my/run/part-2", "--only", "gw-000002")
	assert.Contains(t, o.out, "\nthen ")
}

// TestShardsInADirectory: a shared file system serves as well.
func TestShardsInADirectory(t *testing.T) {
	inStore(t)
	out, text := filepath.Join(t.TempDir(), "run"), file(t, "small.yaml", small)
	t.Setenv("SLURM_ARRAY_TASK_COUNT", "2")
	t.Setenv("SLURM_ARRAY_TASK_MIN", "5")
	for _, id := range []string{"5", "6"} {
		t.Setenv("SLURM_ARRAY_TASK_ID", id)
		o := sim(t, "run", "--virtual", "--quiet", "--shard", "auto", "--out", out, text)
		require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	}
	assert.DirExists(t, filepath.Join(out, "part-2"))
	o := sim(t, "merge", out, "--wait", "2")
	assert.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, "\nHELD\n")
	o = sim(t, "merge", out, "--wait", "3")
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "is a shard of 2, and 3 are waited for")
}

// TestWaitIsBounded, and names what did not end, with commands that make the run whole.
func TestWaitIsBounded(t *testing.T) {
	store := inStore(t)
	text := file(t, "small.yaml", small)
	merge := []string{"merge", "s3://runs/run", "--wait", "2", "--wait-at-most", "1ms"}
	o := sim(t, merge...)
	assert.Equal(t, exitShardLost, o.code)
	assert.Contains(t, o.err, "there is no record of a run in s3://runs/run")

	run := func(i string, more ...string) outcome {
		args := []string{"run", "--virtual", "--quiet", "--shard", i + "/2", "--out", "s3://runs/run/" + i, text}
		return sim(t, append(args, more...)...)
	}
	require.Equal(t, cli.OK, run("1").code)
	o = sim(t, merge...)
	assert.Equal(t, exitShardLost, o.code)
	assert.Contains(t, o.err, "1 of 2 shards have ended, 1 have begun")
	assert.Contains(t, o.err, "shard 2/2 is not among")
	commands := repairs(t, o.err)
	assert.Contains(t, commands[0], "--out=s3://runs/run/shard-2 "+text)
	require.NoError(t, os.Rename(text, text+".gone"))
	o = sim(t, merge...)
	assert.Contains(t, o.err, "then merge: (s3://runs/run/1/scenario.yaml, which is what was run, has to be in this")
	assert.Regexp(t, `--out=s3://runs/run/shard-2 scenario.yaml$`, repairs(t, o.err)[0])
	require.NoError(t, os.Rename(text+".gone", text))

	require.Equal(t, cli.OK, run("2").code)
	store.Remove("run/2/run.json") // as if it had been killed
	store.Remove("run/2/events.jsonl.zst")
	o = sim(t, merge...)
	assert.Equal(t, exitShardLost, o.code)
	assert.Contains(t, o.err, "shard 2/2 in s3://runs/run/2 has no end")
	o = sim(t, "report", "s3://runs/run/2")
	assert.Equal(t, cli.Failed, o.code, o.err)
	assert.Contains(t, o.out, "✗ the run came to its end")
	o = run("2")
	require.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, "this one is kept in s3://runs/run/2/try-2")
	o = sim(t, merge...)
	assert.Equal(t, cli.OK, o.code, o.err)
}

// TestPlacesRefused before anything runs, with what to do.
func TestPlacesRefused(t *testing.T) {
	inStore(t)
	text := file(t, "small.yaml", small)
	for place, want := range map[string]string{
		"s3://":                   "the bucket",
		"s3://id:secret@runs/run": "the address of a bucket has no credentials in it",
		"s3://runs/a/../b":        "the prefix",
		"s3://absent/run":         "has no bucket absent: make it, or check AWS_ENDPOINT_URL",
	} {
		for _, args := range [][]string{{"run", "--virtual", "--quiet", "--out", place, text}, {"merge", place},
			{"report", place}, {"replay", place, "--only", "gw-000001"}} {
			o := sim(t, args...)
			assert.Equal(t, cli.Usage, o.code, "%s %s: %s", args[0], place, o.err)
			assert.Contains(t, o.err, want, args[0])
			assert.NotContains(t, o.err, "secret")
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	o := sim(t, "merge", "s3://runs/run")
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "both are needed")
}

// TestUploadLost costs the run its history, and not its verdict.
func TestUploadLost(t *testing.T) {
	store := inStore(t)
	text := file(t, "small.yaml", small)
	store.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		fails := r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "events.jsonl.zst")
		if fails {
			buckettest.Refuse(w, http.StatusForbidden, "QuotaExceeded")
		}
		return fails
	})
	run := []string{"run", "--virtual", "--quiet", "--shard", "1/1", "--out", "s3://runs/run", text}
	for _, more := range [][]string{nil, {"--verdict", "merge"}} {
		o := sim(t, append(run, more...)...)
		assert.Equal(t, cli.Failed, o.code)
		assert.Regexp(t, `upgraded +3 `, o.out)
		assert.Regexp(t, `✗ the history is complete +history incomplete: cannot record the run: s3://runs/run`, o.out)
		assert.Contains(t, o.out, "QuotaExceeded")
	}
	o := sim(t, "merge", "s3://runs/run")
	assert.Equal(t, exitShardLost, o.code)
	assert.Contains(t, o.err, "shard 1/1 in s3://runs/run/try-2 is incomplete: s3://runs/run/try-2/events.jsonl.zst")

	store.Fail(nil)
	require.Equal(t, cli.OK, sim(t, run...).code)
	assert.Equal(t, cli.OK, sim(t, "merge", "s3://runs/run").code)
}

// TestShardThatIsEnded by SIGTERM uploads what there is, and one that is killed is known
// to have begun. In the real world neither is waited for, once that is known.
func TestShardThatIsEnded(t *testing.T) {
	store := inStore(t)
	waiting := file(t, "small.yaml", strings.Replace(small, "{name: gw,", "{name: gw, arrive: {over: 9m},", 1))
	args := func(i string) []string {
		return []string{"run", "--quiet", "--shard", i + "/2", "--out", "s3://runs/run/" + i, waiting}
	}
	for i, signal := range map[string]syscall.Signal{"1": syscall.SIGTERM, "2": syscall.SIGKILL} {
		cmd := process(t, "", args(i)...)
		require.NoError(t, cmd.Start())
		require.Eventually(t, func() bool { return store.Objects()["run/"+i+"/begun.json"] != nil }, patience,
			20*time.Millisecond)
		require.NoError(t, cmd.Process.Signal(signal))
		require.Error(t, cmd.Wait())
	}
	assert.Contains(t, string(store.Objects()["run/1/run.json"]), `"interrupted": true`)
	assert.NotEmpty(t, store.Objects()["run/1/events.jsonl.zst"])
	assert.Nil(t, store.Objects()["run/2/run.json"])

	o := sim(t, "merge", "s3://runs/run", "--wait", "2", "--wait-at-most", "0s")
	assert.Equal(t, exitShardLost, o.code)
	assert.Contains(t, o.err, "1 of 2 shards have ended, 2 have begun\nnot all shards have ended within 0s")
	assert.Contains(t, o.err, "shard 1/2 in s3://runs/run/1 was interrupted; "+
		"shard 2/2 in s3://runs/run/2 has no end: its program was killed, or still runs")
	again := sim(t, args("2")...)
	assert.Equal(t, exitShardLost, again.code)
	assert.Contains(t, again.err, "shard 2/2 is lost: its history in s3://runs/run/2 breaks off")
	o = sim(t, "merge", "s3://runs/run", "--wait", "2", "--wait-at-most", "9h")
	assert.Equal(t, exitShardLost, o.code)
	assert.NotContains(t, o.err, "within")
}

// TestLeftBeforeTheBeginning: what a process left that was killed before its shard had
// begun is in the way of another shard only.
func TestLeftBeforeTheBeginning(t *testing.T) {
	store := inStore(t)
	text := file(t, "small.yaml", small)
	run := []string{"run", "--virtual", "--quiet", "--shard", "1/1", "--out", "s3://runs/run", text}
	store.Put("run/scenario.yaml", []byte("another"))
	o := sim(t, run...)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "write s3://runs/run/scenario.yaml: file already exists")
	store.Put("run/scenario.yaml", []byte(small))
	o = sim(t, run...)
	assert.Equal(t, cli.OK, o.code, o.err)
}

// away is a directory that is like a bucket whose store is away for a time.
type away struct {
	history.Dir
	until time.Time
}

func (a away) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if time.Now().Before(a.until) {
		return nil, fmt.Errorf("%s: %w", a, bucket.ErrUnavailable)
	}
	return a.Dir.Open(ctx, name)
}

// TestStoreIsAwayWhileMergeWaits: it may be there again before the shards have ended, and
// if it is not, that is said.
func TestStoreIsAwayWhileMergeWaits(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	o := sim(t, "run", "--virtual", "--quiet", "--shard", "1/1", "--out", out, file(t, "small.yaml", small))
	require.Equal(t, cli.OK, o.code, o.err)
	synctest.Test(t, func(t *testing.T) {
		f := &mergeFlags{wait: 1, atMost: time.Hour}
		var progress strings.Builder
		for minutes, ends := range map[time.Duration]bool{59: true, 61: false} {
			place := away{history.Dir(out), time.Now().Add(minutes * time.Minute)}
			kept, _, err := f.gather(t.Context(), &progress, history.Gather(place))
			assert.Equal(t, 1, strings.Count(progress.String(), "the store is not available"), "said once")
			progress.Reset()
			if ends {
				require.NoError(t, err)
				assert.Len(t, kept, 1)
			} else {
				require.ErrorIs(t, err, bucket.ErrUnavailable)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := f.gather(ctx, io.Discard, history.Gather(history.Dir(t.TempDir())))
		assert.NoError(t, err, "interrupted: the caller says so")
	})
}
