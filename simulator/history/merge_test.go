package history_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/history"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

// shard records shard i of so many. Every device is in one shard: the neighbours
// of one are in others.
func shard(t *testing.T, i, of int, change func(*history.Info)) *history.Record {
	t.Helper()
	s, info := sample()
	info.Shard, info.Shards, info.Fleets = i, of, nil
	has := func(fleet, n int) bool { return n%of == i-1 }
	for fleet := range s.Fleets {
		size := verdict.FleetSize{Name: s.Fleets[fleet].Name}
		for n := 1; n <= s.Fleets[fleet].Count; n++ {
			if has(fleet, n) {
				size.Devices++
			}
		}
		info.Fleets = append(info.Fleets, size)
	}
	if change != nil {
		change(&info)
	}
	r, err := history.Open(recorded(t, info, has))
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
	info.Shard, info.Shards = 2, 2
	w, err := history.Create(dir, info)
	require.NoError(t, err)
	require.NoError(t, w.Abandon())
	killed, err := history.Open(dir)
	require.NoError(t, err)
	_, err = merged(shard(t, 1, 2, nil), killed)
	require.ErrorIs(t, err, history.ErrShardLost)
	assert.ErrorContains(t, err, "shard 2/2 in "+dir+" has no end")
}

func TestWhatIsNotOneRun(t *testing.T) {
	a, b := shard(t, 1, 2, nil), shard(t, 2, 2, nil)
	tests := []struct {
		records []*history.Record
		want    string
	}{
		{nil, "no record is given"},
		{[]*history.Record{a, a}, "are both shard 1/2"},
		{[]*history.Record{a, shard(t, 2, 3, nil)}, "a number of shards of 2 and"},
		{[]*history.Record{a, shard(t, 2, 2, func(i *history.Info) { i.Seed = 43 })}, "the seed 42 and"},
		{[]*history.Record{a, shard(t, 2, 2, func(i *history.Info) { i.World = "real" })}, "the world virtual and"},
		{[]*history.Record{a, shard(t, 2, 2, func(i *history.Info) { i.Text = append(i.Text, '\n') })}, "the scenarios in"},
		{[]*history.Record{a, shard(t, 2, 2, func(i *history.Info) { i.Fleets[0].Devices-- })}, "the shards have 239 devices of fleet gateways together, and the scenario has 240"},
		{[]*history.Record{shard(t, 1, 2, func(i *history.Info) { i.Shard, i.Shards = 0, 0 }), b}, "it is not a shard of a run"},
		{[]*history.Record{shard(t, 1, 2, func(i *history.Info) { i.Only = []string{"gateways-000001"} }), b}, "it is not a shard of a run"},
	}
	for _, tt := range tests {
		_, err := merged(tt.records...)
		require.ErrorContains(t, err, tt.want)
		assert.NotErrorIs(t, err, history.ErrShardLost)
	}
	_, err := merged(a, b)
	assert.NoError(t, err)
}
