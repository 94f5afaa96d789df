package real_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/broker"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// serve runs something until the test ends.
func serve(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { assert.NoError(t, run(ctx)) })
	t.Cleanup(func() { cancel(); serving.Wait() })
}

// realPlatform is a platform that the simulator cannot look into, with a plan
// of its own for the product gw-200. observe sees what it knows.
func realPlatform(t *testing.T, change func(*engine.PlanSpec), observe func(time.Time, engine.Output)) (url string,
	trust *wire.Trust) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s, err := platform.New(platform.Config{Observe: observe})
	require.NoError(t, err)
	content := bytes.Repeat([]byte("new system "), 10_000)
	file, err := bundle.Describe("rootfs.bin", bytes.NewReader(content), 16<<10)
	require.NoError(t, err)
	manifest := ota.Manifest{Product: "gw-200", Component: "rootfs", Type: ota.Module, Package: ota.Full, Target: "1.1.0",
		Release: 1,
		Created: time.Now(), Files: []ota.File{file}}
	envelope, err := bundle.Seal(&manifest, private)
	require.NoError(t, err)
	require.NoError(t, s.AddPackage(t.Context(), envelope, &manifest, []io.ReaderAt{bytes.NewReader(content)}))
	battery := 30
	plan := engine.PlanSpec{ID: "theirs", Name: "theirs", Product: "gw-200", Zone: time.UTC,
		Start: time.Now().Add(-time.Minute),
		End:   time.Now().Add(time.Hour), Mode: ota.Silent, Retries: 2, MinBattery: &battery,
		Components: []engine.ComponentSpec{{ID: "rootfs", Type: ota.Module, Package: ota.Full, Target: "1.1.0"}}}
	if change != nil {
		change(&plan)
	}
	require.NoError(t, s.Command(engine.CreatePlan{Plan: plan}))
	require.NoError(t, s.Command(engine.Activate{Plan: "theirs"}))
	serve(t, s.Run)
	return s.BrokerURL(), &wire.Trust{Keys: []ed25519.PublicKey{public}}
}

// stores counts the reports that a platform has stored.
type stores struct {
	mu sync.Mutex
	n  int
}

func (s *stores) observe(_ time.Time, fact engine.Output) {
	if r, is := fact.(engine.Recorded); is && r.Arrival == engine.Stored {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.n++
	}
}

func (s *stores) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// TestRealPlatform judges by what an external platform acknowledges.
func TestRealPlatform(t *testing.T) {
	t.Parallel()
	var known stores
	url, trust := realPlatform(t, nil, known.observe)
	broker := ""
	world := &real.World{BrokerURL: url, Trust: trust, Serving: func(url string, _ *platform.Service) { broker = url }}
	v, err := simulator.Simulate(t.Context(), world, simulator.Options{Scenario: parse(t, base+`
faults:
  - {name: brown-out, at: upgrading, do: power_cut, exactly: 30%, after: 50%, for: 50ms}
  - {name: lossy, at: report, do: drop, exactly: 30%}
  - {name: sick, at: health, do: unhealthy, exactly: 20%}
expect:
  devices: {upgraded: 20}
  reports: {lost: 0, conflicting: 0, illegal: 0}
  time: {upgrade: {max: "< 20m"}}
  faults: {fired: all}
`)})
	require.NoError(t, err)
	held(t, v)
	checkSums(t, v)
	assert.Equal(t, url, broker)
	assert.Equal(t, v.Figures.Reports.Numbered, v.Figures.Reports.Stored)
	assert.Equal(t, known.count(), v.Figures.Reports.Stored, "what it says it has is what it has")
	assert.Equal(t, 20, v.Figures.Times.Upgrade.Count())
	assert.Equal(t, map[string]map[string]int{"rootfs": {"upgrade_succeeded": 20}}, v.Figures.Components)
}

