package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/objectstore"
	"otafleet/test/harness"
)

const (
	imageSize    = 3 << 20
	chunk        = 64 << 10
	killsAtLeast = 2 // in one upgrade: the second releases what the first was to hit
	killsAtMost  = 8 // in one upgrade: after ten restarts an image is given up, as it should be
)

// An agent that is killed at any moment ends its upgrade all the same: the live
// file is whole at every moment, no report is lost or sent as two, and no byte
// that was verified is fetched again.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	kills := 200
	if testing.Short() {
		kills = 40
	}
	k := newKiller(t, killMoments(t, 0))
	k.agent = k.device.Start()
	upgrades := 0
	for ; kills > 0; upgrades++ {
		kills -= k.upgrade(upgrades+1, max(killsAtLeast, min(kills, killsAtMost)))
		if t.Failed() {
			return
		}
	}
	t.Logf("%d upgrades, %d fetches, %d of them resumed; kills by the last report: %v", upgrades, len(k.store.all()),
		k.store.resumed(), k.hits)
	assert.GreaterOrEqual(t, k.store.resumed(), upgrades, "kills did hit downloads")
	assert.GreaterOrEqual(t, k.hits["upgrading"], upgrades, "kills did hit installations")
	assert.Equal(t, 0, k.agent.Stop())
}

// killMoments is a source of moments, another one each time; OTA_KILL_SEED repeats
// one. stream tells tests apart.
func killMoments(t *testing.T, stream uint64) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("OTA_KILL_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("OTA_KILL_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, stream))
}

// killer upgrades a device again and again, and kills its agent meanwhile.
type killer struct {
	*setting
	random *rand.Rand
	store  *fetches
	agent  *harness.Process
	hits   map[string]int // kills, by what the device had reported last
}

func newKiller(t *testing.T, random *rand.Rand) *killer {
	k := &killer{random: random, store: &fetches{}, hits: map[string]int{}}
	k.setting = &setting{
		t:        t,
		key:      harness.NewKey(t),
		platform: harness.StartPlatform(t, platform.Config{Store: k.store.serve(t)}),
	}
	k.device = harness.NewDevice(t, programs, k.platform.BrokerURL(), k.key)
	k.device.Settings["download"] = harness.Settings{"rate_limit": "8MiB/s"}
	k.device.Components(harness.FileComponent("app", "1.0.0", nil), k.addHandler("motor"))
	k.device.Write("app.bin", harness.Image(0, imageSize), 0o755)
	k.does("motor", "slow")
	return k
}

// upgrade brings both components to version 1.0.n and returns how often it
// killed the agent on the way: in the middle of an installation, in the middle of
// a download, and at any moment, most times in all, which are at least killsAtLeast.
func (k *killer) upgrade(n, most int) (kills int) {
	plan, target := fmt.Sprint("p-", n), fmt.Sprint("1.0.", n)
	old, image := harness.Image(uint64(n-1), imageSize), harness.Image(uint64(n), imageSize)
	k.does("motor", "hold-activate")
	k.store.haltAt(target, 2*chunk+k.random.Int64N(imageSize-3*chunk))
	k.platform.Offer(harness.Plan{ID: plan}, k.packMCU("motor", target, int64(n)), k.pack(target, int64(n), string(image)))
	for ; kills < most; kills++ {
		switch kills {
		case 0:
			harness.Await(k.t, "the motor's installation", func() bool { return k.lastReport(plan) == "upgrading" })
		case 1:
			require.NoError(k.t, os.Remove(k.device.Path("motor/hold-activate")))
			harness.Await(k.t, "a part of the image", func() bool { return k.verified(image) > 0 })
		default:
			time.Sleep(time.Duration(5+k.random.IntN(250)) * time.Millisecond)
		}
		if k.platform.Status(plan, k.device) == ota.DeviceUpgraded {
			break // a kill from here on would hit nothing
		}
		k.agent.Kill()
		if kills == 1 {
			k.store.haltAt("", 0)
		}
		k.hits[k.lastReport(plan)]++
		live := k.device.Read("app.bin")
		require.True(k.t, bytes.Equal(live, old) || bytes.Equal(live, image), "the live file is whole")
		k.store.expect(bound{t: k.t, target: target, from: k.verified(image)})
		k.agent = k.device.Start()
	}
	k.platform.AwaitStatus(plan, k.device, ota.DeviceUpgraded)
	assert.True(k.t, bytes.Equal(k.device.Read("app.bin"), image), "the new version is live")
	assert.Equal(k.t, target+"\n", string(k.device.Read("motor/version")))
	assert.Equal(k.t, succeeded, k.platform.Trail(plan, "app"))
	assert.Equal(k.t, succeeded, k.platform.Trail(plan, "motor"))
	for i, r := range k.platform.Reports(plan) {
		assert.Equal(k.t, i+1, r.Seq, "the numbers have no gap")
	}
	assert.Empty(k.t, k.platform.Faults(plan), "early, changed, illegal or unknown reports")
	return kills
}

