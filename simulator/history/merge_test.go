package history_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// shard records shard i of so many. Every device is in one shard: the neighbours
// of one are in others.
func shard(t *testing.T, i, of int, change func(*history.Info)) *history.Record {
	t.Helper()
	s, info := sample()
	info.Shard, info.Shards, info.Fleets = i, of, nil
	selected, err := selection.New(s, selection.Shard{Index: i, Of: of}, nil)
	require.NoError(t, err)
	for fleet := range s.Fleets {
		info.Fleets = append(info.Fleets, verdict.FleetSize{Name: s.Fleets[fleet].Name, Devices: selected.Count(fleet)})
	}
	if change != nil {
		change(&info)
	}
	r, err := history.Open(t.Context(), history.Dir(recorded(t, info, selected.Has)))
	require.NoError(t, err)
	return r
}

func merged(records ...*history.Record) (*verdict.Verdict, error) {
	return history.Merge(context.Background(), records)
}

// TestMerge: the shards of a run, merged in any order, give the verdict of the
// run in one piece.
func TestMerge(t *testing.T) {
	s, _ := sample()
	whole := verdicttest.Judge(s, 42)
	a, b, c, d := shard(t, 1, 4, nil), shard(t, 2, 4, nil), shard(t, 3, 4, nil), shard(t, 4, 4, nil)
	for _, order := range [][]*history.Record{{a, b, c, d}, {d, b, a, c}} {
		v, err := merged(order...)
		require.NoError(t, err)
		assert.Equal(t, whole.HistoryDigest, v.HistoryDigest)
		assert.Equal(t, whole.Expectations, v.Expectations)
		for i := range v.Figures.Faults { // each shard noted all of them here
			v.Figures.Faults[i].Drawn /= 4
		}
		assert.Equal(t, []string{"suspend_plan at 3.00s: too late"}, v.Figures.Refused, "of all shards, once")
		whole.Figures.Refused = v.Figures.Refused
		assert.Equal(t, whole.Figures, v.Figures)
		assert.Equal(t, 4, v.Resources.Processes)
		assert.Equal(t, int64(400), v.Resources.PeakMemory)
		assert.Equal(t, resources().Wall, v.Resources.Wall)
		assert.Empty(t, v.Part)
	}
	one, err := history.Judge(context.Background(), b)
	require.NoError(t, err)
	assert.Equal(t, "shard 2/4", one.Part)
	assert.Less(t, one.Figures.Devices, 100)
	assert.NotEqual(t, whole.HistoryDigest, one.HistoryDigest)
}

func TestLostShards(t *testing.T) {
	a, c := shard(t, 1, 4, nil), shard(t, 3, 4, nil)
	_, err := merged(a, c)
	require.ErrorIs(t, err, history.ErrShardLost)
	assert.ErrorContains(t, err, "shard 2/4 is not among the given directories; shard 4/4 is not among")

	_, info := sample()
	dir := t.TempDir()
	info.Shard, info.Shards, info.Fleets = 2, 2, shard(t, 2, 2, nil).Info.Fleets
	w, err := history.Create(t.Context(), history.Dir(dir), info)
	require.NoError(t, err)
	require.NoError(t, w.Abandon())
	killed, err := history.Open(t.Context(), history.Dir(dir))
	require.NoError(t, err)
	_, err = merged(shard(t, 1, 2, nil), killed)
	require.ErrorIs(t, err, history.ErrShardLost)
	require.ErrorContains(t, err, "shard 2/2 in "+dir+" has no end")

	info.Fleets = a.Info.Fleets
	info.Shard, info.Shards = 1, 4
	stopped := t.TempDir()
	w, err = history.Create(t.Context(), history.Dir(stopped), info)
	require.NoError(t, err)
	require.NoError(t, w.Close(history.End{Interrupted: true}))
	interrupted, err := history.Open(t.Context(), history.Dir(stopped))
	require.NoError(t, err)
	all := []*history.Record{interrupted, shard(t, 2, 4, nil), c, shard(t, 4, 4, nil)}
	_, err = merged(all...)
	require.ErrorIs(t, err, history.ErrShardLost)
	require.ErrorContains(t, err, "shard 1/4 in "+stopped+" was interrupted")
	assert.Equal(t, []int{1}, history.LostShards(all))

	for _, tries := range [][]*history.Record{append(all, a), append([]*history.Record{a}, all...)} {
		assert.Empty(t, history.LostShards(tries))
		v, err := merged(tries...)
		require.NoError(t, err, "of two tries the complete one counts")
		assert.False(t, v.Interrupted)
		assert.Equal(t, 4, v.Resources.Processes)
	}
}

