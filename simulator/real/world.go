package real

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/internal/bundle"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator"
	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/platform"
	"otafleet/simulator/real/netem"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// defaultDownloads bounds the chunk buffers in memory, and the sockets that are
// open beside the sessions.
const defaultDownloads = 256

// world is everything that the devices of a run share.
type world struct {
	// Immutable after newWorld.
	settings  *World
	scenario  *scenario.Scenario
	selected  *selection.Selection
	seed      uint64
	dialect   model.Dialect
	platform  *platform.Service // nil with an external platform
	face      face
	packages  []model.Package
	transport *netem.Plain
	fetcher   agent.Fetcher
	poller    *netem.Poller
	dialers   netem.Dialers
	faults    *fault.Set
	recorder  *recorder
	machines  *model.Settings
	arrivals  []model.Group
	quiet     time.Duration            // how long nothing must happen before a fleet is taken to stay as it is
	activated map[string]chan struct{} // by plan, closed when the order to activate it has been given
	log       *slog.Logger

	planned    atomic.Bool // a plan has come to some device
	chunks     chunks
	shared     shared
	ctx        context.Context // of the devices
	began      time.Time
	tasks      sync.WaitGroup // everything that runs for a device between its boots
	due        atomic.Int32   // steps of the schedule that are to come
	population population
	orders     orders

	mu         sync.Mutex // guards the following
	partitions []partition
}

// newWorld prepares a run. Nothing moves yet but the listeners.
func newWorld(ctx context.Context, settings *World, o *simulator.Options) (*world, error) {
	if err := settings.Validate(o); err != nil {
		return nil, err
	}
	w := &world{settings: settings, scenario: o.Scenario, selected: o.Devices, seed: o.Seed, dialect: o.Dialect,
		log: settings.Logger, activated: map[string]chan struct{}{}}
	for i := range w.scenario.Plans {
		w.activated[w.scenario.Plans[i].Name] = make(chan struct{})
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	w.recorder = newRecorder(w.scenario, w.selected.Devices(), o.History)
	w.faults = fault.NewSet(w.scenario, w.seed, func(device, name string) {
		w.recorder.add(verdict.Event{Kind: verdict.FaultFired, Device: device, Text: name})
	})
	var err error
	if w.arrivals, err = w.listArrivals(); err != nil {
		return nil, err
	}
	if err := w.openDownloads(); err != nil {
		return nil, err
	}
	trust, err := w.openPlatform(ctx)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.machines = model.NewSettings(w.scenario, w.dialect, w.shared.opener(trust.Open))
	if w.face, err = w.openFace(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.quiet = w.scenario.Patience() + 2*w.face.pace()
	if err := w.openLinks(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// openDownloads makes the one Fetcher of the fleet.
func (w *world) openDownloads() error {
	parallel := w.settings.Downloads
	if parallel == 0 {
		parallel = defaultDownloads
	}
	w.transport = netem.NewPlain(&http.Transport{
		DialContext:         (&net.Dialer{}).DialContext,
		MaxIdleConnsPerHost: parallel, MaxIdleConns: parallel,
		IdleConnTimeout: 10 * time.Second, DisableCompression: true,
		ReadBufferSize: 4 << 10, WriteBufferSize: 2 << 10,
	}, parallel)
	var err error
	w.fetcher, err = download.New(download.Config{Parallel: parallel, Transport: ownTransport{}, UserAgent: "ota-sim",
		Known: &w.chunks})
	return err
}

// openLinks prepares for the devices' links.
func (w *world) openLinks() error {
	err := netem.CheckSources(w.settings.Sources)
	if err != nil {
		return err
	}
	if w.poller, err = netem.NewPoller(); err != nil {
		return err
	}
	w.dialers = netem.NewDialers(w.settings.Sources, w.poller)
	return nil
}

// openPlatform starts the fake platform, with a key of the run, unless a real
// platform is used.
func (w *world) openPlatform(ctx context.Context) (*wire.Trust, error) {
	if w.settings.external() && w.settings.HawkBit == nil {
		return w.settings.Trust, nil
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	w.faults.Sign = func(m *ota.Manifest) (ota.Envelope, error) { return bundle.Seal(m, private) }
	trust := &wire.Trust{Keys: []ed25519.PublicKey{public}}
	w.packages, err = model.MakePackages(w.scenario, w.seed, private, time.Now())
	if err != nil || w.settings.HawkBit != nil {
		return trust, err
	}
	brokerTLS, err := w.settings.platformTLS()
	if err != nil {
		return nil, err
	}
	w.platform, err = platform.New(platform.Config{
		BrokerURL: w.settings.BrokerURL, BrokerUser: w.settings.PlatformUser,
		BrokerPassword: string(w.settings.PlatformPassword), BrokerTLS: brokerTLS,
		Gateways: gateways(w.arrivals), Prefix: w.settings.Prefix, Store: w.settings.Store, Observe: w.observe, Logger: w.log,
	})
	if err != nil {
		return nil, err
	}
	return trust, w.uploadPackages(ctx)
}

// close lets go of what a run leaves open.
func (w *world) close() error {
	w.transport.CloseIdleConnections()
	var err error
	if w.face != nil {
		err = w.face.close()
	}
	if w.platform != nil {
		err = errors.Join(err, w.platform.Close())
	}
	return err
}

// random is the source of what needs no seed: back-off and jitter.
func (w *world) random() float64 { return rand.Float64() }