// lastReport is the status that the device reported last; empty before the first.
func (k *killer) lastReport(plan string) string {
	reports := k.platform.Reports(plan)
	if len(reports) == 0 {
		return ""
	}
	return reports[len(reports)-1].Status.String()
}

// verified is how many bytes at the beginning of the image lie in the inactive
// place, chunk by chunk: what the agent can know to be right.
func (k *killer) verified(image []byte) int64 {
	place, err := os.ReadFile(k.device.Path("app.bin.ota-next"))
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(k.t, err)
	n := 0
	for n+chunk <= min(len(place), len(image)) && bytes.Equal(place[n:n+chunk], image[n:n+chunk]) {
		n += chunk
	}
	return int64(n)
}

// fetches is an object store that notes where each download begins.
type fetches struct {
	mu    sync.Mutex // guards the following
	began []fetch
	bound bound
	halt  halt
}

// halt is where the downloads of app in a version stand still, until the agent
// that fetches is gone.
type halt struct {
	target string // none if it is empty
	at     int64  // bytes of the file that are served
}

type fetch struct {
	path string
	from int64 // first byte asked for
}

// bound is the first byte of app that the downloads of a version may ask for:
// they must not begin before the last byte that was verified, so that a cut
// costs no more than the chunk that was on its way.
type bound struct {
	t      *testing.T
	target string
	from   int64
}

// serve starts the store and returns what the platform must know of it.
func (f *fetches) serve(t *testing.T) *platform.RemoteStore {
	t.Helper()
	return serveStore(t, func(w http.ResponseWriter, r *http.Request, store http.Handler) {
		if r.Method == http.MethodGet {
			w = f.note(w, r)
		}
		store.ServeHTTP(w, r)
	})
}

// halting serves so many bytes and stands still.
type halting struct {
	http.ResponseWriter
	gone <-chan struct{} // closed when the client is gone
	left int64
}

func (h *halting) Write(p []byte) (int, error) {
	n, err := h.ResponseWriter.Write(p[:min(int64(len(p)), h.left)])
	if h.left -= int64(n); err == nil && h.left == 0 {
		_ = http.NewResponseController(h.ResponseWriter).Flush()
		<-h.gone
		err = context.Canceled
	}
	return n, err
}

// haltAt halts the downloads to come.
func (f *fetches) haltAt(target string, at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.halt = halt{target, at}
}

// serveStore starts an object store behind something that looks at each request.
func serveStore(t *testing.T,
	look func(w http.ResponseWriter, r *http.Request, store http.Handler)) *platform.RemoteStore {
	t.Helper()
	credentials := objectstore.Credentials{AccessKey: "e2e", SecretKey: "e2e-secret"}
	store, err := objectstore.New(objectstore.Config{Credentials: credentials, Buckets: []string{"packages"}})
	require.NoError(t, err)
	server, err := objectstore.Listen(
		objectstore.ServerConfig{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			look(w, r, store)
		})},
	)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	return &platform.RemoteStore{URL: server.URL(), Bucket: "packages", Credentials: credentials}
}

// note notes a download, and gives what serves it.
func (f *fetches) note(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	first, _ := strconv.ParseInt(from, 10, 64) // without a range it is the whole file
	f.began = append(f.began, fetch{r.URL.Path, first})
	if b := f.bound; strings.HasSuffix(r.URL.Path, "/"+b.target+"/app.img") {
		assert.GreaterOrEqual(b.t, first, b.from, "a verified byte is fetched again after a cut")
	}
	if h := f.halt; h.target != "" && strings.HasSuffix(r.URL.Path, "/"+h.target+"/app.img") {
		return &halting{w, r.Context().Done(), max(1, h.at-first)}
	}
	return w
}

func (f *fetches) all() []fetch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.began
}

// expect sets the bound for the fetches to come.
func (f *fetches) expect(b bound) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bound = b
}

// resumed counts the downloads that did not begin at the first byte.
func (f *fetches) resumed() (n int) {
	for _, one := range f.all() {
		if one.from > 0 {
			n++
		}
	}
	return n
}
