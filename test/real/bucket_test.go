//go:build real

package real_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// sim is the command line of ota-sim as a user of the store types it.
func (s *store) sim(env []string, args ...string) []string {
	own := []string{"AWS_ENDPOINT_URL=" + s.url, "AWS_REGION=" + region, "AWS_ACCESS_KEY_ID=" + platformAccess,
		"AWS_SECRET_ACCESS_KEY=" + platformSecret, "AWS_CA_BUNDLE=" + ca.file}
	return append(append(append(own, env...), programs.Sim), args...)
}

// run runs ota-sim so.
func (s *store) run(env []string, args ...string) harness.Outcome {
	s.t.Helper()
	return harness.Run(s.t, s.t.TempDir(), "env", s.sim(env, args...)...)
}

// has reports whether the store has an object.
func (s *store) has(key string) bool {
	_, err := s.client().StatObject(s.t.Context(), bucket, key, minio.StatObjectOptions{})
	return err == nil
}

// digest is that of the history in a verdict.
func digest(text string) string { return regexp.MustCompile(`history +[0-9a-f]{64}`).FindString(text) }

// at is a place in the bucket.
func at(prefix string) string { return "s3://" + bucket + "/" + prefix }

// TestHistoriesInAStore: tasks with one command line keep their histories there, and merge
// waits for them and makes the verdict of the run in one piece.
func TestHistoriesInAStore(t *testing.T) {
	t.Parallel()
	s := startStore(t, true)
	dir := t.TempDir()
	merge := harness.Start(t, dir, "env", s.sim(nil, "merge", at("my run"), "--wait", "4", "--junit", "v.xml")...)
	for index := range 4 {
		o := s.run([]string{fmt.Sprint("JOB_COMPLETION_INDEX=", index), "OTA_SIM_SHARDS=4"}, "run", "thousand", "--virtual",
			"--quiet", "--shard", "auto", "--out", at("my run"), "--verdict", "merge")
		require.Zero(t, o.Code, o.Out+o.Err)
	}
	require.Zero(t, merge.Wait(), merge.Output())
	whole := harness.Run(t, dir, programs.Sim, "run", "thousand", "--virtual", "--quiet", "--out", "whole")
	require.NotEmpty(t, digest(whole.Out))
	assert.Equal(t, digest(whole.Out), digest(merge.Output()))
	assert.FileExists(t, filepath.Join(dir, "v.xml"))

	again := s.run(nil, "run", "thousand", "--virtual", "--quiet", "--shard", "1/4", "--out", at("my run/part-1"))
	assert.Equal(t, 2, again.Code)
	assert.Contains(t, again.Err, "it has the complete record of this shard")
	assert.Zero(t, s.run(nil, "report", at("my run/part-4")).Code)
	assert.Zero(t, s.run(nil, "replay", at("my run/part-4"), "--only", "gateways-000004").Code)
}

// TestStoreAway: an upload goes on when its store comes back, and if it does not, the run
// has its verdict all the same.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	args := []string{"run", "million", "--virtual", "--quiet", "--shard", "1/25", "--out"}
	for name, back := range map[string]bool{"for a while": true, "for good": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStore(t, false)
			run := harness.Start(t, t.TempDir(), "env", s.sim(nil, append(args, at("run"))...)...)
			harness.Await(t, "a part is there", func() bool {
				parts, err := filepath.Glob(filepath.Join(s.dir, "objects", bucket, ".sgwtmp/multipart/*/*/*"))
				require.NoError(t, err)
				return len(parts) > 0
			})
			s.kill()
			if back {
				time.Sleep(3 * time.Second) // long enough for what is sent meanwhile to fail
				s.start()
			}
			code := run.Wait()
			if !back {
				assert.Equal(t, 1, code)
				assert.Contains(t, run.Output(), "✗ the history is complete")
				assert.Contains(t, run.Output(), at("run/events.jsonl.zst")+": the store is not available at "+s.url)
				return
			}
			assert.Zero(t, code)
			report := s.run(nil, "report", at("run"))
			assert.Zero(t, report.Code, report.Err)
			assert.Equal(t, digest(run.Output()), digest(report.Out))
		})
	}
}

