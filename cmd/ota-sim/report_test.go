package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// sick is a scenario of which one device out of three fails.
const sick = small + `faults: [{name: ill, at: health, do: unhealthy, exactly: 34%, times: 9}]
expect: {devices: {upgraded: 2, upgrade_failed: 1}, faults: {fired: all}}
`

// withoutTimes is a text without what differs from run to run.
func withoutTimes(text string) string {
	text = regexp.MustCompile(`[0-9.]+(s|ms|m[0-9]+s)\b`).ReplaceAllString(text, "T")
	return regexp.MustCompile(` +`).ReplaceAllString(text, " ")
}

// TestReport judges a kept history to the same verdict, in every form.
func TestReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	ran := sim(t, "run", "--quiet", "--out", path("kept"), "--json", path("ran.json"), file(t, "sick.yaml", sick))
	require.Equal(t, cli.OK, ran.code, "%s%s", ran.out, ran.err)
	again := sim(t, "report", path("kept"), "--json", path("again.json"), "--junit", path("again.xml"), "--html",
		path("again.html"))
	assert.Equal(t, cli.OK, again.code, again.err)
	assert.Equal(t, ran.out, again.out)
	first, err := os.ReadFile(path("ran.json"))
	require.NoError(t, err)
	second, err := os.ReadFile(path("again.json"))
	require.NoError(t, err)
	assert.JSONEq(t, string(first), string(second))
	for name, want := range map[string]string{"again.xml": "<testsuites", "again.html": "<!doctype html>"} {
		text, err := os.ReadFile(path(name))
		require.NoError(t, err)
		assert.Contains(t, string(text), want)
	}

	refused := sim(t, "run", "--out", path("kept"), file(t, "sick.yaml", sick))
	assert.Equal(t, cli.Usage, refused.code, "what is kept is not overwritten")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, cli.Interrupted, simUntil(ctx, "report", path("kept")).code)
}

// TestPageOfARun has the steps of the device that failed, without a history that
// is kept.
func TestPageOfARun(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "v.html")
	o := sim(t, "run", "--quiet", "--html", page, file(t, "sick.yaml", sick))
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(text), "fault ill strikes")
}

// TestReportOfAKilledRun judges what there is.
func TestReportOfAKilledRun(t *testing.T) {
	t.Parallel()
	kept := filepath.Join(t.TempDir(), "kept")
	waiting := strings.Replace(small, "{name: gw,", "{name: gw, arrive: {over: 9m},", 1)
	cmd := process(t, "", "run", "--quiet", "--out", kept, file(t, "small.yaml", waiting))
	require.NoError(t, cmd.Start())
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline))
		if _, err := os.Stat(filepath.Join(kept, "run.json")); err == nil {
			break
		}
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait())
	o := sim(t, "report", kept)
	assert.Equal(t, cli.Failed, o.code, o.err)
	assert.Contains(t, o.out, "✗ the run came to its end")
	o = sim(t, "merge", kept)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "it is not a shard of a run; ota-sim report judges it alone")
}

// TestMerge makes one verdict of three shards: what none of them could decide by
// itself is judged.
func TestMerge(t *testing.T) {
	t.Parallel()
	dir, text := t.TempDir(), file(t, "sick.yaml", sick)
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, i := range []string{"1", "2", "3"} {
		o := sim(t, "run", "--quiet", "--shard", i+"/3", "--out", path(i), text)
		assert.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
		assert.Contains(t, o.out, "shard "+i+"/3")
		assert.Contains(t, o.out, "· devices.upgraded == 2")
		assert.Contains(t, o.out, "in this part; to be judged over all")
	}
	merged := sim(t, "merge", path("3"), path("1"), path("2"), "--json", path("v.json"))
	require.Equal(t, cli.OK, merged.code, "%s%s", merged.out, merged.err)
	assert.Contains(t, merged.out, "✓ devices.upgraded == 2")
	assert.Contains(t, merged.out, "\nHELD\n")
	var v struct {
		Devices   int
		Resources struct{ Processes int }
	}
	content, err := os.ReadFile(path("v.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &v))
	assert.Equal(t, 3, v.Devices)
	assert.Equal(t, 3, v.Resources.Processes)

	whole := sim(t, "run", "--quiet", text)
	classes := func(text string) string {
		_, text, _ = strings.Cut(text, "\nDevices\n")
		text, _, _ = strings.Cut(text, "\n\n")
		return text
	}
	assert.Equal(t, classes(whole.out), classes(merged.out))

	for name, tt := range map[string]struct {
		dirs []string
		code int
		err  string
	}{
		"lost":         {[]string{"1", "3"}, exitShardLost, "shard 2/3 is not among the given directories"},
		"lost, absent": {[]string{"1", "absent", "3"}, exitShardLost, "there is no record of a run in " + path("absent")},
		"too many":     {[]string{"1", "2", "3", "absent"}, cli.Usage, "there is no record of a run in " + path("absent")},
		"twice":        {[]string{"1", "2", "2"}, cli.Usage, "are both shard 2/3"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"merge"}
			for _, dir := range tt.dirs {
				args = append(args, path(dir))
			}
			o := sim(t, args...)
			assert.Equal(t, tt.code, o.code)
			assert.Contains(t, o.err, tt.err)
			assert.Empty(t, o.out)
			if tt.code == exitShardLost {
				again := path("shard-2")
				if slices.Contains(tt.dirs, "absent") {
					again = path("absent")
				}
				assert.Contains(t, o.err, "run again what is lost, then merge:\n"+
					"  ota-sim run --quiet --shard=2/3 --seed=1 --out="+again+" "+text+"\n"+
					"  ota-sim merge "+path("1")+" "+path("3")+" "+again+"\n")
			}
		})
	}

	other := path("other")
	require.Equal(t, cli.OK, sim(t, "run", "--quiet", "--seed", "8", "--shard", "2/3", "--out", other, text).code)
	o := sim(t, "merge", path("1"), other, path("3"))
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "not of one run")
	o = sim(t, "merge", path("1"), path("2"), path("3"), "--html", filepath.Join(text, "v.html"))
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "cannot write the verdict")
}

