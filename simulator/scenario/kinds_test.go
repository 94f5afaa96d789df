package scenario_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/scenario"
)

// TestTableOfFaults holds that every kind is said in full, that every place is
// one, and that no line stands twice.
func TestTableOfFaults(t *testing.T) {
	params := []string{scenario.ParamComponent, scenario.ParamTimes, scenario.ParamAfter, scenario.ParamFor,
		scenario.ParamBy,
		scenario.ParamRate, scenario.ParamStatus, scenario.ParamRetryAfter, scenario.ParamReason}
	seen := map[scenario.Kind]bool{}
	for _, row := range scenario.Kinds() {
		assert.False(t, seen[row.Kind], row.Kind)
		seen[row.Kind] = true
		assert.NotEmpty(t, row.Sentence, row.Kind)
		assert.NotEmpty(t, row.Places, row.Kind)
		assert.Subset(t, scenario.Places(), row.Places, row.Kind)
		assert.Subset(t, params, row.Params, row.Kind)
		assert.Subset(t, row.Params, row.Needs, row.Kind)
		assert.Len(t, slices.Compact(slices.Sorted(slices.Values(row.Params))), len(row.Params), row.Kind)
		assert.Len(t, slices.Compact(slices.Sorted(slices.Values(row.Places))), len(row.Places), row.Kind)
		again, ok := row.Kind.Row()
		assert.True(t, ok)
		assert.Equal(t, row, again)
	}
	assert.Len(t, seen, 34)
	_, ok := scenario.Kind("explode").Row()
	assert.False(t, ok)
}

// TestPlaces holds that they are the statuses that a device enters and five
// others.
func TestPlaces(t *testing.T) {
	var beside []scenario.Place
	statuses := 0
	for _, place := range scenario.Places() {
		if status, is := place.Status(); is {
			statuses++
			assert.NotEqual(t, ota.PlanNotReceived, status)
			assert.Equal(t, place, scenario.At(status))
		} else {
			beside = append(beside, place)
		}
	}
	assert.Equal(t, []scenario.Place{scenario.AtBoot, scenario.AtConnect, scenario.AtPoll, scenario.AtReport,
		scenario.AtHealth}, beside)
	assert.Len(t, ota.Statuses(), statuses+1)
}

func TestTableOfActions(t *testing.T) {
	params := []string{scenario.ParamFor, scenario.ParamFleet, scenario.ParamPlan}
	for _, row := range scenario.Actions() {
		assert.NotEmpty(t, row.Sentence, row.Action)
		assert.Subset(t, params, slices.Concat(row.Needs, row.Params), row.Action)
		assert.False(t, row.Takes(scenario.ParamFleet) && row.Takes(scenario.ParamPlan), row.Action)
		again, ok := row.Action.Row()
		assert.True(t, ok)
		assert.Equal(t, row, again)
	}
	_, ok := scenario.Action("kill_time").Row()
	assert.False(t, ok)
}

// TestEveryKindOfFault reads each kind once, from a document that must stay
// complete.
func TestEveryKindOfFault(t *testing.T) {
	s, err := parseFile(t, "testdata/good/faults.yaml")
	require.NoError(t, err)
	require.Len(t, s.Faults, len(scenario.Kinds()))
	byName := map[string]scenario.Fault{}
	for i, row := range scenario.Kinds() {
		assert.Equal(t, row.Kind, s.Faults[i].Kind)
		assert.Equal(t, string(row.Kind), s.Faults[i].Name)
		assert.GreaterOrEqual(t, s.Faults[i].Times.Lo, 1)
		byName[s.Faults[i].Name] = s.Faults[i]
	}
	once := scenario.Range[int]{Lo: 1, Hi: 1}
	assert.Equal(t, scenario.Fault{Name: "latency", Kind: scenario.Latency, At: scenario.At(ota.Downloading),
		Component: "app", Chance: 1,
		Times: scenario.Range[int]{Lo: 2, Hi: 2}, After: share(10, 10), By: seconds(1, 2), For: seconds(60, 60)},
		byName["latency"])
	assert.Equal(t, int64(1024), byName["slow"].Rate)
	assert.Equal(t, seconds(-3600, -3600), byName["clock_skew"].By)
	assert.Equal(t, scenario.Fault{Name: "vanish", Kind: scenario.Vanish, At: scenario.AtConnect, Exactly: 1, Times: once,
		After: scenario.After{Delay: seconds(1, 1)}}, byName["vanish"])
	assert.Equal(t, 500, byName["http_status"].Status)
	assert.Equal(t, ota.ReasonSpace, byName["refuse"].Reason)
}

// TestEveryPlaceOfEveryKind reads each line of the table at each of its places,
// and at no other.
func TestEveryPlaceOfEveryKind(t *testing.T) {
	more := map[string]string{scenario.ParamFor: ", for: 1s", scenario.ParamBy: ", by: 1s",
		scenario.ParamRate: ", rate: 1KiB/s"}
	for _, row := range scenario.Kinds() {
		needs := ""
		for _, param := range row.Needs {
			needs += more[param]
		}
		for _, place := range scenario.Places() {
			_, err := scenario.Parse("s.yaml", []byte(`
scenario: s
duration: 1m
fleet: [{name: f, count: 9, product: p, components: [{id: app, type: mcu, version: "1", release: 1}]}]
faults: [{name: x, chance: 1%, do: `+string(row.Kind)+", at: "+string(place)+needs+"}]"))
			if slices.Contains(row.Places, place) {
				assert.NoError(t, err, "%s at %s", row.Kind, place)
			} else {
				assert.ErrorContains(t, err, string(row.Kind)+" cannot happen at "+string(place))
			}
		}
	}
}
