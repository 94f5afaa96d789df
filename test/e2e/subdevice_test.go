package e2e_test

import (
	"bytes"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/control"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/platform"
	"otafleet/test/harness"
)

//go:embed testdata/bus.sh
var bus []byte

// site is a gateway with devices behind it, and a store that counts what leaves.
type site struct {
	*setting
	store *scales
	subs  []harness.Settings
}

func newSite(t *testing.T) *site {
	s := &site{store: &scales{bytes: map[string]int64{}, next: map[string]int64{}}}
	config := platform.Config{Store: serveStore(t, s.store.look), Gateways: map[string][]string{
		harness.DeviceName: {"meter.meter-1", "meter.meter-2", "meter.meter-3", "meter.meter-4", "valve.valve-1"},
	}}
	s.setting = &setting{t: t, platform: harness.StartPlatform(t, config), key: harness.NewKey(t)}
	s.device = harness.NewDevice(t, programs, s.platform.BrokerURL(), s.key)
	s.device.Components(harness.FileComponent("app", "1.0.0", nil))
	s.device.Write("app.bin", []byte("old"), 0o755)
	s.device.Write("bus", bus, 0o755)
	return s
}

// behind puts devices of a product behind the gateway, all at version 1.0.0.
func (s *site) behind(product string, keys ...string) {
	firmware := harness.CommandComponent("fw", "bus")
	firmware["type"] = "module" // sub-devices have no other
	s.subs = append(s.subs,
		harness.Settings{"devices": keys, "product": product, "components": []harness.Settings{firmware}})
	s.device.Settings["sub_devices"] = s.subs
	for _, key := range keys {
		s.addHandler(key)
	}
}

// firmware signs a package of the component that every sub-device has.
func (s *site) firmware(product, target string, release int64, content []byte) *harness.Package {
	return harness.Pack(s.t, "fw", target, release, content, func(m *ota.Manifest) { m.Product = product }, s.key)
}

// runs is the version that a sub-device runs.
func (s *site) runs(key string) string {
	return strings.TrimSpace(string(s.device.Read(key + "/version")))
}

// scales weigh what leaves a store, and note where downloads begin.
type scales struct {
	mu    sync.Mutex
	bytes map[string]int64 // by the last two levels of the path: "1.1.0/fw.img"
	next  map[string]int64 // the largest first byte that was asked for
	back  []string         // downloads that began before an earlier one
	halt  string           // the file whose downloads stand still in their middle
	later int              // downloads that did not begin at the first byte
}

func (s *scales) look(w http.ResponseWriter, r *http.Request, store http.Handler) {
	if r.Method != http.MethodGet {
		store.ServeHTTP(w, r)
		return
	}
	name := filepath.Join(filepath.Base(filepath.Dir(r.URL.Path)), filepath.Base(r.URL.Path))
	from, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	first, _ := strconv.ParseInt(from, 10, 64)
	s.mu.Lock()
	if first < s.next[name] {
		s.back = append(s.back, fmt.Sprintf("%s from %d, after %d", name, first, s.next[name]))
	}
	if first > 0 {
		s.later++
	}
	s.next[name] = max(first, s.next[name])
	if name == s.halt {
		w = &halting{w, r.Context().Done(), max(1, imageSize/2-first)}
	}
	s.mu.Unlock()
	store.ServeHTTP(&weighed{w, s, name}, r)
}

// haltAt halts the downloads of a file that are to come; none if it is empty.
func (s *scales) haltAt(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt = name
}

// left is how many bytes of a file have left the store.
func (s *scales) left(name string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes[name]
}

type weighed struct {
	http.ResponseWriter
	scales *scales
	name   string
}

func (w *weighed) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.scales.mu.Lock()
	defer w.scales.mu.Unlock()
	w.scales.bytes[w.name] += int64(n)
	return n, err
}