// TestRealPlatformOtherEnds: refusals, failures and lack of a plan end a run
// against an external platform, too.
func TestRealPlatformOtherEnds(t *testing.T) {
	t.Parallel()
	sick := "faults: [{name: sick, at: health, do: unhealthy, chance: 100%, times: 100}]\n"
	tests := []struct {
		name   string
		text   string
		change func(*engine.PlanSpec)
		trust  *wire.Trust
		want   scenario.Class
	}{
		{"refused", edit(t, "40..90", "10..20"), nil, nil, scenario.Refused},
		{"failed", base + sick, nil, nil, scenario.UpgradeFailed},
		{"key of a stranger", base, nil, strangersKey(t), scenario.UpgradeFailed},
		{"up to date", edit(t, "version: 1.0.0", "version: 1.1.0"), nil, nil, scenario.NotUpgraded},
		{"not listed", base, func(p *engine.PlanSpec) { p.White = []string{"other"} }, nil, scenario.NotUpgraded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, trust := realPlatform(t, tt.change, nil)
			if tt.trust != nil {
				trust = tt.trust
			}
			v, err := simulator.Simulate(t.Context(), &real.World{BrokerURL: url, Trust: trust},
				simulator.Options{Scenario: parse(t, tt.text)})
			require.NoError(t, err)
			held(t, v)
			assert.Equal(t, verdict.Counts{tt.want: 20}, ended(v))
			assert.Zero(t, v.Figures.Reports.Lost)
			assert.Less(t, v.Figures.Duration, 15*time.Minute)
		})
	}
}

func strangersKey(t *testing.T) *wire.Trust {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return &wire.Trust{Keys: []ed25519.PublicKey{public}}
}

// TestFakePlatformBehindAnotherBroker runs the fake platform through an external broker,
// on which a device runs that is none of the run's.
func TestFakePlatformBehindAnotherBroker(t *testing.T) {
	t.Parallel()
	b, err := broker.New(broker.Config{PlatformUser: "staff", PlatformPassword: "secret"})
	require.NoError(t, err)
	serve(t, b.Run)
	stranger := parse(t, edit(t, "duration: 20m", "duration: 4s", "name: gw", "name: stranger", "count: 20", "count: 2"))
	var others sync.WaitGroup
	others.Go(func() {
		_, err := simulator.Simulate(t.Context(), &real.World{BrokerURL: b.URL(), Trust: anybody()},
			simulator.Options{Scenario: stranger})
		assert.NoError(t, err)
	})
	world := &real.World{BrokerURL: b.URL(), FakePlatform: true, PlatformUser: "staff", PlatformPassword: []byte("secret")}
	v, err := simulator.Simulate(t.Context(), world,
		simulator.Options{Scenario: parse(t, base+
			"expect: {devices: {upgraded: 20, unaccounted: 0}, reports: {lost: 0, conflicting: 0}}")})
	require.NoError(t, err)
	held(t, v)
	checkSums(t, v)
	others.Wait()
}

// TestWaitForPlan: a plan that comes when a fleet has long been at rest is carried out
// if the run waits for it. Without that, and beyond the time, the run ends.
func TestWaitForPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wait, late time.Duration
		want       scenario.Class
	}{{0, time.Hour, scenario.NotUpgraded}, {time.Second, time.Hour, scenario.NotUpgraded},
		{time.Minute, 8 * time.Second, scenario.Upgraded}} {
		t.Run(c.wait.String(), func(t *testing.T) {
			t.Parallel()
			begins := time.Now().Add(c.late)
			url, trust := realPlatform(t, func(p *engine.PlanSpec) { p.Start, p.End = begins, begins.Add(time.Hour) }, nil)
			world := &real.World{BrokerURL: url, Trust: trust, PlanWait: c.wait}
			v, err := simulator.Simulate(t.Context(), world, simulator.Options{Scenario: parse(t, base)})
			require.NoError(t, err)
			assert.Equal(t, 20, v.Figures.Classes[c.want], "%v", v.Figures.Classes)
		})
	}
	s := parse(t, base)
	_, err := simulator.Simulate(t.Context(), &real.World{PlanWait: time.Second}, simulator.Options{Scenario: s})
	require.ErrorContains(t, err, "--wait-for-plan is for a platform of yours")
	_, err = simulator.Simulate(t.Context(), &real.World{BrokerURL: "mqtt://127.0.0.1", PlanWait: s.Duration + 1,
		Trust: &wire.Trust{AllowUnsigned: true}}, simulator.Options{Scenario: s})
	require.ErrorContains(t, err, "does not fit in the run")
}
