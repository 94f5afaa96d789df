package scenario_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/yamlform"
	"otafleet/simulator/fleet"
	"otafleet/simulator/scenario"
)

const lines = `key,fleet,product,hardware,version.app,version.motor,tags
a,north,gw-200,,1.0.0,,pilot
b,south,gw-200,rev-c,1.1.0,8,
c,north,,,1.1.0,,
`

// listedAs parses a scenario, for which a device file has these lines.
func listedAs(t *testing.T, text, lines string) (*scenario.Scenario, error) {
	t.Helper()
	return scenario.ParseWith("s.yaml", []byte(text), scenario.Devices{Open: func(path string) (*fleet.File, error) {
		assert.Equal(t, "fleet.csv", path)
		return fleet.Parse("fleet.csv", []byte(lines))
	}})
}

func TestListedFleets(t *testing.T) {
	text, err := os.ReadFile("testdata/good/listed.yaml")
	require.NoError(t, err)
	s, err := listedAs(t, string(text), lines)
	require.NoError(t, err)
	assert.Equal(t, 3, s.Devices())
	require.Len(t, s.Fleets, 2)
	north, south := &s.Fleets[0], &s.Fleets[1]
	assert.Equal(t, []any{"north", 2, "gw-200"}, []any{north.Name, north.Count, north.Product})
	assert.Equal(t, []any{"south", 1, "gw-200"}, []any{south.Name, south.Count, south.Product})
	assert.Equal(t, []string{"a", "c", "b"}, []string{north.Device(1), north.Device(2), south.Device(1)})
	assert.Equal(t, []string{"1.0.0", "1.1.0", "1.1.0"}, []string{north.Runs(1, 0), north.Runs(2, 0), south.Runs(1, 0)})
	assert.Equal(t, []string{"7", "7", "8"}, []string{north.Runs(1, 1), north.Runs(2, 1), south.Runs(1, 1)})
	assert.Equal(t, []string{"1.0.0", "1.1.0"}, north.Versions(0))
	assert.Equal(t, []string{"rev-b", "rev-c"}, []string{north.Revision(1), south.Revision(1)})
	assert.True(t, north.Listed(1).Tagged("pilot"))
	assert.Equal(t, "fleet.csv", s.DeviceFile().Name)
	assert.Empty(t, s.Warnings)

	find := scenario.NewFinder(s)
	for i := range s.Fleets {
		for n := 1; n <= s.Fleets[i].Count; n++ {
			of, k, known := find.Find(s.Fleets[i].Device(n))
			assert.Equal(t, []any{i, n, true}, []any{of, k, known})
		}
	}
	_, _, known := find.Find("north-000001")
	assert.False(t, known)
}

// TestListedAlone needs nothing but the file: products are fleets, and columns are
// components.
func TestListedAlone(t *testing.T) {
	s, err := listedAs(t, "scenario: s\nduration: 1m\nfleet: {devices: fleet.csv}\n",
		"key,product,version.app\na,p,1\nb,q,2\n")
	require.NoError(t, err)
	require.Len(t, s.Fleets, 2)
	assert.Equal(t, "q", s.Fleets[1].Name)
	assert.Equal(t, "2", s.Fleets[1].Runs(1, 0))
}

const twoFleets = `scenario: s
duration: 1m
fleet:
  - {name: north, count: 5, product: p, components: [{id: app, type: module, version: "1"}]}
  - name: south
    count: 5
    product: q
    components: [{id: app, type: module, version: "1"}]
    arrive: {stages: [{over: 1s}]}
`

// TestLinesForNumberedFleets takes the places of the numbered devices.
func TestLinesForNumberedFleets(t *testing.T) {
	file, err := fleet.Parse("f", []byte("key,fleet,version.app\na,south,\nb,north,3\nc,south,2\n"))
	require.NoError(t, err)
	s, err := scenario.ParseWith("s", []byte(twoFleets), scenario.Devices{File: file})
	require.NoError(t, err)
	assert.Equal(t, 3, s.Devices())
	assert.Equal(t, "b", s.Fleets[0].Device(1))
	assert.Equal(t, []string{"1", "2"}, s.Fleets[1].Versions(0))
	assert.Equal(t, 2, s.Fleets[1].Arrive.Stages[0].Count)
}

