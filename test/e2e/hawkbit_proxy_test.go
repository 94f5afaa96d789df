package e2e_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
	"otafleet/test/harness"
)

// changing stands between a device and its hawkBit, and changes the documents on their
// way, or answers itself.
type changing struct {
	url    string
	change atomic.Pointer[func(body string) string]
	answer atomic.Pointer[http.HandlerFunc] // nil for hawkBit's own
}

// documents sets what becomes of each document of hawkBit's; nil for nothing.
func (c *changing) documents(change func(body string) string) { c.change.Store(&change) }

// newChanging is newHawkBit with a proxy before it.
func newChanging(t *testing.T, more harness.Settings) (*setting, *changing) {
	t.Helper()
	s := newSetting(t)
	behind, err := url.Parse(s.platform.HawkBit("", quickly()).URL())
	require.NoError(t, err)
	c := &changing{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(behind)
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(r *http.Response) error {
			change := c.change.Load()
			if change == nil || *change == nil || !strings.Contains(r.Header.Get("Content-Type"), "json") {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			body = []byte((*change)(string(body)))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return err
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer := c.answer.Load(); answer != nil {
			(*answer)(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	s.device.SpeakHawkBit(server.URL, more)
	return s, c
}

func replacing(old, by string) func(string) string {
	return func(body string) string { return strings.ReplaceAll(body, old, by) }
}

// A soft action is one: what the device's user wants is asked at the device.
func TestHawkBitSoftUpdate(t *testing.T) {
	t.Parallel()
	s, c := newChanging(t, nil)
	c.documents(replacing(`"forced"`, `"attempt"`))
	s.device.Start()
	s.upgrades("p", "1.1.0", 1)
}

// The device's user denies an action that waits for a confirmation. It waits on, and a
// later word counts.
func TestHawkBitDenied(t *testing.T) {
	t.Parallel()
	s := newHawkBit(t)
	s.device.Settings["confirm"] = "ask"
	s.device.Start()
	s.platform.Upload(s.pack("1.1.0", 1, "new"))
	require.NoError(t, s.platform.Command(engine.CreatePlan{Plan: engine.PlanSpec{
		ID: "p", Name: "p", Product: harness.Product, Zone: time.UTC, Start: time.Now().Add(-time.Minute),
		End: time.Now().Add(time.Hour), Mode: ota.Manual,
		Components: []engine.ComponentSpec{{ID: "app", Type: ota.Module, Package: ota.Full, Target: "1.1.0"}},
	}}))
	require.NoError(t, s.platform.Command(engine.Activate{Plan: "p"}))
	s.awaitQuestion()
	require.Equal(t, 0, s.device.Do("refuse", "--reason", "not today").Code)
	time.Sleep(3 * time.Second) // three polls
	assert.Equal(t, "old", string(s.device.Read("app.bin")))
	assert.NotContains(t, s.platform.Trail("p", "app"), "upgrade_confirmed")
}

// A token that is withdrawn in the middle of a download, and given again: the device
// says what is wrong, and goes on.
func TestHawkBitTokenRevoked(t *testing.T) {
	t.Parallel()
	s := newSetting(t)
	var revoked atomic.Bool
	config := quickly()
	config.Credentials = func(_, token string) bool { return !revoked.Load() && token == harness.HawkBitToken }
	s.device.SpeakHawkBit(s.platform.HawkBit("", config).URL(), nil)
	s.device.Settings["download"].(harness.Settings)["rate_limit"] = "256KiB/s"
	agent := s.device.Start()
	image := string(harness.Image(1, 1<<20))
	s.platform.Offer(harness.Plan{ID: "p"}, s.pack("1.1.0", 1, image))
	harness.Await(t, "the download", func() bool { return len(s.platform.Trail("p", "app")) == 4 })
	revoked.Store(true)
	const says = "hawkBit does not accept the device's token (401)"
	harness.Await(t, "the refusal in the status", func() bool {
		return strings.Contains(s.device.Do("status").Out, says)
	})
	assert.Contains(t, s.device.Do("explain").Out, says)
	assert.Contains(t, agent.Output(), says)
	revoked.Store(false)
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
	assert.True(t, image == string(s.device.Read("app.bin")))
	assert.Equal(t, succeeded, s.platform.Trail("p", "app"))
}

// digestOf is the SHA-256 of the one file of a package, as documents have it.
func digestOf(p *harness.Package) string { return hex.EncodeToString(p.Manifest.Files[0].SHA256[:]) }

// onHawkBitsWord is newChanging with a device that has no key.
func onHawkBitsWord(t *testing.T, more harness.Settings) (*setting, *changing) {
	more["manifest"] = "platform"
	s, c := newChanging(t, more)
	delete(s.device.Settings, "trust")
	return s, c
}

// Without a signed manifest hawkBit's digest decides, and the versions' order if it is
// asked for.
func TestHawkBitManifestOfThePlatform(t *testing.T) {
	t.Parallel()
	s, c := onHawkBitsWord(t, harness.Settings{"versions": "semver"})
	s.device.Start()
	s.upgrades("p", "1.1.0", 1)

	s.upgrade(harness.Plan{ID: "lower"}, ota.DeviceUpgradeFailed, s.pack("1.0.9", 2, "older"))
	assert.Equal(t, refused(ota.DowngradeRefused), s.platform.Trail("lower", "app"))

	other := s.pack("1.2.0", 3, "new")
	c.documents(replacing(digestOf(other), strings.Repeat("0", 64)))
	s.upgrade(harness.Plan{ID: "other"}, ota.DeviceUpgradeFailed, other)
	assert.Equal(t, trail("download_failed: digest_mismatch"), s.platform.Trail("other", "app"))
	assert.Equal(t, "content of 1.1.0", string(s.device.Read("app.bin")))

	weak := s.pack("1.2.1", 4, "newer")
	c.documents(replacing(digestOf(weak), ""))
	s.upgrade(harness.Plan{ID: "weak"}, ota.DeviceUpgradeFailed, weak)
	assert.Equal(t, refused(ota.KeyUntrusted), s.platform.Trail("weak", "app"))

	c.documents(nil)
	s.upgrades("q", "1.3.0", 5)
}

// A weak digest that is allowed, and a device that is killed in the middle.
func TestHawkBitWeakDigest(t *testing.T) {
	t.Parallel()
	s, c := onHawkBitsWord(t, harness.Settings{"allow_weak_digest": true, "modules": []string{"firmware=app"}})
	s.device.Settings["download"].(harness.Settings)["rate_limit"] = "2MiB/s"
	image := harness.Image(1, 4<<20)
	pkg := s.pack("1.1.0", 1, string(image))
	c.documents(func(body string) string {
		return strings.NewReplacer(digestOf(pkg), "", `"name":"app"`, `"name":"firmware"`).Replace(body)
	})
	agent := s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, pkg)
	for range 3 {
		harness.Await(t, "the download", func() bool { return len(s.platform.Trail("p", "app")) >= 4 })
		time.Sleep(400 * time.Millisecond)
		agent.Kill()
		agent = s.device.Start()
	}
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgraded)
	assert.True(t, bytes.Equal(image, s.device.Read("app.bin")))
	assert.Equal(t, succeeded, s.platform.Trail("p", "app"))
}

// A server that breaks the rules costs the agent nothing but the time that it is bad.
func TestHostileHawkBitDoesNoHarm(t *testing.T) {
	t.Parallel()
	s, c := newChanging(t, nil)
	agent := s.device.Start()
	s.upgrades("p", "1.1.0", 1)
	root := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	action := func(id string) string {
		return `{"config":{"polling":{"sleep":"00:00:01"}},"_links":{"deploymentBase":{"href":"` + c.url +
			`/DEFAULT/controller/v1/` + harness.DeviceName + `/deploymentBase/` + id + `"}}}`
	}
	for _, k := range []struct {
		says   string
		answer http.HandlerFunc
	}{
		{"302", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }},
		{"is not JSON", root("<html>")},
		{"longer than any of its documents", root(strings.Repeat(`{"a":`, 1<<20))},
		{"is not JSON at byte 10001", root(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000))},
		{"does not end with deploymentBase and the number of an action", root(action("..%2f..%2fetc"))},
		{"does not end with deploymentBase and the number of an action", root(action("-1"))},
		{"leads to http://elsewhere", root(strings.ReplaceAll(action("8"), c.url, "http://elsewhere"))},
		{"403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }},
		{"broke off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "{")
		}},
	} {
		c.answer.Store(&k.answer)
		harness.Await(t, k.says, func() bool { return strings.Contains(s.device.Do("status").Out, k.says) })
	}
	c.answer.Store(nil)
	c.documents(func(body string) string {
		return strings.Replace(body, `"chunks":[`, `"chunks":[`+strings.Repeat(`{},`, 100_000), 1)
	})
	s.upgrade(harness.Plan{ID: "huge"}, ota.DeviceUpgradeFailed, s.pack("1.2.0", 2, "huge"))
	c.documents(nil)
	s.upgrades("q", "1.3.0", 3)
	assert.Equal(t, 1, strings.Count(agent.Output(), "agent started"))
	assert.Less(t, peakMemory(t, agent.PID()), 96<<20, "bytes of memory")
	assert.Equal(t, 0, agent.Stop())
}
