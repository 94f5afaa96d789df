package download

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"otafleet/agent"
	"otafleet/internal/ota"
)

const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// evidence is how many requests in a row must have failed before all
	// mirrors are said to have failed: one is not evidence, even of one mirror.
	evidence = 2
)

// download is one Fetch.
type download struct {
	fetcher *Fetcher
	job     agent.FetchJob
	log     *slog.Logger
	loan    map[ota.Digest]*entry // of a cache, by the files' digests; nil for none
	targets []*target
	buf     []byte // holds a chunk of the largest target
	store   *store // opened by the first s3 address

	started     bool
	done, total int64    // bytes over all targets
	fruitless   int      // requests in a row without a new chunk, with those before this call
	failures    int      // those of this call that ended otherwise than with a gone address
	last        *refusal // why the last request without a new chunk brought none
}

// outcome is what became of one request.
type outcome struct {
	gained  int          // chunks verified and in place
	spoilt  int          // chunks with a wrong hash
	refused *refusal     // why it brought less than was asked for; nil if it did not
	broken  *ota.Failure // what is wrong with the place
}

// run downloads all files, one after the other.
func (d *download) run(ctx context.Context) (ota.AddressReason, error) {
	var err error
	if d.targets, err = newTargets(d.job.Files, d.job.Places); err != nil {
		return "", err
	}
	if err := d.fetcher.enter(ctx); err != nil {
		return "", err
	}
	defer d.fetcher.leave()
	buf := d.fetcher.buffer(largestChunk(d.targets))
	defer d.fetcher.buffers.Put(buf)
	d.buf = *buf

	for _, t := range d.targets {
		if err := t.scan(ctx, d.buf); err != nil {
			return "", err
		}
		if err := t.reuse(ctx, d.buf); err != nil {
			return "", err
		}
		d.done += t.have
		d.total += t.file.Size
	}
	d.progress()
	for _, t := range d.targets {
		if need, err := d.fetch(ctx, t); need != "" || err != nil {
			return need, err
		}
	}
	return "", nil
}

// fetch brings one file, request by request.
func (d *download) fetch(ctx context.Context, t *target) (ota.AddressReason, error) {
	if err := d.share(ctx, t); err != nil {
		return "", err
	}
	as := findAddresses(d.job.Addresses, t.file.Name, d.fetcher.config.Storage != nil)
	for t.left > 0 {
		from := as.next(d.fetcher.config.Now())
		if from == nil {
			return d.noneLeft(as)
		}
		if err := d.pause(ctx); err != nil {
			return "", err
		}
		o := d.request(ctx, t, from)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case o.broken != nil:
			return "", o.broken
		}
		d.count(as, from, o)
		if err := d.exhausted(); err != nil {
			return "", err
		}
		if !d.job.Renewed && d.failures >= evidence && as.allFailed() {
			return ota.AddressMirrors, nil
		}
	}
	return "", t.finish(ctx, d.buf)
}

// share takes from a cache what it has of a file, and lets it have what comes.
func (d *download) share(ctx context.Context, t *target) error {
	e := d.loan[t.file.SHA256]
	if e == nil || e.file == nil || t.left == 0 {
		return nil
	}
	t.shared = e
	return t.trade(ctx, d.buf, func(n int64) {
		d.done += n
		d.progress()
	})
}

// request asks one address for the next run of missing chunks.
func (d *download) request(ctx context.Context, t *target, from *address) outcome {
	stall := d.fetcher.config.StallTimeout
	ctx, watch := newWatch(ctx, stall)
	defer watch.end()
	s := &stream{watch: watch, limit: d.fetcher.limit, target: t, buf: d.buf, arrived: func(n int64) {
		d.done += n
		d.progress()
	}}
	err := d.receive(ctx, s, from)
	o := outcome{gained: s.gained, spoilt: s.spoilt}
	if err != nil && !errors.As(err, &o.broken) {
		o.refused = explain(ctx, err, stall)
	}
	return o
}

