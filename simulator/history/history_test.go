package history_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

const devices = 300

// sample is a run of two fleets.
func sample() (*scenario.Scenario, history.Info) {
	text := verdicttest.Fleets(devices)
	s := verdicttest.Parse(text)
	return s, history.Info{Text: []byte(text), Name: s.Name, Source: "two-fleets.yaml", Seed: 42, World: "virtual",
		Fleets: verdict.Sizes(s), Program: "ota-sim 1.2", Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// recorded records the run, or the devices that has says, and gives its directory.
func recorded(t testing.TB, info history.Info, has func(fleet, n int) bool) string {
	t.Helper()
	s := verdicttest.Parse(string(info.Text))
	dir := filepath.Join(t.TempDir(), "record")
	w, err := history.Create(t.Context(), history.Dir(dir), info)
	require.NoError(t, err)
	write(s, has, w)
	require.NoError(t, w.Close(history.End{Drawn: verdicttest.Drawn(s, 42),
		Refused: []string{"suspend_plan at 3.00s: too late"}, Resources: resources()}))
	return dir
}

// resources took a time that no number of seconds in binary is equal to.
func resources() verdict.Resources {
	return verdict.Resources{PeakMemory: 100, Sockets: 7, Wall: 3_256_707_174, CPU: 2 * time.Second, CPUs: 2,
		System: "linux/amd64"}
}

// write writes the events of the devices, each fleet and device in turn.
func write(s *scenario.Scenario, has func(fleet, n int) bool, w *history.Writer) {
	for fleet := range s.Fleets {
		for n := 1; n <= s.Fleets[fleet].Count; n++ {
			if !has(fleet, n) {
				continue
			}
			w.AddEvents(verdicttest.History(s, 42, fleet, n))
		}
	}
}

func everyone(int, int) bool { return true }

func judged(t testing.TB, dir string) *verdict.Verdict {
	t.Helper()
	r, err := history.Open(t.Context(), history.Dir(dir))
	require.NoError(t, err)
	v, err := history.Judge(context.Background(), r)
	require.NoError(t, err)
	return v
}

// TestJudgedAgain: a recorded run, judged again, gives the verdict of the run,
// logs and digest included.
func TestJudgedAgain(t *testing.T) {
	s, info := sample()
	live := verdicttest.Judge(s, 42)
	again := judged(t, recorded(t, info, everyone))

	assert.Equal(t, live.HistoryDigest, again.HistoryDigest)
	assert.Equal(t, live.Expectations, again.Expectations)
	assert.Equal(t, live.Figures.Failed(), again.Figures.Failed())
	assert.Equal(t, live.Figures.Slowest(), again.Figures.Slowest())
	assert.NotEmpty(t, again.Figures.Failed()[0].Log)
	assert.Equal(t, []string{"suspend_plan at 3.00s: too late"}, again.Figures.Refused)
	live.Figures.Refused = again.Figures.Refused
	assert.Equal(t, live.Figures, again.Figures)
	assert.Equal(t, "two-fleets.yaml", again.Source)
	assert.Equal(t, string(info.Text), again.Text)
	assert.Equal(t, "ota-sim 1.2", again.Program)
	assert.Equal(t, info.Started, again.Started)
	assert.Equal(t, resources(), again.Resources)
	assert.Equal(t, uint64(42), again.Seed)
	assert.Equal(t, "virtual", again.World)
	assert.Empty(t, again.Part)
}

// TestInterrupted is known from the record.
func TestInterrupted(t *testing.T) {
	s, info := sample()
	dir := t.TempDir()
	w, err := history.Create(t.Context(), history.Dir(dir), info)
	require.NoError(t, err)
	write(s, everyone, w)
	require.NoError(t, w.Close(history.End{Interrupted: true}))
	v := judged(t, dir)
	assert.True(t, v.Interrupted)
	assert.Contains(t, v.Expectations[len(v.Expectations)-1].Measured, "interrupted after")
}

func TestOnly(t *testing.T) {
	_, info := sample()
	info.Only, info.Fleets = []string{"gateways-000003"}, []verdict.FleetSize{{Name: "gateways", Devices: 1}}
	v := judged(t, recorded(t, info, func(fleet, n int) bool { return fleet == 0 && n == 3 }))
	assert.Equal(t, 1, v.Figures.Devices)
	assert.Equal(t, "gateways-000003 only", v.Part)
	info.Only, info.Fleets = []string{"gateways-000003", "gateways-000004"}, []verdict.FleetSize{{Name: "gateways",
		Devices: 2}}
	assert.Equal(t, "2 chosen devices only",
		judged(t, recorded(t, info, func(fleet, n int) bool { return fleet == 0 && (n == 3 || n == 4) })).Part)
}

// TestConcurrentWriters: every event arrives whole, from any goroutine.
func TestConcurrentWriters(t *testing.T) {
	s, info := sample()
	dir := t.TempDir()
	w, err := history.Create(t.Context(), history.Dir(dir), info)
	require.NoError(t, err)
	var writing sync.WaitGroup
	for share := range 4 {
		writing.Go(func() {
			for n := 1; n <= s.Fleets[0].Count; n++ {
				if n%4 != share {
					continue
				}
				events := verdicttest.History(s, 42, 0, n)
				if share%2 == 0 {
					w.AddEvents(events)
					continue
				}
				for i := range events {
					w.AddEvents(events[i : i+1])
				}
			}
		})
	}
	writing.Wait()
	write(s, func(fleet, _ int) bool { return fleet == 1 }, w)
	require.NoError(t, w.Close(history.End{}))
	assert.Equal(t, verdicttest.Judge(s, 42).HistoryDigest, judged(t, dir).HistoryDigest)
}

// TestReadEvents: events come back as they were written.
func TestReadEvents(t *testing.T) {
	s, info := sample()
	r, err := history.Open(t.Context(), history.Dir(recorded(t, info, everyone)))
	require.NoError(t, err)
	reader, err := r.Events(t.Context())
	require.NoError(t, err)
	defer reader.Close()
	for fleet := range s.Fleets {
		for n := 1; n <= s.Fleets[fleet].Count; n++ {
			for _, want := range verdicttest.History(s, 42, fleet, n) {
				var e verdict.Event
				require.NoError(t, reader.Next(&e))
				require.Equal(t, want, e)
			}
		}
	}
	assert.ErrorIs(t, reader.Next(&verdict.Event{}), io.EOF)
}

func TestDirectoryInUse(t *testing.T) {
	_, info := sample()
	dir := recorded(t, info, everyone)
	_, err := history.Create(t.Context(), history.Dir(dir), info)
	assert.ErrorContains(t, err, "there is the record of another one")
}

func TestNoRecord(t *testing.T) {
	_, err := history.Open(t.Context(), history.Dir(filepath.Join(t.TempDir(), "nowhere")))
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "there is no record of a run in")
}

func TestCancelled(t *testing.T) {
	_, info := sample()
	r, err := history.Open(t.Context(), history.Dir(recorded(t, info, everyone)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = history.Judge(ctx, r)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestCrash: of a program that was killed, what had reached the disk is judged,
// and the verdict says that it does not hold.
func TestCrash(t *testing.T) {
	s, info := sample()
	dir := t.TempDir()
	w, err := history.Create(t.Context(), history.Dir(dir), info)
	require.NoError(t, err)
	write(s, everyone, w)
	require.NoError(t, w.Abandon())

	events := filepath.Join(dir, "events.jsonl.zst")
	whole, err := os.ReadFile(events)
	require.NoError(t, err)
	last := devices + 1
	for _, share := range []int{100, 99, 60, 20, 1, 0} {
		require.NoError(t, os.WriteFile(events, whole[:len(whole)*share/100], 0o666))
		v := judged(t, dir)
		assert.False(t, v.Held)
		assert.True(t, v.Interrupted)
		assert.Contains(t, v.Expectations[len(v.Expectations)-1].Measured, "the record breaks off after")
		arrived := devices - v.Figures.Classes[scenario.Unaccounted]
		assert.LessOrEqual(t, arrived, last)
		last = arrived
	}
	assert.Zero(t, last)
}

// TestDamage is reported with its line, and never taken for a shorter run.
func TestDamage(t *testing.T) {
	_, info := sample()
	dir := recorded(t, info, everyone)
	events, run, text := filepath.Join(dir, "events.jsonl.zst"), filepath.Join(dir, "run.json"), filepath.Join(dir,
		"scenario.yaml")
	whole, err := os.ReadFile(events)
	require.NoError(t, err)
	doc, err := os.ReadFile(run)
	require.NoError(t, err)

	spoil := func(t *testing.T, path string, content []byte) error {
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		defer func() { require.NoError(t, os.WriteFile(path, kept, 0o666)) }()
		require.NoError(t, os.WriteFile(path, content, 0o666))
		r, err := history.Open(t.Context(), history.Dir(dir))
		if err != nil {
			return err
		}
		_, err = history.Judge(context.Background(), r)
		return err
	}
	t.Run("cut off", func(t *testing.T) {
		for _, n := range []int{len(whole) - 1, len(whole) / 2, 10, 0} {
			assert.ErrorContains(t, spoil(t, events, whole[:n]), "is damaged", n)
		}
	})
	t.Run("flipped", func(t *testing.T) {
		for i := 20; i < len(whole); i += len(whole) / 50 {
			flipped := append([]byte(nil), whole...)
			flipped[i] ^= 0x10
			assert.ErrorContains(t, spoil(t, events, flipped), "is damaged", i)
		}
	})
	t.Run("other events", func(t *testing.T) {
		const arrived, connected = `{"k":"arrived","d":"gateways-000001","x":"gateways"}` +
			"\n", `{"k":"connected","d":"gateways-000001"}` + "\n"
		for lines, want := range map[string]string{
			"":                      "it has 0 events, and the run recorded",
			arrived + "{}\n":        "is damaged in line 2: the line is not of the form",
			arrived + "nothing":     "is damaged in line 2: it has no end",
			"{\"k\":\"sang\"}\n":    "line 1: k: unknown kind",
			arrived + arrived:       "line 2: device gateways-000001 arrives again",
			connected:               "line 1: device gateways-000001 has not arrived",
			"{\"k\":\"arrived\"}\n": "line 1: d: the scenario has no device \"\"",
		} {
			assert.ErrorContains(t, spoil(t, events, compressed(t, lines)), want)
		}
		long := make([]byte, 1<<20)
		assert.ErrorContains(t, spoil(t, events, compressed(t, string(long))), "it is longer than")
	})
	t.Run("run.json", func(t *testing.T) {
		for content, want := range map[string]string{
			"{":                          "is damaged",
			"{}":                         "it has no format",
			`{"format": 2}`:              "has format 2, and this program knows 1",
			`{"format": 1, "shard": 3}`:  "there is no shard 3/0",
			`{"format": 1, "shards": 3}`: "there is no shard 0/3",
			`{"format": 1, "fleets": [{"name": "a", "devices": 99999999}]}`: "fleet a has 99999999 devices",
		} {
			assert.ErrorContains(t, spoil(t, run, []byte(content)), want)
		}
		size := []byte(`"devices": 240`)
		require.Contains(t, string(doc), string(size))
		assert.ErrorContains(t, spoil(t, run, bytes.Replace(doc, size, []byte(`"devices": 239`), 1)),
			"is damaged: it has 239 devices of fleet gateways, and the scenario gives it 240")
		assert.ErrorContains(t,
			spoil(t, run, bytes.Replace(doc, []byte(`"fleets": [`), []byte(`"fleets": [{"name": "boats", "devices": 1},`), 1)),
			"it has a fleet boats, and the scenario has none")
	})
	t.Run("scenario", func(t *testing.T) {
		assert.ErrorContains(t, spoil(t, text, []byte("scenario: x")), "the recorded scenario is not valid")
	})
	t.Run("a directory", func(t *testing.T) {
		other := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(other, "run.json"), doc, 0o666))
		require.NoError(t, os.Mkdir(filepath.Join(other, "scenario.yaml"), 0o777))
		_, err := history.Open(t.Context(), history.Dir(other))
		assert.ErrorContains(t, err, "is not a file")
	})
	assert.NoError(t, spoil(t, events, whole), "the record itself is good")
}

// TestMissingFiles are named.
func TestMissingFiles(t *testing.T) {
	_, info := sample()
	dir := recorded(t, info, everyone)
	r, err := history.Open(t.Context(), history.Dir(dir))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "events.jsonl.zst")))
	_, err = history.Judge(context.Background(), r)
	assert.ErrorContains(t, err, "events.jsonl.zst")
	require.NoError(t, os.Remove(filepath.Join(dir, "scenario.yaml")))
	_, err = history.Open(t.Context(), history.Dir(dir))
	assert.ErrorContains(t, err, "scenario.yaml")
	assert.False(t, errors.Is(err, history.ErrShardLost))
}

