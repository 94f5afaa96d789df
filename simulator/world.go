package simulator

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"otafleet/agent"
	"otafleet/agent/download"
	"otafleet/agent/link"
	"otafleet/internal/ota"
	"otafleet/internal/wire"
	"otafleet/simulator/fault"
	"otafleet/simulator/platform"
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
	options   Options
	scenario  *scenario.Scenario
	selected  *selection.Selection
	seed      uint64
	platform  *platform.StandIn // nil with a platform of others
	brokerURL string
	transport *http.Transport
	fetcher   agent.Fetcher
	dialer    net.Dialer
	faults    *fault.Set
	recorder  *recorder
	fleets    []*fleet
	quiet     time.Duration // how long nothing must happen before a fleet is taken to stay as it is
	log       *slog.Logger

	chunks chunks
	shared shared
	ctx    context.Context // of the devices
	tasks  sync.WaitGroup  // everything that runs for a device between its lives
}

// fleet is what the devices of one fleet share.
type fleet struct {
	spec    *scenario.Fleet
	machine *agent.Config
	factory *agent.State // what a device remembers that has never run; never changed
}

// newWorld prepares a run. Nothing moves yet but the listeners.
func newWorld(ctx context.Context, options Options) (*world, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	w := &world{options: options, scenario: options.Scenario, seed: options.Seed, log: options.Logger}
	if w.seed == 0 {
		w.seed = w.scenario.Seed
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if w.selected, err = selection.New(w.scenario, options.Shard, options.Only); err != nil {
		return nil, err
	}
	w.quiet = quietTime(w.scenario)
	w.recorder = newRecorder(w.scenario, w.selected.Devices(), options.History)
	w.faults = fault.NewSet(w.scenario, w.seed, func(device, name string) {
		w.recorder.add(verdict.Event{Kind: verdict.FaultFired, Device: device, Text: name})
	})
	if err := w.openDownloads(); err != nil {
		return nil, err
	}
	trust, err := w.openPlatform(ctx)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	open := w.shared.opener(trust.Open)
	for i := range w.scenario.Fleets {
		w.fleets = append(w.fleets, newFleet(&w.scenario.Fleets[i], open))
	}
	return w, nil
}

func newFleet(spec *scenario.Fleet, open func(ota.Envelope) (*ota.Manifest, error)) *fleet {
	f := &fleet{spec: spec, factory: &agent.State{}, machine: &agent.Config{Agent: "ota-sim", Hardware: spec.Hardware, Open: open}}
	for _, c := range spec.Components {
		f.machine.Components = append(f.machine.Components, agent.ComponentConfig{ID: c.ID, Type: c.Type})
		f.factory.Components = append(f.factory.Components, agent.Component{ID: c.ID, Release: int64(c.Release)})
	}
	return f
}

// openDownloads makes the one Fetcher of the fleet.
func (w *world) openDownloads() error {
	parallel := w.options.Downloads
	if parallel == 0 {
		parallel = defaultDownloads
	}
	w.transport = &http.Transport{
		DialContext:         w.dialer.DialContext,
		MaxIdleConnsPerHost: parallel, MaxIdleConns: parallel,
		IdleConnTimeout: 10 * time.Second, DisableCompression: true,
		ReadBufferSize: 4 << 10, WriteBufferSize: 2 << 10,
	}
	var err error
	w.fetcher, err = download.New(download.Config{Parallel: parallel, Transport: ownTransport{}, UserAgent: "ota-sim"})
	return err
}

func (w *world) fetcherOf(d *device) agent.Fetcher { return meter{w.fetcher, d} }

// openPlatform starts the stand-in, with a key of the run, unless a real
// platform is used.
func (w *world) openPlatform(ctx context.Context) (*wire.Trust, error) {
	if w.options.BrokerURL != "" && !w.options.StandIn {
		w.brokerURL = w.options.BrokerURL
		return w.options.Trust, nil
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}
	w.platform, err = platform.New(platform.Config{
		BrokerURL: w.options.BrokerURL, BrokerUser: w.options.PlatformUser, BrokerPassword: string(w.options.PlatformPassword),
		Prefix: w.options.Prefix, Store: w.options.Store, Observe: w.recorder.observe, Logger: w.log,
	})
	if err != nil {
		return nil, err
	}
	w.brokerURL = w.platform.BrokerURL()
	return &wire.Trust{Keys: []ed25519.PublicKey{public}}, w.plan(ctx, private)
}

// close lets go of what a run leaves open.
func (w *world) close() error {
	w.transport.CloseIdleConnections()
	if w.platform == nil {
		return nil
	}
	return w.platform.Close()
}

// random is the source of what needs no seed: back-off and jitter.
func (w *world) random() float64 { return rand.Float64() }

// Run is a run under way.
type Run struct{ world *world }

// Snapshot tells how the run stands.
func (r *Run) Snapshot() Snapshot { return r.world.recorder.now() }

// BrokerURL is where the run's devices connect.
func (r *Run) BrokerURL() string { return r.world.brokerURL }

// Simulate runs a scenario to its end and judges it. If ctx ends first, the
// verdict is about what there is, and says that it was interrupted.
func Simulate(ctx context.Context, options Options) (*verdict.Verdict, error) {
	w, err := newWorld(ctx, options)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var serving sync.WaitGroup
	broken := make(chan error, 1)
	if w.platform != nil {
		serving.Go(func() { broken <- w.platform.Run(run) })
	}
	peak := newPeak()
	failure := w.awaitPlatform(ctx)
	if failure == nil {
		if options.Started != nil {
			options.Started(&Run{w})
		}
		failure = w.play(ctx, run, broken, peak)
	}
	stop()
	serving.Wait()
	if failure = errors.Join(failure, w.close()); failure != nil {
		return nil, failure
	}
	v := verdict.New(w.scenario, w.seed, "real", w.recorder.figures(w.sizes()))
	v.Part = w.selected.String()
	v.Resources = peak.resources()
	if ctx.Err() != nil {
		v.Interrupt()
	}
	return v, nil
}

// platformWait is how long the stand-in may take to open its session with a
// broker of others.
const platformWait = 30 * time.Second

// awaitPlatform lets no device arrive before the stand-in hears what it says.
func (w *world) awaitPlatform(ctx context.Context) error {
	if w.platform == nil {
		return nil
	}
	patience, cancel := context.WithTimeout(ctx, platformWait)
	defer cancel()
	if err := w.platform.Hears(patience); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the stand-in platform has no session with %s after %s: are its user name and password right?", w.brokerURL, platformWait)
	}
	return nil
}