// TestShardsThatMergeJudges: a shard on which the scenario fails has done its part when
// its history is complete.
func TestShardsThatMergeJudges(t *testing.T) {
	t.Parallel()
	dir, text := t.TempDir(), file(t, "sick.yaml", strings.Replace(sick, "upgrade_failed: 1", "upgrade_failed: 0", 1))
	shard := func(i, out string, more ...string) outcome {
		args := []string{"run", "--virtual", "--quiet", "--shard", i + "/2", "--out", filepath.Join(dir, out)}
		return sim(t, append(append(args, more...), text)...)
	}
	failing := ""
	for _, i := range []string{"1", "2"} {
		if shard(i, "here-"+i).code == cli.Failed {
			failing += i
		}
		o := shard(i, i, "--verdict", "merge")
		assert.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	}
	require.NotEmpty(t, failing, "a device of three is ill")
	assert.Equal(t, cli.Failed, sim(t, "merge", filepath.Join(dir, "1"), filepath.Join(dir, "2")).code)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	args := []string{"run", "--virtual", "--quiet", "--verdict", "merge", "--shard", "1/2", "--out"}
	o := simUntil(ctx, append(args, filepath.Join(dir, "stopped"), text)...)
	assert.Equal(t, exitAgain, o.code, "its history is not complete, and can be made so")
	for _, wrong := range [][]string{
		{"--verdict", "merge"}, {"--verdict", "merge", "--shard", "1/2"}, {"--verdict", "merge", "--out", "x"},
		{"--verdict", "never"},
	} {
		o := sim(t, append(append([]string{"run", "--virtual"}, wrong...), text)...)
		assert.Equal(t, cli.Usage, o.code)
		assert.Contains(t, o.err, "--verdict "+wrong[1])
	}
}

// TestShardOfATask is the one whose number the task has in its environment.
func TestShardOfATask(t *testing.T) {
	for _, ci := range []string{"CI_NODE_INDEX", "CIRCLE_NODE_INDEX"} {
		t.Setenv(ci, "") // these tests may be such a task
	}
	t.Setenv("JOB_COMPLETION_INDEX", "1")
	text := file(t, "small.yaml", small)
	o := sim(t, "plan", "--virtual", "--shard", "auto", text)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "set OTA_SIM_SHARDS")
	t.Setenv("OTA_SIM_SHARDS", "3")
	o = sim(t, "run", "--virtual", "--quiet", "--shard", "auto", text)
	assert.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, "shard 2/3")
}

// TestShardsAreTriedAgain in the place of the one that was killed, in virtual time alone.
func TestShardsAreTriedAgain(t *testing.T) {
	t.Parallel()
	dir, text := t.TempDir(), file(t, "sick.yaml", sick)
	run := func(i string, more ...string) outcome {
		args := []string{"run", "--quiet", "--shard", i + "/2", "--out", filepath.Join(dir, i), text}
		return sim(t, append(args, more...)...)
	}
	kill := func(dir string) {
		info, err := os.ReadFile(filepath.Join(dir, "run.json"))
		require.NoError(t, err)
		begun, _, found := strings.Cut(string(info), ",\n  \"end\":")
		require.True(t, found)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), []byte(begun+"\n}\n"), 0o600))
	}
	for _, i := range []string{"1", "2"} {
		require.Equal(t, cli.OK, run(i, "--virtual").code)
	}
	merge := []string{"merge", filepath.Join(dir, "1"), filepath.Join(dir, "2")}
	digest := regexp.MustCompile(`history +[0-9a-f]{64}`)
	before := digest.FindString(sim(t, merge...).out)
	require.NotEmpty(t, before)
	kill(filepath.Join(dir, "2"))
	o := run("2", "--virtual", "--seed", "8")
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "the directory is not empty")
	require.Equal(t, exitShardLost, sim(t, merge...).code)

	o = run("2", "--virtual")
	require.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, "has an earlier try of this shard: this one is kept in "+filepath.Join(dir, "2", "try-2"))
	o = sim(t, merge...)
	assert.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, "\nHELD\n")
	assert.Equal(t, before, digest.FindString(o.out), "it is the same again")
	assert.Equal(t, cli.OK, sim(t, "report", filepath.Join(dir, "2")).code)
	o = run("2", "--virtual")
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "it has the complete record of this shard")
	o = run("2", "--virtual", "--verdict", "merge")
	assert.Equal(t, cli.OK, o.code, o.err)
	assert.Contains(t, o.out, "nothing is left to run")

	dir = t.TempDir()
	require.Equal(t, cli.OK, run("2").code)
	kill(filepath.Join(dir, "2"))
	o = run("2")
	assert.Equal(t, exitShardLost, o.code)
	assert.Contains(t, o.err, "shard 2/2 is lost: its history in ")
}