// receive opens, judges and reads one answer.
func (d *download) receive(ctx context.Context, s *stream, from *address) error {
	t := s.target
	first, end := t.run()
	begin, _ := t.file.ChunkAt(first)
	last, length := t.file.ChunkAt(end - 1)
	q := ask{first: begin, last: last + length - 1, size: t.file.Size, etag: from.etag}
	a, err := d.open(ctx, from, q)
	if err != nil {
		return err
	}
	defer a.body.Close()
	start, whole, err := a.judge(from, q)
	if err != nil {
		return err
	}
	if whole {
		end = t.lastLeft() // it comes anyway
	}
	s.body = a.body
	s.watch.restart()
	return s.read(ctx, start, first, end)
}

// open sends the request.
func (d *download) open(ctx context.Context, from *address, q ask) (*answer, error) {
	if from.url != nil {
		d.start()
		return d.fetcher.openHTTP(ctx, from.url, q)
	}
	if d.store == nil {
		store, err := openStore(d.fetcher.config.Storage, d.fetcher.transport, d.fetcher.config.UserAgent)
		if err != nil {
			return nil, &refusal{Failure: ota.Failure{Code: ota.StorageUnavailable, Detail: err.Error()}, gone: true}
		}
		d.store = store
	}
	d.start()
	return d.store.open(ctx, from.bucket, from.key, q)
}

// count keeps the score after a request and decides where to turn next: an
// address that delivers right chunks is asked again.
func (d *download) count(as *addresses, from *address, o outcome) {
	as.asked = true
	if o.refused != nil {
		d.log.Info("a request was cut short", "step", "download", "address", from.name,
			"chunks", o.gained, "code", o.refused.Code, "reason", o.refused.Detail)
		if o.refused.gone {
			from.gone = errors.New(o.refused.Detail)
		}
	}
	if o.gained == 0 || o.spoilt > 0 {
		as.turn()
	}
	if o.gained > 0 {
		d.fruitless, d.failures = 0, 0
		as.progressed()
		return
	}
	from.failed = true
	d.fruitless++
	if from.gone == nil {
		d.failures++
	}
	d.last = o.refused
	d.last.Detail = from.name + ": " + d.last.Detail
}

// exhausted fails the download when the requests without a new chunk have
// reached the limit.
func (d *download) exhausted() error {
	if d.fruitless < d.fetcher.config.Attempts {
		return nil
	}
	return &ota.Failure{Code: d.last.Code,
		Detail: fmt.Sprintf("%d requests in a row brought no new chunk, the last one: %s", d.fruitless, d.last.Detail)}
}

// noneLeft asks for other addresses. Where these were so useless that not even
// a request could be made, that counts as one, or a device whose clock is wrong
// would ask for ever.
func (d *download) noneLeft(as *addresses) (ota.AddressReason, error) {
	why := as.whyNone()
	d.log.Info("no address is left", "step", "download", "reason", why)
	if as.asked {
		return ota.AddressExpired, nil
	}
	d.fruitless++
	d.last = refusef(ota.URLExpired, "no address is left: %s", why)
	if err := d.exhausted(); err != nil {
		return "", err
	}
	return ota.AddressExpired, nil
}

// pause backs off after requests that failed: exponential with full jitter.
// Nothing is gained by waiting after an address that is gone.
func (d *download) pause(ctx context.Context) error {
	if d.failures == 0 {
		return ctx.Err()
	}
	limit := min(firstPause<<min(d.failures-1, 16), longestPause)
	timer := time.NewTimer(d.fetcher.config.Jitter(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start tells the caller that the first byte is asked for.
func (d *download) start() {
	if !d.started && d.job.Started != nil {
		d.job.Started()
	}
	d.started = true
}

// progress tells the caller how far the download is.
func (d *download) progress() {
	if d.job.Progress != nil {
		d.job.Progress(d.done, d.total)
	}
}