// TestLargeHistory: more than 100 MB go there and come back in a memory that they do not
// fit into beside the run.
func TestLargeHistory(t *testing.T) {
	t.Parallel()
	s := startStore(t, false)
	limited := []string{"GOMEMLIMIT=160MiB"}
	run := harness.Start(t, t.TempDir(), "env", s.sim(limited, "run", "million", "--virtual", "--quiet", "--shard", "1/5",
		"--out", at("run"))...)
	most := peak(t, run)
	require.Zero(t, run.Wait(), run.Output())
	object, err := s.client().StatObject(t.Context(), bucket, "run/events.jsonl.zst", minio.StatObjectOptions{})
	require.NoError(t, err)
	assert.Greater(t, object.Size, int64(100_000_000))
	report := harness.Start(t, t.TempDir(), "env", s.sim(limited, "report", at("run"))...)
	most = max(most, peak(t, report))
	require.Zero(t, report.Wait(), report.Output())
	assert.Equal(t, digest(run.Output()), digest(report.Output()))
	t.Logf("%d MB in at most %d MiB", object.Size/1_000_000, most>>20)
	assert.Less(t, most, int64(300<<20))
}

// peak watches a process until it ends, and gives the most memory that it had, in bytes.
func peak(t *testing.T, p *harness.Process) (most int64) {
	t.Helper()
	for p.Running() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
		if err != nil {
			break // it has just ended
		}
		if _, after, found := strings.Cut(string(text), "VmHWM:"); found {
			var kibibytes int64
			_, err = fmt.Sscan(after, &kibibytes)
			require.NoError(t, err)
			most = kibibytes << 10
		}
		time.Sleep(50 * time.Millisecond)
	}
	return most
}

// TestRefusedByAStore: what is set up wrongly is said before the run, with what to do.
func TestRefusedByAStore(t *testing.T) {
	t.Parallel()
	s := startStore(t, true)
	s.admit()
	for name, tt := range map[string]struct {
		env   []string
		place string
		want  string
	}{
		"no bucket":    {nil, "s3://absent/run", "has no bucket absent: make it"},
		"unknown key":  {[]string{"AWS_ACCESS_KEY_ID=unknown"}, at("run"), "check AWS_ACCESS_KEY_ID"},
		"wrong secret": {[]string{"AWS_SECRET_ACCESS_KEY=wrong"}, at("run"), "check AWS_ACCESS_KEY_ID"},
		"wrong region": {[]string{"AWS_REGION=us-west-2"}, at("run"), "set AWS_REGION"},
		"may not": {[]string{"AWS_ACCESS_KEY_ID=" + deviceAccess, "AWS_SECRET_ACCESS_KEY=" + deviceSecret}, at("run"),
			"access denied by " + s.url + ": the credentials need s3:ListBucket on bucket " + bucket},
		"no authority": {[]string{"AWS_CA_BUNDLE=", "SSL_CERT_FILE=/dev/null", "SSL_CERT_DIR=/"}, at("run"), "AWS_CA_BUNDLE"},
		"no TLS": {[]string{"AWS_ENDPOINT_URL=" + strings.Replace(s.url, "https:", "http:", 1)}, at("run"),
			"AWS_ENDPOINT_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := s.run(tt.env, "run", "thousand", "--virtual", "--quiet", "--out", tt.place)
			assert.Contains(t, o.Err, tt.want)
			assert.Contains(t, o.Err, tt.place)
			assert.Contains(t, []int{1, 2}, o.Code)
			assert.NotContains(t, o.Out, "HELD")
		})
	}
	assert.False(t, s.has("run/scenario.yaml"))
}