// TestMemoryIsKept: what the process took over the run is judged again to the same.
func TestMemoryIsKept(t *testing.T) {
	_, info := sample()
	dir := t.TempDir()
	w, err := history.Create(t.Context(), history.Dir(dir), info)
	require.NoError(t, err)
	samples := []verdict.MemorySample{{At: 1_234_567_891, Bytes: 1 << 30}, {At: 2 * time.Hour, Bytes: 7}}
	require.NoError(t, w.Close(history.End{Memory: samples}))
	assert.Equal(t, samples, judged(t, dir).Figures.Memory)
}

// TestLimit: what comes after it is not kept, and the record says so.
func TestLimit(t *testing.T) {
	s, info := sample()
	dir := t.TempDir()
	w, err := history.Create(t.Context(), history.Dir(dir), info)
	require.NoError(t, err)
	w.Limit(1000)
	for range 20 { // more than the encoder keeps to itself
		write(s, everyone, w)
	}
	until, limited := w.Until()
	assert.True(t, limited)
	require.NoError(t, w.Close(history.End{}))
	v := judged(t, dir)
	assert.True(t, v.Unrecorded)
	assert.False(t, v.Held)
	assert.Contains(t, v.Expectations[len(v.Expectations)-1].Measured,
		"history incomplete: it has reached its limit of 1000 B; the first event that it lacks is of "+verdict.Seconds(until))
	size, err := os.Stat(filepath.Join(dir, "events.jsonl.zst"))
	require.NoError(t, err)
	assert.Less(t, size.Size(), int64(1<<20))
}