// Each device behind a gateway has its own end; what several need is transferred
// once; what one of them cannot do is nothing to the others or to the gateway.
func TestSubDevices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.behind("meter", "meter-1", "meter-2", "meter-3", "meter-4")
	s.behind("valve", "valve-1")
	s.does("meter-3", "fail-activate")
	agent := s.device.Start()
	image, other := harness.Image(1, 1<<20), harness.Image(2, 1<<20)
	s.platform.Offer(harness.Plan{ID: "meters"}, s.firmware("meter", "1.1.0", 1, image))
	s.platform.Offer(harness.Plan{ID: "valves"}, s.firmware("valve", "2.0.0", 1, other))
	for _, key := range []string{"meter-1", "meter-2", "meter-4"} {
		s.platform.AwaitDevice("meters", key, ota.DeviceUpgraded)
		assert.Equal(t, "1.1.0", s.runs(key))
		assert.Equal(t, image, s.device.Read(key+"/staged"))
	}
	s.platform.AwaitDevice("meters", "meter-3", ota.DeviceUpgradeFailed)
	assert.Equal(t, "1.0.0", s.runs("meter-3"), "it has rolled back")
	s.platform.AwaitDevice("valves", "valve-1", ota.DeviceUpgraded)
	assert.Equal(t, "2.0.0", s.runs("valve-1"))
	assert.EqualValues(t, len(image), s.store.left("1.1.0/fw.img"), "one transfer serves four devices")
	assert.EqualValues(t, len(other), s.store.left("2.0.0/fw.img"))
	s.upgrades("gateway", "1.1.0", 1)

	s.shows()
	for _, plan := range []string{"meters", "valves"} {
		assert.Empty(t, s.platform.Faults(plan))
	}
	assert.FileExists(t, s.device.Path("state/sub/meter-1/state.0"))
	cached, err := os.ReadDir(s.device.Path("state/cache"))
	require.NoError(t, err)
	assert.Len(t, cached, 1, "one valve has no other to share with")
	assert.Equal(t, 0, agent.Stop())
}

// shows looks at what status says of the devices.
func (s *site) shows() {
	s.t.Helper()
	var status control.Status
	harness.Await(s.t, "all reports acknowledged", func() bool {
		status, _ = s.status()
		waiting := status.Pending
		for i := range status.SubDevices {
			waiting += status.SubDevices[i].Pending
		}
		return len(status.SubDevices) == 5 && waiting == 0
	})
	for i, want := range []struct{ key, version, step string }{
		{"meter-1", "1.1.0", "upgrade_succeeded"}, {"meter-2", "1.1.0", "upgrade_succeeded"},
		{"meter-3", "1.0.0", "upgrade_failed"},
		{"meter-4", "1.1.0", "upgrade_succeeded"}, {"valve-1", "2.0.0", "upgrade_succeeded"},
	} {
		sub := status.SubDevices[i]
		assert.Equal(s.t, want.key, sub.Device)
		assert.True(s.t, sub.Connected)
		assert.Equal(s.t, "ota-agent/1.0.0", sub.Agent)
		assert.Equal(s.t, want.version, sub.Components[0].Version)
		assert.Equal(s.t, want.step, sub.Plan.Components[0].Status)
		assert.Positive(s.t, sub.StateFile.Saves)
	}
	text := s.device.Do("status").Out
	assert.Regexp(s.t, `(?m)^SUB-DEVICE +PRODUCT +RUNS`, text)
	assert.Regexp(s.t, `(?m)^meter-2 +meter +fw 1\.1\.0 +idle: plan meters is at its end on this device$`, text)
	assert.Regexp(s.t, `(?m)^meter-3 +meter +fw 1\.0\.0 +idle: plan meters has failed on this device`, text)
	one := s.device.Do("status", "--device", "meter-3").Out
	assert.Contains(s.t, one, "meter-3 of product meter, ota-agent/1.0.0, up ")
	assert.Contains(s.t, one, "installer_failed activate: exit status 1: asked to fail at activate")
	assert.NotContains(s.t, one, "meter-1")
	assert.Equal(
		s.t,
		harness.Outcome{
			Code: 4,
			Err:  "ota-agent status: this agent speaks for no sub-device \"meter-9\": see '" + s.device.Shown("status") + "'\n",
		},
		s.device.Do("status", "--device", "meter-9"),
	)
}