// TestReplay runs the device that failed once more, with the same draws.
// TestReplayOfADialect: a device that polled does so again, though nothing but the run's
// flags said so.
func TestReplayOfADialect(t *testing.T) {
	t.Parallel()
	kept := filepath.Join(t.TempDir(), "kept")
	text := file(t, "small.yaml", small)
	require.Equal(t, cli.OK, sim(t, "run", "--virtual", "--quiet", "--platform", "hawkbit", "--out", kept, text).code)
	o := sim(t, "replay", kept, "--only", "gw-000002")
	require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
	_, ends, _ := strings.Cut(o.out, "\nthen ")
	then, now, _ := strings.Cut(strings.TrimSpace(ends), "\nnow ")
	assert.Equal(t, strings.TrimSpace(then), strings.TrimSpace(now), "to the millisecond")
}

func TestReplay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept, json := filepath.Join(dir, "kept"), filepath.Join(dir, "v.json")
	text := file(t, "sick.yaml", sick)
	require.Equal(t, cli.OK, sim(t, "run", "--quiet", "--seed", "5", "--out", kept, text).code)
	ill := ""
	for _, device := range []string{"gw-000001", "gw-000002", "gw-000003"} {
		o := sim(t, "replay", kept, "--only", device, "--json", json)
		require.Equal(t, cli.OK, o.code, "%s%s", o.out, o.err)
		assert.Contains(t, o.out, device+", seed 5\n\n")
		assert.Regexp(t, `\n +[0-9.]+s  device    switched on for the first time\n`, o.out)
		assert.Regexp(t, `\n +[0-9.]+s  platform  stores report 1, app: Plan Received\n`, o.out)
		assert.FileExists(t, json)
		_, ends, _ := strings.Cut(o.out, "\nthen ")
		then, now, _ := strings.Cut(strings.TrimSpace(ends), "\nnow ")
		assert.Equal(t, strings.TrimSpace(withoutTimes(then)), strings.TrimSpace(withoutTimes(now)))
		if strings.Contains(then, "upgrade_failed, ill fired 6 times") {
			ill += device
			assert.Contains(t, o.out, "fault ill strikes")
		} else {
			assert.Contains(t, then, "upgraded in ")
		}
	}
	assert.Regexp(t, `^gw-00000[123]$`, ill, "one of them")

	for device, want := range map[string]string{"gw-000009": "fleet gw has gw-000001 to gw-000003",
		"gx-000001": `did you mean "gw"?`} {
		o := sim(t, "replay", kept, "--only", device)
		assert.Equal(t, cli.Usage, o.code)
		assert.Contains(t, o.err, want)
	}
	part := filepath.Join(dir, "part")
	require.Equal(t, cli.OK, sim(t, "run", "--quiet", "--shard", "1/3", "--out", part, text).code)
	o := sim(t, "replay", part, "--only", "gw-000002")
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "device gw-000002 is not in shard 1/3 but in 2/3")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, cli.Interrupted, simUntil(ctx, "replay", kept, "--only", "gw-000001").code)
}

// TestDamagedHistory is reported, and not judged.
func TestDamagedHistory(t *testing.T) {
	t.Parallel()
	kept := filepath.Join(t.TempDir(), "kept")
	require.Equal(t, cli.OK, sim(t, "run", "--quiet", "--out", kept, file(t, "small.yaml", small)).code)
	events := filepath.Join(kept, "events.jsonl.zst")
	content, err := os.ReadFile(events)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(events, bytes.Repeat([]byte("x"), len(content)), 0o600))
	o := sim(t, "report", kept)
	assert.Equal(t, cli.Failed, o.code)
	assert.Contains(t, o.err, "events.jsonl.zst")
	require.NoError(t, os.WriteFile(filepath.Join(kept, "run.json"), []byte("{}"), 0o600))
	o = sim(t, "report", kept)
	assert.Equal(t, cli.Usage, o.code)
	assert.Contains(t, o.err, "it has no format")
}
