package scenario_test

import (
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

func TestEveryKey(t *testing.T) {
	s, err := parseFile(t, "testdata/good/everything.yaml")
	require.NoError(t, err)
	assert.Equal(t, "everything", s.Name)
	assert.Equal(t, "gateways on a bad line get a full image\nand still all end upgraded\n", s.Description)
	assert.Equal(t, uint64(42), s.Seed)
	assert.Equal(t, 10*time.Minute, s.Duration)
	assert.Equal(t, 5010, s.Devices())
	assert.Equal(t, []scenario.Fleet{{
		Name: "gateways", Count: 5000, Product: "gw-200",
		Components: []scenario.Installed{installed(ota.ComponentVersion{ID: "rootfs", Type: ota.Module, Version: "1.10"}), installed(ota.ComponentVersion{ID: "motor", Type: ota.MCU, Version: "3_0"})},
		Battery:    &scenario.Range[int]{Lo: 20, Hi: 100},
		RSSI:       &scenario.Range[int]{Lo: -110, Hi: -60},
		Link:       scenario.Link{Bandwidth: 2 << 20, Latency: 80 * time.Millisecond, Jitter: 20 * time.Millisecond},
		Arrive:     scenario.Arrive{Over: time.Minute, After: 10 * time.Second},
		Install:    scenario.Install{Time: seconds(5, 20), Restart: firmware.RestartProcess},
	}, {
		Name: "cameras", Count: 10, Product: "cam-1",
		Components: []scenario.Installed{installed(ota.ComponentVersion{ID: "app", Type: ota.Module, Version: "7"})},
		Battery:    &scenario.Range[int]{Lo: 50, Hi: 50},
		Arrive:     scenario.Arrive{Rate: 0.5},
		Install:    scenario.Install{Time: seconds(5, 20)},
	}}, s.Fleets)
	assert.Equal(t, []scenario.Plan{{
		Name: "spring", Product: "gw-200",
		Components: []scenario.Component{{
			PlanComponent: ota.PlanComponent{ID: "rootfs", Type: ota.Module, Package: ota.Full, Sources: []string{"1.10", "1.9"}, Target: "1.11", Size: 10 << 20},
			Encoding:      ota.Zstd, Chunk: 4 << 10,
		}, {
			PlanComponent: ota.PlanComponent{ID: "motor", Type: ota.MCU, Package: ota.Delta, Sources: []string{"3_0"}, Target: "3_1", Size: 64 << 10},
			Encoding:      ota.Plain, Chunk: 64 << 10,
		}},
		Mode:       ota.Manual,
		Conditions: scenario.Conditions{MinBattery: pointer(30), MinRSSI: pointer(-113)},
		Retries:    2, OnFailure: ota.Revert,
	}, {
		Name: "cameras", Product: "cam-1",
		Components: []scenario.Component{{
			PlanComponent: ota.PlanComponent{ID: "app", Type: ota.Module, Package: ota.Full, Target: "8", Size: 1},
			Encoding:      ota.Plain, Chunk: 64 << 10,
		}},
		Mode: ota.Silent, Retries: 5, OnFailure: ota.Stop,
	}}, s.Plans)
}

func TestEveryFault(t *testing.T) {
	s, err := parseFile(t, "testdata/good/everything.yaml")
	require.NoError(t, err)
	once := scenario.Range[int]{Lo: 1, Hi: 1}
	downloading, received := scenario.At(ota.Downloading), scenario.At(ota.PlanReceived)
	assert.Equal(t, []scenario.Fault{
		{Name: "lossy-line", Fleet: "gateways", Component: "rootfs", At: downloading, Kind: scenario.Drop, Chance: 20,
			Times: scenario.Range[int]{Lo: 1, Hi: 3}, After: scenario.After{Share: scenario.Range[scenario.Percent]{Lo: 20, Hi: 80}}, For: seconds(5, 10)},
		{Name: "brown-out", At: scenario.At(ota.Upgrading), Kind: scenario.PowerCut, Exactly: 0.5, Times: once,
			After: scenario.After{Delay: seconds(3, 3)}, For: seconds(30, 30)},
		{Name: "overload", At: downloading, Kind: scenario.HTTPStatus, Chance: 1, Times: scenario.Range[int]{Lo: 2, Hi: 2}, Status: 429},
		{Name: "gone", At: downloading, Kind: scenario.HTTPStatus, Chance: 1, Times: once, Status: 503},
		{Name: "shy", At: received, Kind: scenario.Refuse, Chance: 5, Times: once, For: seconds(1, 2), Reason: ota.ReasonBattery},
		{Name: "moody", At: received, Kind: scenario.Refuse, Chance: 5, Times: once, For: seconds(5, 5), Reason: ota.ReasonBusy},
		{Name: "late", At: scenario.At(ota.ReadyToDownload), Kind: scenario.URLExpired, Chance: 5, Times: once},
		{Name: "noise", At: downloading, Kind: scenario.Corrupt, Chance: 5, Times: once,
			After: scenario.After{Share: scenario.Range[scenario.Percent]{Lo: 50, Hi: 50}}},
		{Name: "sick", Component: "app", At: scenario.AtHealth, Kind: scenario.Unhealthy, Chance: 5, Times: once},
		{Name: "forged", At: scenario.At(ota.UpgradeConfirmed), Kind: scenario.BadSignature, Chance: 5, Times: once},
		{Name: "first-contact", At: scenario.AtConnect, Kind: scenario.Drop, Chance: 100, Times: once},
	}, s.Faults)
	assert.Equal(t, 5000, s.Reach(&s.Faults[0]))
	assert.Equal(t, 10, s.Reach(&s.Faults[8]))
	assert.Equal(t, 5010, s.Reach(&s.Faults[10]))
}

func TestEveryExpectation(t *testing.T) {
	s, err := parseFile(t, "testdata/good/everything.yaml")
	require.NoError(t, err)
	var lines []string
	for _, e := range s.Expect.Devices {
		lines = append(lines, e.String())
	}
	for _, e := range s.Expect.Reports {
		lines = append(lines, e.String())
	}
	for _, e := range s.Expect.Times {
		lines = append(lines, e.String())
	}
	assert.Equal(t, []string{
		"devices.upgraded >= 99%", "devices.upgrade_failed <= 1%", "devices.unaccounted == 0",
		"devices.cameras.upgraded > 8", "devices.cameras.unreachable < 1",
		"reports.lost == 0", "reports.out_of_order == 0", "reports.conflicting == 0", "reports.illegal == 0", "reports.duplicate <= 5%",
		"time.upgrade.p50 < 1m", "time.upgrade.p95 <= 2m", "time.upgrade.p99 < 5m", "time.upgrade.max < 10m",
	}, lines)
	assert.True(t, s.Expect.AllFaultsFired)
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
	}, s)
}

// TestMistakes holds the messages of every bad document against the golden file
// beside it; UPDATE_GOLDEN=1 writes them anew.
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
			if os.Getenv("UPDATE_GOLDEN") != "" {
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
			assert.True(t, ota.ValidKey(s.Fleets[i].Device(s.Fleets[i].Count)))
		}
		for i := range s.Faults {
			fault := &s.Faults[i]
			_, known := fault.Kind.Row()
			assert.True(t, known)
			assert.Positive(t, fault.Chance+fault.Exactly)
			assert.GreaterOrEqual(t, fault.Times.Lo, 1)
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
		return "  - {name: " + name + ", product: p, components: [{id: app, package: full, sources: [\"" + name + "\"], target: \"" + target +
			"\", size: " + size + ", chunk: 4MiB}]}\n"
	}
	_, err := scenario.Parse("s.yaml", []byte(fleet+plan("a", "2", "1GiB")+plan("b", "2", "1GiB")))
	require.NoError(t, err)
	_, err = scenario.Parse("s.yaml", []byte(fleet+plan("a", "2", "1GiB")+plan("b", "3", "1MiB")))
	require.EqualError(t, err, "s.yaml:6:3: plans: have packages of 1025MiB in all; want at most 1GiB")
}
