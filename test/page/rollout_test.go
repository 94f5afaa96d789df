//go:build page

package page_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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
	"otafleet/simulator/platform/api"
	"otafleet/simulator/platform/page"
	"otafleet/simulator/real"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// rollout is a platform with its pages, and devices that it upgrades.
type rollout struct {
	t      *testing.T
	url    string
	broker string
	bundle string // path
	trust  wire.Trust
}

const monitored = `
scenario: monitored
description: two hundred gateways, some of them on bad lines, some of them sick
seed: 7
duration: 90s
fleet:
  - name: gateways
    count: 200
    product: gw-200
    components: [{id: rootfs, type: module, version: 1.0.0}]
    arrive: {over: 4s}
    install: {time: 1s..3s}
plans:
  - name: spring
    product: gw-200
    components: [{id: rootfs, package: full, target: 1.1.0, size: 64KiB}]
    retries: 0
`

const troubles = `
faults:
  - {name: lossy-line, fleet: gateways, at: downloading, do: drop, chance: 20%, after: 50%}
  - {name: sick, fleet: gateways, at: health, do: unhealthy, exactly: 10%}
`

func startRollout(t *testing.T) *rollout {
	t.Helper()
	p, pages := newPlatform(t, t.TempDir(), page.Config{Address: "127.0.0.1:0"})
	serve(t, p, pages)
	r := &rollout{t: t, url: pages.URL(), broker: p.BrokerURL()}
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	r.trust.Keys = []ed25519.PublicKey{public}
	r.bundle = packageFile(t, private, ota.Manifest{Product: "gw-200", Component: "rootfs", Type: ota.Module,
		Package: ota.Full, Target: "1.1.0"})
	return r
}

// newPlatform is a platform that keeps its state in a directory, and its pages.
func newPlatform(t *testing.T, dir string, config page.Config) (*platform.Service, *page.Server) {
	t.Helper()
	p, err := platform.New(platform.Config{State: dir})
	require.NoError(t, err)
	pages, err := page.Listen(config)
	require.NoError(t, err)
	return p, pages
}

// serve lets a platform and its pages run until stop, or the end of the test.
func serve(t *testing.T, p *platform.Service, pages *page.Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { assert.NoError(t, p.Run(ctx)) })
	serving.Go(func() { assert.NoError(t, pages.Run(ctx, p)) })
	stop = func() { cancel(); serving.Wait() }
	t.Cleanup(stop)
	return stop
}

// packageFile makes a signed package.
func packageFile(t *testing.T, key ed25519.PrivateKey, m ota.Manifest) (path string) {
	t.Helper()
	dir := t.TempDir()
	path, image := filepath.Join(dir, m.Component+".ota"), filepath.Join(dir, m.Component+".bin")
	require.NoError(t, os.WriteFile(image,
		[]byte(strings.Repeat("a new "+m.Component+", better than the old one ", 2000)), 0o600))
	m.Release, m.Created = 2, time.Now()
	_, err := bundle.Create(path, bundle.Release{Manifest: m, Files: []string{image}, Chunk: 8 << 10,
		Keys: []ed25519.PrivateKey{key}})
	require.NoError(t, err)
	return path
}

// devices runs the fleet to its end, all of it or some.
func (r *rollout) devices(text string, only []string) *verdict.Verdict {
	r.t.Helper()
	s, err := scenario.Parse("monitored.yaml", []byte(text))
	require.NoError(r.t, err)
	chosen, err := selection.New(s, selection.Shard{}, only)
	require.NoError(r.t, err)
	world := &real.World{BrokerURL: r.broker, Trust: &r.trust}
	v, err := simulator.Simulate(r.t.Context(), world, simulator.Options{Scenario: s, Devices: chosen})
	require.NoError(r.t, err)
	return v
}

// get asks the API.
func get[T any](r *rollout, path string) (answer T) {
	r.t.Helper()
	response, err := http.Get(r.url + api.Root + path)
	require.NoError(r.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	require.Equal(r.t, http.StatusOK, response.StatusCode, "%s", text)
	require.NoError(r.t, json.Unmarshal(text, &answer))
	return answer
}