// A plan for a sub-device is answered in its name.
func TestSubDeviceIsConfirmed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.behind("meter", "meter-1", "meter-2")
	s.device.Settings["confirm"] = "ask"
	s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.firmware("meter", "1.1.0", 1, []byte("image")))
	harness.Await(t, "both questions", func() bool {
		text := s.device.Do("status").Out
		return strings.Contains(
			text,
			"waits for your answer: "+s.device.Shown("confirm")+" --device meter-1, or "+s.device.Shown(
				"refuse",
			)+" --device meter-1",
		) &&
			strings.Contains(text, s.device.Shown("confirm")+" --device meter-2")
	})
	assert.Equal(t, 4, s.device.Do("confirm").Code, "the gateway has no plan")
	assert.Equal(t, harness.Outcome{Out: "confirmed plan p, attempt 1: fw 1.0.0 to 1.1.0\n"},
		s.device.Do("confirm", "--device", "meter-2"))
	assert.Equal(t, harness.Outcome{Out: "refused plan p, attempt 1: fw 1.0.0 to 1.1.0\n"},
		s.device.Do("refuse", "--device", "meter-1", "--reason", "locked"))
	s.platform.AwaitDevice("p", "meter-2", ota.DeviceUpgraded)
	assert.Equal(t, "1.0.0", s.runs("meter-1"))
	harness.Await(t, "the refusal", func() bool {
		text := s.device.Do("status", "--device", "meter-1").Out
		if strings.Contains(text, "waits for your answer") { // the plan has come once more
			s.device.Do("refuse", "--device", "meter-1", "--reason", "locked")
		}
		return strings.Contains(text, "plan p is refused (declined: locked)")
	})
	assert.Equal(t, 0, s.device.Do("check", "--device", "meter-1").Code)
}

// The operator's verbs are about the device that they name; a pause of the gateway
// is one of everything behind it.
func TestSubDeviceIsOperated(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.behind("meter", "meter-1", "meter-2")
	agent := s.device.Start()
	harness.Await(t, "the sub-devices' connection", func() bool {
		return strings.Contains(s.device.Do("status", "--device", "meter-2").Out, "connected since")
	})
	explained := func(key string) string { return s.device.Do("explain", "--device", key).Out }
	paused := func(key string, want bool) {
		harness.Await(t, fmt.Sprint("the pause of ", key, " is ", want),
			func() bool { return strings.Contains(explained(key), "paused by the operator") == want })
	}
	assert.Equal(t, 0, s.device.Do("pause", "--device", "meter-1").Code)
	paused("meter-1", true)
	assert.Contains(t, explained("meter-1"), s.device.Shown("resume")+" --device meter-1")
	paused("meter-2", false)
	assert.Equal(t, 0, s.device.Do("resume", "--device", "meter-1").Code)
	paused("meter-1", false)
	assert.Equal(t, 0, s.device.Do("pause", "--reason", "works").Code)
	paused("meter-1", true)
	paused("meter-2", true)
	assert.Equal(t, 0, s.device.Do("resume").Code)
	paused("meter-1", false)
	paused("meter-2", false)

	// A package from a stick goes to one device, and leaves nothing for others.
	file := s.device.Path("fw.ota")
	s.device.Write("fw.bin", []byte("firmware 1.1.0"), 0o644)
	private, err := wire.MarshalPrivateKey(s.key.PrivateKey)
	require.NoError(t, err)
	s.device.Write("release.key", private, 0o600)
	packed := harness.Run(t, s.device.Dir, programs.Sim, "pack", "--key", "release.key", "--product", "meter",
		"--component", "fw", "--type", "module", "--target", "1.1.0", "--release", "1", "--out", file, "fw.bin")
	require.Zero(t, packed.Code, packed.Err)
	assert.Equal(t, 1, s.device.Do("rehearse", file).Code, "it is not for the gateway")
	assert.Equal(t, 0, s.device.Do("rehearse", "--device", "meter-2", file).Code)
	installed := s.device.Do("install", "--device", "meter-2", file)
	assert.Equal(t, 0, installed.Code, installed.Err)
	assert.Equal(t, "1.1.0", s.runs("meter-2"))
	assert.Equal(t, "1.0.0", s.runs("meter-1"))
	assert.Contains(t, s.device.Do("history", "--device", "meter-2").Out, "upgrade_succeeded")
	assert.Contains(t, s.device.Do("history", "--events", "--device", "meter-2").Out, "install       plan local-")
	assert.NotContains(t, s.device.Do("history", "--device", "meter-1").Out, "upgrade_succeeded")
	assert.Equal(t, 0, agent.Stop())
}

