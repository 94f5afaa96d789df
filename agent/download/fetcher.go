package download

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"golang.org/x/time/rate"

	"otafleet/agent"
	"otafleet/internal/ota"
	"otafleet/internal/transport"
)

// Fetcher downloads packages. It implements agent.Fetcher and may be used by
// any number of goroutines.
type Fetcher struct {
	// Immutable.
	config    Config
	guard     *guard
	transport http.RoundTripper
	client    *http.Client
	limit     *rate.Limiter // nil for none
	slots     chan struct{} // one for each download that may run
	buffers   chan []byte   // of the downloads that have ended, while there are others
}

var _ agent.Fetcher = (*Fetcher)(nil)

// New makes a Fetcher. It fails with every problem of the configuration.
func New(config Config) (*Fetcher, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("cannot set up downloads: %w", err)
	}
	config = config.withDefaults()
	f := &Fetcher{config: config, transport: config.Transport, slots: make(chan struct{}, config.Parallel),
		buffers: make(chan []byte, config.Parallel)}
	f.guard = newGuard(&config)
	if f.transport == nil {
		f.transport = transport.New(config.TLS, func(t *tls.Config) *http.Transport {
			return newTransport(f.guard, config.StallTimeout, t)
		})
	}
	if config.Authorize != nil {
		f.transport = authorized{f.transport, config.Authorize}
	}
	f.client = &http.Client{Transport: f.transport, CheckRedirect: f.guard.checkRedirect}
	if config.RateLimit > 0 {
		// A tenth of a second at once, so that the rate is even and no read is tiny.
		const smallest, largest = 512, 32 << 10
		burst := min(max(config.RateLimit/10, smallest), largest)
		f.limit = rate.NewLimiter(rate.Limit(config.RateLimit), int(burst))
	}
	return f, nil
}

// Fetch downloads every file of the job into its place, or copies it from the
// package file that the job names. On success every chunk
// is verified and durable; a file without chunks is so as a whole. When ctx ends first, the result is a Failure with
// code internal; its caller has cancelled it and ignores it.
func (f *Fetcher) Fetch(ctx context.Context, job agent.FetchJob) agent.FetchResult {
	return f.fetch(ctx, job, nil)
}

// fetch is Fetch with the entries of a cache, by digest; nil for none.
func (f *Fetcher) fetch(ctx context.Context, job agent.FetchJob, loan map[ota.Digest]*entry) agent.FetchResult {
	d := &download{fetcher: f, job: job, loan: loan, log: f.config.Log}
	if job.Claimed() {
		found, need, err := d.runClaimed(ctx)
		return agent.FetchResult{Found: found, Need: need, Failure: agent.AsFailure(err, ota.Internal), Gained: d.gained,
			Setbacks: d.setbacks()}
	}
	if job.Local != "" {
		return agent.FetchResult{Failure: agent.AsFailure(d.copy(ctx), ota.Internal)}
	}
	need, err := d.run(ctx)
	if need == "" && err == nil {
		return agent.FetchResult{}
	}
	return agent.FetchResult{Need: need, Failure: agent.AsFailure(err, ota.Internal), Gained: d.gained,
		Setbacks: d.setbacks()}
}

// Close drops idle connections. The Fetcher can still be used.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// enter waits for a slot.
func (f *Fetcher) enter(ctx context.Context) error {
	select {
	case f.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave gives the slot back. The last one to leave drops buffers and idle connections:
// the next download is hours or weeks away. With a transport that others share, more
// downloads are.
func (f *Fetcher) leave() {
	<-f.slots
	if len(f.slots) > 0 || f.config.Transport != nil {
		return
	}
	f.client.CloseIdleConnections()
	for {
		select {
		case <-f.buffers:
		default:
			return
		}
	}
}

// buffer takes a buffer of size bytes out of those that were used.
func (f *Fetcher) buffer(size int) []byte {
	select {
	case b := <-f.buffers:
		if cap(b) >= size {
			return b[:size]
		}
	default:
	}
	return make([]byte, size)
}

// giveBack keeps a buffer for the next download.
func (f *Fetcher) giveBack(b []byte) {
	select {
	case f.buffers <- b:
	default:
	}
}