// TestWrongLines are refused with all their places before anything is run.
func TestWrongLines(t *testing.T) {
	one := "scenario: s\nduration: 1m\nfleet: {devices: fleet.csv, components: [{id: app, type: module}]}\n"
	for _, c := range []struct{ text, lines, want string }{
		{one, "key,product,version.app\na,p,1\nb,p,\n",
			"fleet.csv:3: version.app: is missing: neither this line nor the scenario says what runs"},
		{strings.Replace(one, ", components: [{id: app, type: module}]", "", 1), "key,product\na,p\n",
			"s.yaml:3:8: fleet.components: is missing, and the device file has no column version.COMPONENT"},
		{one, "key,version.app\na,1\n", "fleet.csv:2: product: is missing: neither this line nor the scenario says it"},
		{one, "key,fleet,product,version.app\na,x,p,1\nb,x,q,1\n",
			"fleet.csv:3: product: is q, and fleet x is of product p; want one product in a fleet"},
		{one, "key,product,version.apq,version.app\na,p,1,1\n",
			`fleet.csv:2: version.apq: fleet p has no component apq; did you mean "app"?`},
		{one, "key,product,version.app\na,p\n", "fleet.csv:2:1: has 2 values, and the header names 3 columns"},
		{one, "key,fleet,product,version.app\na,upgraded,p,1\n", "fleet.csv:2: fleet: \"upgraded\" is the name of a class"},
		{strings.Replace(one, "components: [{id: app, type: module}]", "arrive: {stages: [{over: 1s}]}", 1),
			"key,product,version.app\na,p,1\nb,q,1\n", "stages are of one fleet, and the device file has 2"},
		{strings.Replace(one, "components: [{id: app, type: module}]", "arrive: {over: 2m}", 1),
			"key,product,version.app\na,p,1\nb,p,1\nc,p,1\n", "the last device arrives after"},
	} {
		_, err := listedAs(t, c.text, c.lines)
		var all *yamlform.Error
		require.ErrorAs(t, err, &all, c.lines)
		assert.ErrorContains(t, err, c.want)
	}
	for lines, want := range map[string]string{
		"key\na\n":                         "f:2: fleet: is missing: the scenario has 2 fleets, and each device is of one",
		"key,fleet\na,north\n":             "no line of the device file is of fleet south",
		"key,fleet\na,north\nb,suoth\n":    `f:3: fleet: there is no fleet "suoth"; did you mean "south"?`,
		"key,fleet,product\na,north,zzz\n": "f:2: product: is zzz, and fleet north is of product p",
	} {
		file, err := fleet.Parse("f", []byte(lines))
		require.NoError(t, err)
		_, err = scenario.ParseWith("s", []byte(twoFleets), scenario.Devices{File: file})
		assert.ErrorContains(t, err, want, lines)
	}
	_, err := scenario.Parse("s", []byte(one))
	assert.ErrorContains(t, err, "give the device file with --devices")
	_, err = scenario.ParseWith("s", []byte(one), scenario.Devices{Open: func(string) (*fleet.File, error) {
		return nil, errors.New("there is no file x")
	}})
	assert.ErrorContains(t, err, "s:3:18: fleet.devices: there is no file x")
}

func TestKeyPrefix(t *testing.T) {
	s, err := scenario.ParseWith("s", []byte(twoFleets), scenario.Devices{KeyPrefix: "run7-"})
	require.NoError(t, err)
	assert.Equal(t, "run7-north-000002", s.Fleets[0].Device(2))
	of, n, known := scenario.NewFinder(s).Find("run7-south-000005")
	assert.Equal(t, []any{1, 5, true}, []any{of, n, known})
	for _, key := range []string{"south-000005", "run7-south-000006", "run7-south-5", "run7-"} {
		_, _, known = scenario.NewFinder(s).Find(key)
		assert.False(t, known, key)
	}
	for _, prefix := range []string{"a b", strings.Repeat("x", 25)} {
		_, err = scenario.ParseWith("s", []byte(twoFleets), scenario.Devices{KeyPrefix: prefix})
		assert.ErrorContains(t, err, fmt.Sprintf("the key prefix %q is not valid", prefix))
	}
	long := strings.ReplaceAll(twoFleets, "south", strings.Repeat("s", 50))
	_, err = scenario.ParseWith("s", []byte(long), scenario.Devices{KeyPrefix: "twelve-bytes"})
	assert.ErrorContains(t, err, "want a shorter one")
	file, err := scenario.ParseWith("s", []byte("scenario: s\nduration: 1m\nfleet: {devices: fleet.csv}\n"),
		scenario.Devices{KeyPrefix: "x", Open: func(string) (*fleet.File, error) {
			return fleet.Parse("f", []byte("key,product,version.app\na,p,1\n"))
		}})
	assert.Nil(t, file)
	assert.ErrorContains(t, err, "take no key prefix")
}
