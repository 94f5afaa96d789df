package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"otafleet/agent"
	"otafleet/agent/control"
	"otafleet/agent/eventlog"
	"otafleet/agent/journal"
	"otafleet/agent/link"
	"otafleet/cmd/ota-agent/config"
	"otafleet/internal/cli"
)

// defaultConfig is where the configuration lies unless a flag says otherwise.
const defaultConfig = "/etc/ota-agent/agent.yaml"

func runVerb() cli.Verb {
	return cli.Verb{
		Name:    "run",
		Summary: "run the agent",
		Help: `Connects to the platform and upgrades this device until it is stopped. Logs go
to standard error. SIGTERM or SIGINT stops it at any moment; an upgrade that was
under way goes on at the next start.

Examples:
  ota-agent run --config /etc/ota-agent/agent.yaml
  ota-agent validate --config agent.yaml && ota-agent run --config agent.yaml`,
		Flags: func(flags *pflag.FlagSet) cli.Action {
			path := flags.String("config", defaultConfig, "the configuration `FILE`")
			address := flags.String("metrics", "", "serve figures to Prometheus at `ADDR`: [host]:port, of this machine alone unless a host is given")
			return func(ctx context.Context, streams cli.Streams, args []string) error {
				if err := cli.NoArgs(args); err != nil {
					return err
				}
				cfg, err := load(*path)
				if err != nil {
					return err
				}
				figures, err := listenMetrics(*address)
				if err != nil {
					return err
				}
				return run(ctx, cfg, figures, newLogger(streams, cfg.Log))
			}
		},
	}
}

func newLogger(streams cli.Streams, l config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.Level}
	if l.Format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(streams.Err, options))
	}
	return slog.New(slog.NewTextHandler(streams.Err, options))
}

// errRestart ends the program in order to begin it again.
var errRestart = errors.New("the agent restarts")

// run serves the device until ctx ends, and begins the program again if an
// upgrade asked for it.
func run(ctx context.Context, cfg *config.Config, figures *metrics, log *slog.Logger) error {
	defer figures.close()
	self, err := ownFile()
	if err != nil {
		return err
	}
	broken, err := takeUnstartable()
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings {
		log.Warn(warning)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	d, err := newDevice(cfg, log, func() { end(errRestart) }, broken)
	if err != nil {
		return err
	}
	d.metrics = figures
	saveMemory()
	failure := d.serve(ctx, end)
	d.events.Record(agent.Event{Time: time.Now(), Kind: agent.EventStopped})
	if err := errors.Join(d.events.Close(), d.journal.Close()); err != nil {
		log.Warn("cannot close the state", "error", err)
	}
	figures.close() // the port is free for the program that begins again
	if errors.Is(context.Cause(ctx), errRestart) {
		return restartProcess(self)
	}
	return failure
}

// device is the running agent and its parts.
type device struct {
	config  *config.Config
	log     *slog.Logger
	journal *journal.Journal
	runner  *agent.Runner
	link    *link.Link
	sensors *sensors
	events  *eventlog.Log
	metrics *metrics // nil without --metrics
	started time.Time
	bootID  string
}

// serve runs the parts until ctx ends, or until one fails and ends it.
func (d *device) serve(ctx context.Context, end context.CancelCauseFunc) error {
	opened := make(chan struct{})
	server := control.Server{Path: d.config.ControlSocket, Agent: d, Records: d, Packages: d, Logger: d.log, Opened: func() { close(opened) }}
	var parts, tasks sync.WaitGroup
	d.runner.Start(ctx, &tasks, d.bootID)
	serve := func(name string, run func(context.Context) error) {
		parts.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				end(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	serve("control socket", server.Run)
	serve("link", d.link.Run)
	serve("sensors", d.watch)
	if d.metrics != nil {
		serve("metrics", func(ctx context.Context) error { return d.metrics.serve(ctx, d) })
	}
	serve("service manager", func(ctx context.Context) error { return d.notify(ctx, newServiceManager(os.Getenv), opened) })
	d.log.Info("agent started", "version", version, "device", d.config.Device, "product", d.config.Product,
		"brokers", brokerNames(d.config), "state_dir", d.config.StateDir)
	<-ctx.Done()
	parts.Wait()
	d.runner.Stop()
	tasks.Wait()
	d.log.Info("agent stopped")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, errRestart) {
		return cause
	}
	return nil
}

func brokerNames(cfg *config.Config) string {
	names := make([]string, len(cfg.Broker.URLs))
	for i, u := range cfg.Broker.URLs {
		names[i] = u.Redacted()
	}
	return strings.Join(names, " ")
}

// watchEvery is how often the sensors are looked at between plans.
const watchEvery = 30 * time.Second

// watch tells the machine of new readings.
func (d *device) watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.runner.Post(agent.Measured{Readings: d.sensors.Read(ctx)})
		}
	}
}

// Status answers the control socket.
func (d *device) Status(context.Context) (control.Status, error) {
	s := control.NewStatus(d.runner.View())
	s.Agent = "ota-agent/" + version
	s.Uptime = int64(time.Since(d.started) / time.Second)
	if since := d.link.Health().Since; !since.IsZero() {
		s.Since = &since
	}
	health := d.journal.Health()
	s.Journal.Saves = health.Saves
	if health.Worn != nil {
		s.Journal.Worn = health.Worn.Error()
	}
	return s, nil
}

// View is what the device does, for the control socket.
func (d *device) View() agent.View { return d.runner.View() }

// Events gives the lines of the event log.
func (d *device) Events() ([]json.RawMessage, error) {
	lines, err := d.events.Read()
	if err != nil {
		return nil, err
	}
	events := make([]json.RawMessage, len(lines))
	for i := range lines {
		if events[i], err = json.Marshal(lines[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// Post passes an operator's input on.
func (d *device) Post(in agent.Input) { d.runner.Post(in) }