// A handler that wants the gateway restarted fails its own device alone, and a
// sub-device whose state cannot be opened changes nothing for the others.
func TestSubDeviceCannotHarmTheGateway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.behind("meter", "meter-1", "meter-2", "meter-3")
	s.device.Write("meter-1/handler", []byte(strings.Replace(string(handler), `"none"`, `"system"`, 1)), 0o755)
	s.device.Write("state/sub/meter-2", []byte("in the way"), 0o644)
	agent := s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.firmware("meter", "1.1.0", 1, []byte("image")))
	s.platform.AwaitDevice("p", "meter-3", ota.DeviceUpgraded)
	s.platform.AwaitDevice("p", "meter-1", ota.DeviceUpgradeFailed)
	assert.Equal(t, "1.0.0", s.runs("meter-1"))
	s.upgrades("gateway", "1.1.0", 1)
	assert.Contains(t, s.device.Do("status", "--device", "meter-1").Out, "asks for restart system of the gateway")
	assert.Regexp(
		t,
		`(?m)^meter-2 +meter +not served since the agent's start: .*not a directory`,
		s.device.Do("status").Out,
	)
	assert.Equal(t, 4, s.device.Do("check", "--device", "meter-2").Code)
	assert.Equal(t, 0, agent.Stop())
}

// A gateway that is killed at any moment takes all of its devices up again, each
// where it was, and nothing that was verified is fetched twice for any of them.
func TestGatewayIsKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	random := killMoments(t, 1)
	s := newSite(t)
	keys := []string{"meter-1", "meter-2", "meter-3"}
	s.behind("meter", keys...)
	for _, key := range keys {
		s.does(key, "slow")
	}
	s.device.Settings["download"] = harness.Settings{"rate_limit": "8MiB/s"}
	agent := s.device.Start()
	kills := 0
	for n := 1; n <= rounds; n++ {
		plan, target := fmt.Sprint("p-", n), fmt.Sprint("1.0.", n)
		image := harness.Image(uint64(n), imageSize)
		s.store.haltAt(target + "/fw.img")
		s.platform.Offer(harness.Plan{ID: plan}, s.firmware("meter", target, int64(n), image))
		for k := 0; k < killsAtMost && s.unfinished(plan, keys); k++ {
			if k == 0 {
				harness.Await(t, "a part of the image", func() bool { return s.cached(image[:chunk]) })
			} else {
				time.Sleep(time.Duration(5+random.IntN(200)) * time.Millisecond)
			}
			agent.Kill()
			s.store.haltAt("")
			kills++
			agent = s.device.Start()
		}
		for _, key := range keys {
			s.platform.AwaitDevice(plan, key, ota.DeviceUpgraded)
			assert.Equal(t, target, s.runs(key))
			assert.Equal(t, image, s.device.Read(key+"/staged"))
		}
		assert.Empty(t, s.platform.Faults(plan), "early, changed, illegal or unknown reports")
	}
	t.Logf("%d kills in %d upgrades of %d devices, %d of them in a download", kills, rounds, len(keys), s.store.later)
	assert.GreaterOrEqual(t, s.store.later, rounds, "kills did hit downloads")
	assert.Empty(t, s.store.back, "downloads of verified bytes")
	assert.Equal(t, 0, agent.Stop())
}

// cached reports whether the gateway's cache has a file with such a begin.
func (s *site) cached(begin []byte) bool {
	paths, err := filepath.Glob(s.device.Path("state/cache/*"))
	require.NoError(s.t, err)
	for _, path := range paths {
		if content, err := os.ReadFile(path); err == nil && bytes.HasPrefix(content, begin) {
			return true
		}
	}
	return false
}

// unfinished reports whether some device has not come to its end.
func (s *site) unfinished(plan string, keys []string) bool {
	for _, key := range keys {
		if s.platform.DeviceStatus(plan, key) != ota.DeviceUpgraded {
			return true
		}
	}
	return false
}
