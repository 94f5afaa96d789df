package otlp

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"otafleet/internal/exposition"
)

// lastWithin is how long the last push may take.
const lastWithin = 5 * time.Second

// Program says whose figures are pushed.
type Program struct {
	Name, Version string                // service.name unless the environment has one
	Fill          func(exposition.Sink) // gives the figures of now
	// Say is called once, when a push has failed, with a text that may come from elsewhere.
	Say func(text string)
}

// Pusher pushes figures until Stop.
type Pusher struct {
	program  Program
	settings *settings
	exporter metric.Exporter
	resource *resource.Resource
	began    time.Time
	cancel   context.CancelFunc
	done     sync.WaitGroup
	failed   bool // a push; after that none is spoken of
}

// New starts to push as the environment says; nil if it names no endpoint. The error says
// which variable is wrong.
func New(p Program) (*Pusher, error) {
	s, err := readSettings(os.Getenv)
	if s == nil || err != nil {
		return nil, err
	}
	// Pushing never holds the program up, so neither does beginning to.
	ctx, cancel := context.WithCancel(context.Background())
	pusher := &Pusher{program: p, settings: s, began: time.Now(), cancel: cancel}
	if pusher.resource, err = resourceOf(ctx, &p); err == nil {
		pusher.exporter, err = exporter(ctx, s)
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("cannot push metrics: %s", s.hide(err.Error()))
	}
	pusher.done.Go(func() { pusher.loop(ctx) })
	return pusher, nil
}

// exporter is the SDK's.
func exporter(ctx context.Context, s *settings) (metric.Exporter, error) {
	if s.grpc {
		return otlpmetricgrpc.New(ctx)
	}
	return otlpmetrichttp.New(ctx)
}

// resourceOf says whose figures they are. Each process is an instance of its own, or
// the figures of several shards would be taken for one's.
func resourceOf(ctx context.Context, p *Program) (*resource.Resource, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", p.Name), attribute.String("service.version", p.Version),
		attribute.String("service.instance.id", fmt.Sprintf("%s-%d", host, os.Getpid()))), resource.WithFromEnv())
}

// loop pushes every so often.
func (p *Pusher) loop(ctx context.Context) {
	tick := time.NewTicker(p.settings.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			within, cancel := context.WithTimeout(ctx, p.settings.timeout)
			err := p.push(within)
			cancel()
			if ctx.Err() == nil {
				p.say(err)
			}
		}
	}
}

// push sends the figures of now.
func (p *Pusher) push(ctx context.Context) error {
	b := &batch{began: p.began, now: time.Now()}
	p.program.Fill(b)
	return p.exporter.Export(ctx, &metricdata.ResourceMetrics{Resource: p.resource,
		ScopeMetrics: []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: p.program.Name,
			Version: p.program.Version}, Metrics: b.data()}}})
}

// longestReason is how much of an error is said, in bytes.
const longestReason = 300

// say says the first failure.
func (p *Pusher) say(err error) {
	if err == nil || p.failed {
		return
	}
	p.failed = true
	reason := p.settings.hide(err.Error())
	if len(reason) > longestReason {
		reason = strings.ToValidUTF8(reason[:longestReason], "") + "…"
	}
	p.program.Say(fmt.Sprintf("metrics do not reach %s, and the run goes on without: %s", p.settings.endpoint.Host,
		reason))
}

// Stop pushes once more, and ends. It takes five seconds at most. A Pusher of nil has
// nothing to stop.
func (p *Pusher) Stop() {
	if p == nil {
		return
	}
	p.cancel()
	p.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), lastWithin)
	defer cancel()
	p.say(p.push(ctx))
	_ = p.exporter.Shutdown(ctx) // everything has been sent, or said
}