// settleEvery is how often the devices are asked whether they are done.
const settleEvery = 250 * time.Millisecond

// play lets the devices arrive and live until they are settled or time is up,
// and ends them. ctx is the user's, run is the devices'; broken gives why the
// platform stopped.
func (w *world) play(ctx, run context.Context, broken <-chan error, peak *peak) error {
	devicesCtx, end := context.WithCancel(run)
	defer end()
	w.ctx = devicesCtx
	w.recorder.start()
	devices := w.arriveAll(devicesCtx)
	failure := w.watch(ctx, devices, broken, peak)
	devices.stopArriving()
	w.judgeTruth(devices.all())
	w.recorder.end()
	w.endLives(devices.all())
	end()
	w.endLives(devices.all()) // those that were about to start again
	w.tasks.Wait()
	return failure
}

// watch waits until the devices are settled, time is up, or ctx ends. An error
// says that the platform stopped.
func (w *world) watch(ctx context.Context, devices *crowd, broken <-chan error, peak *peak) error {
	deadline := time.NewTimer(w.scenario.Duration)
	defer deadline.Stop()
	look := time.NewTicker(settleEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-deadline.C:
			return nil
		case err := <-broken:
			return errors.Join(errors.New("the stand-in platform stopped"), err)
		case <-look.C:
			peak.look()
			if devices.settled(w) {
				return nil
			}
		}
	}
}

// judgeTruth holds what the devices run against what the platform believes.
func (w *world) judgeTruth(devices []*device) {
	for _, d := range devices {
		d.checkTruth()
	}
}

// endTogether is how many devices lose their power at one moment: all at once
// would take more memory than the run did.
const endTogether = 256

// endLives takes the power from every device that has it.
func (w *world) endLives(devices []*device) {
	for some := range slices.Chunk(devices, endTogether) {
		var lives []*life
		for _, d := range some {
			if l := d.takeLife(); l != nil {
				l.stop(link.ErrAbrupt)
				lives = append(lives, l)
			}
		}
		for _, l := range lives {
			l.tasks.Wait()
		}
	}
}