func TestWhatIsNotOneRun(t *testing.T) {
	a, b := shard(t, 1, 2, nil), shard(t, 2, 2, nil)
	_, whole := sample()
	sizes := whole.Fleets
	tests := []struct {
		records []*history.Record
		want    string
	}{
		{nil, "no record is given"},
		{[]*history.Record{a, a}, "are both shard 1/2"},
		{[]*history.Record{a, shard(t, 2, 3, nil)}, "a number of shards of 2 and"},
		{[]*history.Record{a, shard(t, 2, 2, func(i *history.Info) { i.Seed = 43 })}, "the seed 42 and"},
		{[]*history.Record{a, shard(t, 2, 2, func(i *history.Info) { i.World = "real" })}, "the world virtual and"},
		{[]*history.Record{a, shard(t, 2, 2, func(i *history.Info) { i.Program = "ota-sim 0.9" })}, "the program ota-sim "},
		{[]*history.Record{a, shard(t, 2, 2, func(i *history.Info) { i.Text = append(i.Text, '\n') })}, "the scenarios in"},
		{[]*history.Record{shard(t, 1, 2, func(i *history.Info) { i.Shard, i.Shards, i.Fleets = 0, 0, sizes }), b},
			"it is not a shard of a run"},
		{[]*history.Record{shard(t, 1, 2, func(i *history.Info) {
			i.Only, i.Fleets = []string{"gateways-000001"}, []verdict.FleetSize{{Name: "gateways", Devices: 1}}
		}), b}, "it is not a shard of a run"},
	}
	for _, tt := range tests {
		_, err := merged(tt.records...)
		require.ErrorContains(t, err, tt.want)
		assert.NotErrorIs(t, err, history.ErrShardLost)
	}
	_, err := merged(a, b)
	assert.NoError(t, err)
}

// TestEventsOfAnotherShard are damage: no device is judged twice, and none as
// another.
func TestEventsOfAnotherShard(t *testing.T) {
	a, b := shard(t, 1, 2, nil), shard(t, 2, 2, nil)
	events, err := os.ReadFile(filepath.Join(a.Dir, "events.jsonl.zst"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(b.Dir, "events.jsonl.zst"), events, 0o666))
	_, err = merged(a, b)
	assert.ErrorContains(t, err,
		"is damaged in line 1: d: device gateways-000001 is not of this record, which is of shard 2/2")

	// A copy of a part that says it is another one.
	other := t.TempDir()
	require.NoError(t, os.CopyFS(other, os.DirFS(a.Dir)))
	text, err := os.ReadFile(filepath.Join(other, "run.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(other, "run.json"),
		bytes.Replace(text, []byte(`"shard": 1`), []byte(`"shard": 2`), 1), 0o666))
	copied, err := history.Open(t.Context(), history.Dir(other))
	require.NoError(t, err)
	_, err = merged(a, copied)
	assert.ErrorContains(t, err, "device gateways-000001 is not of this record")
}

// TestSilentDevices of a shard are unaccounted: no other part makes up for them.
func TestSilentDevices(t *testing.T) {
	_, info := sample()
	a, b := shard(t, 1, 2, nil), shard(t, 2, 2, nil)
	info.Shard, info.Shards, info.Fleets = 2, 2, b.Info.Fleets
	silent, err := history.Open(t.Context(), history.Dir(recorded(t, info, func(int, int) bool { return false })))
	require.NoError(t, err)
	v, err := merged(a, silent)
	require.NoError(t, err)
	assert.False(t, v.Held)
	assert.Equal(t, devices/2, v.Figures.Classes[scenario.Unaccounted])
}
