package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"otafleet/agent"
	"otafleet/agent/control"
	"otafleet/agent/host"
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
			address := flags.String("metrics", "",
				"serve figures to Prometheus at `ADDR`: [host]:port, of this machine alone unless a host is given")
			return func(ctx context.Context, streams cli.Streams, args []string) error {
				if err := cli.NoArgs(args); err != nil {
					return err
				}
				// A reader of the log that ends must not end the agent: it works on
				// without its log.
				signal.Ignore(syscall.SIGPIPE)
				var cfg *config.Config
				read := func() (err error) {
					cfg, err = load(*path, config.LoadToRun)
					return err
				}
				err := read()
				if err != nil { // what can be read of it is looked for only then
					log := newLogger(streams, config.Log{Format: config.LogText})
					err = newRescue(*path, config.StateDir(*path), config.SystemOf(*path), log).retry(ctx, read)
				}
				if err != nil {
					return err
				}
				figures, err := listenMetrics(*address)
				if err != nil {
					return err
				}
				return run(ctx, *path, cfg, figures, newLogger(streams, cfg.Log))
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
func run(ctx context.Context, path string, cfg *config.Config, figures *metrics, log *slog.Logger) error {
	defer figures.close()
	self, err := host.OwnFile()
	if err != nil {
		return err
	}
	trouble, err := host.TakeStartTrouble()
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings {
		log.Warn(warning)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var d *device
	trial := newRescue(path, cfg.StateDir, cfg.System, log)
	err = patiently(ctx, log, func() error {
		return trial.retry(ctx, func() (err error) {
			d, err = newDevice(cfg, log, func() { end(errRestart) }, trouble)
			return err
		})
	})
	if err != nil || d == nil {
		return err
	}
	trial.forget()
	d.metrics = figures
	saveMemory()
	failure := d.serve(ctx, end)
	d.events.Record(agent.Event{Time: time.Now(), Kind: agent.EventStopped})
	if err := d.close(); err != nil {
		log.Warn("cannot close the state", "error", err)
	}
	figures.close() // the port is free for the program that begins again
	if errors.Is(context.Cause(ctx), errRestart) {
		return host.RestartProcess(self)
	}
	return failure
}

// device is the running agent and its parts.
type device struct {
	unit
	config  *config.Config
	link    link.Session
	subs    *subDevices
	metrics *metrics // nil without --metrics
	started time.Time
	bootID  string
}

// serve runs the parts until ctx ends, or until one fails and ends it.
func (d *device) serve(ctx context.Context, end context.CancelCauseFunc) error {
	opened := make(chan struct{})
	server := control.Server{Path: d.config.ControlSocket, Agent: d, Records: d, Packages: d, SubDevice: d.subs.find,
		Logger: d.log,
		Opened: func() { close(opened) }}
	var parts, tasks sync.WaitGroup
	d.runner.Start(ctx, &tasks, d.bootID)
	d.subs.members.Start(ctx, &tasks, d.bootID)
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
	serve("sensors of sub-devices", func(ctx context.Context) error {
		return repeat(ctx, func() { d.subs.members.Measure(ctx) })
	})
	if d.metrics != nil {
		serve("metrics", func(ctx context.Context) error { return d.metrics.serve(ctx, d) })
	}
	serve("service manager", func(ctx context.Context) error {
		waiting := func() string { return d.runner.View().Waiting }
		return host.NewServiceManager(os.Getenv).Watch(ctx,
			host.Service{Opened: opened, Answers: d.runner.Answers, Waiting: waiting, Logger: d.log})
	})
	platform, where := platformName(d.config)
	d.log.Info("agent started", "version", version, "device", d.config.Device, "product", d.config.Product,
		platform, where, "state_dir", d.config.StateDir, "sub_devices", len(d.subs.all))
	<-ctx.Done()
	parts.Wait()
	d.runner.Stop()
	d.subs.stop()
	tasks.Wait()
	d.log.Info("agent stopped")
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, errRestart) {
		return cause
	}
	return nil
}

// watchEvery is how often the sensors are looked at between plans.
const watchEvery = 30 * time.Second

// repeat does something every watchEvery, until ctx ends.
func repeat(ctx context.Context, do func()) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			do()
		}
	}
}

// watch tells the machine of new readings.
func (d *device) watch(ctx context.Context) error {
	return repeat(ctx, func() { d.runner.Post(agent.Measured{Readings: d.sensors.Read(ctx)}) })
}

// Status answers the control socket.
func (d *device) Status(ctx context.Context) (control.Status, error) {
	s := d.status()
	d.addSession(&s)
	var err error
	s.SubDevices, err = d.subs.statuses(ctx)
	return s, err
}

// addSession adds what is the same of all devices on the session.
func (d *device) addSession(s *control.Status) {
	s.Agent, s.Uptime = agentName(), int64(time.Since(d.started)/time.Second)
	if since := d.link.Health().Since; s.Connected && !since.IsZero() {
		s.Since = &since
	}
}

// Post passes an operator's input on. Who pauses a gateway wants nothing to begin
// behind it either.
func (d *device) Post(in agent.Input) {
	d.runner.Post(in)
	switch in.(type) {
	case agent.PauseRequested, agent.ResumeRequested:
		d.subs.members.Post(in)
	}
}
