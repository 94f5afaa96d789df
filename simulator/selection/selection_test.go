package selection_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
)

// fleets is a scenario of two fleets.
func fleets(gateways, trackers int) *scenario.Scenario {
	return &scenario.Scenario{Fleets: []scenario.Fleet{{Name: "gateways", Count: gateways},
		{Name: "trackers", Count: trackers}}}
}

// devices lists what a selection has.
func devices(s *scenario.Scenario, x *selection.Selection) (keys []string) {
	for i := range s.Fleets {
		for n := 1; n <= s.Fleets[i].Count; n++ {
			if x.Has(i, n) {
				keys = append(keys, s.Fleets[i].Device(n))
			}
		}
	}
	return keys
}

func TestParseShard(t *testing.T) {
	for text, want := range map[string]selection.Shard{
		"1/1": {Index: 1, Of: 1}, "2/4": {Index: 2, Of: 4}, "1000000/1000000": {Index: 1_000_000, Of: 1_000_000},
	} {
		s, err := selection.ParseShard(text)
		require.NoError(t, err)
		assert.Equal(t, want, s)
		assert.Equal(t, text, s.String())
	}
	last, err := selection.ParseShard("0/4")
	require.NoError(t, err)
	assert.Equal(t, selection.Shard{Index: 4, Of: 4}, last, "of tasks that are counted from 0")
	for text, want := range map[string]string{
		"": `"" is not a shard`, "1": "want i/N", "1/": "want i/N", "/4": "want i/N", "a/b": "want i/N", "1/2/3": "want i/N",
		"1 / 2": "want i/N",
		"0/0":   "i from 1 to N", "0/-4": "want 1 to 1000000 shards", "5/4": "only the shards 1/4 to 4/4",
		"-1/4": "only the shards", "1/-4": "want 1 to 1000000 shards",
		"1/1000001": "want 1 to 1000000 shards", "1/99999999999999999999": "is not a shard",
	} {
		_, err := selection.ParseShard(text)
		assert.ErrorContains(t, err, want, text)
	}
}

// TestShardsDivideTheFleets: every device is in exactly one shard, and every
// shard has its part of every fleet.
func TestShardsDivideTheFleets(t *testing.T) {
	s := fleets(7, 10)
	for of := 1; of <= s.Devices(); of++ {
		seen, sum := map[string]int{}, 0
		for i := 1; i <= of; i++ {
			x, err := selection.New(s, selection.Shard{Index: i, Of: of}, nil)
			require.NoError(t, err)
			assert.False(t, x.Whole())
			assert.Equal(t, fmt.Sprintf("shard %d/%d", i, of), x.String())
			assert.Len(t, devices(s, x), x.Devices())
			for f := range s.Fleets {
				assert.InDelta(t, float64(s.Fleets[f].Count)/float64(of), x.Count(f), 1)
			}
			sum += x.Devices()
			for _, key := range devices(s, x) {
				seen[key]++
			}
		}
		assert.Equal(t, s.Devices(), sum)
		for key, n := range seen {
			assert.Equal(t, 1, n, key)
		}
	}
}

func TestEverything(t *testing.T) {
	s := fleets(2, 3)
	x, err := selection.New(s, selection.Shard{}, nil)
	require.NoError(t, err)
	assert.True(t, x.Whole())
	assert.Empty(t, x.String())
	assert.Equal(t, 5, x.Devices())
	assert.Len(t, devices(s, x), 5)
}

func TestOnly(t *testing.T) {
	s := fleets(7, 10)
	x, err := selection.New(s, selection.Shard{}, []string{"trackers-000010", "gateways-000002", "trackers-000010"})
	require.NoError(t, err)
	assert.Equal(t, []string{"gateways-000002", "trackers-000010"}, devices(s, x))
	assert.Equal(t, 2, x.Devices())
	assert.Equal(t, 1, x.Count(1))
	assert.Equal(t, "2 chosen devices only", x.String())
	assert.False(t, x.Whole())

	x, err = selection.New(s, selection.Shard{Index: 2, Of: 4}, []string{"gateways-000002"})
	require.NoError(t, err)
	assert.Equal(t, "shard 2/4, gateways-000002 only", x.String())
}

// TestDevicesFollowTheirGateway into its shard, and need it by themselves.
func TestDevicesFollowTheirGateway(t *testing.T) {
	s := fleets(3, 7)
	s.Fleets[1].Behind = "gateways"
	for i, want := range [][]string{
		{"gateways-000001", "trackers-000001", "trackers-000004", "trackers-000007"},
		{"gateways-000002", "trackers-000002", "trackers-000005"},
		{"gateways-000003", "trackers-000003", "trackers-000006"},
	} {
		x, err := selection.New(s, selection.Shard{Index: i + 1, Of: 3}, nil)
		require.NoError(t, err)
		assert.Equal(t, want, devices(s, x))
		for f := range s.Fleets {
			for n := 1; n <= s.Fleets[f].Count; n++ {
				fleet, number := s.Gateway(&s.Fleets[f], n)
				assert.Equal(t, x.Has(0, number), x.Has(f, n), "%s and %s", fleet.Device(number), s.Fleets[f].Device(n))
			}
		}
	}
	x, err := selection.New(s, selection.Shard{}, []string{"trackers-000005"})
	require.NoError(t, err)
	assert.Equal(t, []string{"gateways-000002", "trackers-000005"}, devices(s, x))
	_, err = selection.New(s, selection.Shard{Index: 1, Of: 3}, []string{"trackers-000005"})
	require.ErrorContains(t, err, "not in shard 1/3 but in 2/3")
	_, err = selection.New(s, selection.Shard{Index: 4, Of: 4}, nil)
	require.ErrorContains(t, err, "shard 4/4 of 10 devices is empty", "three gateways are in three shards")
}

func TestRefusals(t *testing.T) {
	s := fleets(7, 10)
	tests := []struct {
		shard selection.Shard
		only  string
		want  string
	}{
		{selection.Shard{Index: 5, Of: 4}, "", "only the shards 1/4 to 4/4"},
		{selection.Shard{Index: 18, Of: 18}, "", "shard 18/18 of 17 devices is empty"},
		{selection.Shard{Index: 1, Of: 4}, "gateways-000002", "device gateways-000002 is not in shard 1/4 but in 2/4"},
		{selection.Shard{}, "gateways", "want a fleet's name and a number, such as gateways-000001"},
		{selection.Shard{}, "gateways-000008", "fleet gateways has gateways-000001 to gateways-000007"},
		{selection.Shard{}, "gateways-000000", "fleet gateways has"},
		{selection.Shard{}, "gateways-1", "fleet gateways has"},
		{selection.Shard{}, "gateways-+00001", "fleet gateways has"},
		{selection.Shard{}, "gatewys-000001", `no fleet is called "gatewys"; did you mean "gateways"?`},
		{selection.Shard{}, "pumps-000001", `no fleet is called "pumps"; want one of gateways, trackers`},
	}
	for _, tt := range tests {
		var only []string
		if tt.only != "" {
			only = []string{tt.only}
		}
		_, err := selection.New(s, tt.shard, only)
		assert.ErrorContains(t, err, tt.want)
	}
	_, err := selection.New(s, selection.Shard{}, []string{"a", "gateways-000001", "b"})
	require.ErrorContains(t, err, "device a;")
	assert.ErrorContains(t, err, "device b;")
}
