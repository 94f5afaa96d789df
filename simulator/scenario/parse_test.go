package scenario_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
	"otafleet/simulator/scenario"
)

var update = flag.Bool("update", false, "write the golden files")

func parseFile(t *testing.T, path string) (*scenario.Scenario, error) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return scenario.Parse(filepath.Base(path), data)
}

func pointer[T any](v T) *T { return &v }

func installed(c ota.ComponentVersion) scenario.Installed {
	return scenario.Installed{ComponentVersion: c}
}

func seconds(lo, hi int) scenario.Range[time.Duration] {
	return scenario.Range[time.Duration]{Lo: time.Duration(lo) * time.Second, Hi: time.Duration(hi) * time.Second}
}

func TestDefaults(t *testing.T) {
	s, err := parseFile(t, "testdata/good/least.yaml")
	require.NoError(t, err)
	assert.Equal(t, &scenario.Scenario{
		Name: "least", Seed: 1, Duration: 30 * time.Second,
		Fleets: []scenario.Fleet{{
			Name: "one", Count: 1, Product: "p",
			Components: []scenario.Installed{installed(ota.ComponentVersion{ID: "app", Type: ota.Module, Version: "1"})},
			Install:    scenario.Install{Time: seconds(5, 20)},
		}},
		Compare: scenario.Compare{Spread: scenario.DefaultSpread},
	}, s)
}

// TestMistakes holds the messages of every bad document against the golden file
// beside it; -update writes them anew.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, err := parseFile(t, file)
			assert.Nil(t, s)
			var all *yamlform.Error
			require.ErrorAs(t, err, &all)
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644))
			}
			want, readErr := os.ReadFile(golden)
			require.NoError(t, readErr)
			assert.Equal(t, string(want), err.Error()+"\n")
		})
	}
}

func TestTooManyDevices(t *testing.T) {
	const fleets = `
scenario: many
duration: 1m
fleet:
  - {name: a, count: 1000000, product: p, components: [{id: app, type: module, version: "1"}]}
  - {name: b, count: 1, product: p, components: [{id: app, type: module, version: "1"}]}
`
	_, err := scenario.Parse("s.yaml", []byte(fleets))
	assert.EqualError(t, err, "s.yaml:5:3: fleet: has 1000001 devices in all; want at most 1000000")
}

func TestDeviceKeysAreValid(t *testing.T) {
	longest := strings.Repeat("f", 56)
	doc := func(name string) []byte {
		return []byte("scenario: s\nduration: 1m\nfleet: [{name: " + name +
			`, count: 1000000, product: p, components: [{id: app, type: module, version: "1"}]}]`)
	}
	s, err := scenario.Parse("s.yaml", doc(longest))
	require.NoError(t, err)
	f := s.Fleet(longest)
	require.NotNil(t, f)
	assert.Equal(t, longest+"-000001", f.Device(1))
	assert.Equal(t, longest+"-1000000", f.Device(f.Count))
	assert.True(t, ota.ValidKey(f.Device(f.Count)))
	assert.Equal(t, ota.Identity{Product: "p", Device: longest + "-000002"}, f.Identity(2))
	assert.Nil(t, s.Fleet("g"))

	_, err = scenario.Parse("s.yaml", doc(longest+"f"))
	assert.ErrorContains(t, err, "want 1 to 56 characters")
}

func TestRestarts(t *testing.T) {
	var byType scenario.Install
	assert.Equal(t, firmware.RestartSystem, byType.RestartFor(ota.Module))
	assert.Equal(t, firmware.RestartNone, byType.RestartFor(ota.MCU))
	same := scenario.Install{Restart: firmware.RestartProcess}
	assert.Equal(t, firmware.RestartProcess, same.RestartFor(ota.MCU))
}

// FuzzParse parses arbitrary documents: a scenario that comes out must keep the
// package's promises, anything else must be an error that can be printed.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scenario.Parse("s.yaml", data)
		if err != nil {
			assert.Nil(t, s)
			assert.NotEmpty(t, err.Error())
			return
		}
		require.NotEmpty(t, s.Fleets)
		assert.LessOrEqual(t, s.Devices(), scenario.MaxDevices)
		for i := range s.Fleets {
			f := &s.Fleets[i]
			assert.True(t, ota.ValidKey(f.Device(f.Count)))
			for _, n := range []int{1, f.Count} {
				assert.Less(t, s.Arrival(f, n), s.Duration)
				speaker, _ := s.Gateway(f, n)
				assert.Empty(t, speaker.Behind)
			}
		}
		for i := range s.Events {
			row, known := s.Events[i].Do.Row()
			assert.True(t, known)
			assert.Less(t, s.Events[i].At, s.Duration)
			assert.Equal(t, row.Takes(scenario.ParamPlan), s.Plan(s.Events[i].Plan) != nil)
		}
		for i := range s.Faults {
			fault := &s.Faults[i]
			_, known := fault.Kind.Row()
			assert.True(t, known)
			assert.Positive(t, fault.Chance+fault.Exactly)
			for _, u := range []float64{0, 0.5, 1 - 1.0/(1<<53)} {
				assert.GreaterOrEqual(t, fault.Times.At(u), 1)
				assert.GreaterOrEqual(t, fault.For.At(u), time.Duration(0))
				assert.LessOrEqual(t, fault.For.At(u), scenario.MaxDuration)
			}
		}
		named := map[string]bool{}
		for i := range s.Expect.Rules {
			r := &s.Expect.Rules[i]
			assert.False(t, named[r.Name], r.Name)
			assert.Equal(t, r.Never, r.Then == nil)
			named[r.Name] = true
		}
	})
}

// TestPackagesAreBounded: they are made in memory. One that two plans name is
// made once.
func TestPackagesAreBounded(t *testing.T) {
	const fleet = `
scenario: large
duration: 1m
fleet: [{name: a, count: 1, product: p, components: [{id: app, type: module, version: "1"}]}]
plans:
`
	plan := func(name, target, size string) string {
		return "  - {name: " + name + ", product: p, components: [{id: app, package: full, sources: [\"" + name +
			"\"], target: \"" + target +
			"\", size: " + size + ", chunk: 4MiB}]}\n"
	}
	_, err := scenario.Parse("s.yaml", []byte(fleet+plan("a", "2", "1GiB")+plan("b", "2", "1GiB")))
	require.NoError(t, err)
	_, err = scenario.Parse("s.yaml", []byte(fleet+plan("a", "2", "1GiB")+plan("b", "3", "1MiB")))
	require.EqualError(t, err, "s.yaml:6:3: plans: have packages of 1025MiB in all; want at most 1GiB")
}
