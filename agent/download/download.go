package download

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"otafleet/agent"
	"otafleet/agent/download/policy"
	"otafleet/firmware"
	"otafleet/internal/ota"
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

	began       time.Time
	course      *policy.Course
	started     bool
	gained      bool   // a new chunk has come
	last        string // why the last request brought too little; empty if it did not
	asked       int    // the address of the last request
	done, total int64  // bytes over all targets
}

// outcome is what became of one request.
type outcome struct {
	policy.Answer
	slow    bool         // it brought too little
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
	defer d.fetcher.giveBack(buf)
	d.buf = buf

	d.begin()
	for _, t := range d.targets {
		t.trust(d.fetcher.config.Known)
		if err := d.look(ctx, t); err != nil {
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

// begin starts the score.
func (d *download) begin() {
	d.began = time.Now()
	c := &d.fetcher.config
	d.course = policy.New(policy.Rules{Attempts: c.Attempts, Patience: c.Patience, Deadline: c.Deadline}, d.job.Setbacks)
}

// look finds the chunks that need not be fetched. What an earlier call has found
// is not read again at once: an address may expire meanwhile, again and again.
func (d *download) look(ctx context.Context, t *target) error {
	if before, is := d.job.Setbacks.Held.(held); is && t.recall(before) {
		return nil
	}
	if err := t.scan(ctx, d.buf); err != nil {
		return err
	}
	return t.reuse(ctx, d.buf)
}

// fetch brings one file, and checks it as a whole.
func (d *download) fetch(ctx context.Context, t *target) (ota.AddressReason, error) {
	if err := d.share(ctx, t); err != nil {
		return "", err
	}
	as := d.addresses(t.file)
	left := func() bool { return t.chunks.Left() > 0 }
	receive := func(ctx context.Context, s *stream, from *address) error {
		s.target = t
		return d.receive(ctx, s, from)
	}
	for {
		if need, err := d.bring(ctx, as, left, receive); need != "" || err != nil {
			return need, err
		}
		err := t.finish(ctx, d.buf)
		if err == nil || !t.recalled {
			d.course.Whole()
			return "", err
		}
		// The place is not as it was: what it holds is read after all.
		d.done -= t.have
		t.forget()
		if err := t.scan(ctx, d.buf); err != nil {
			return "", err
		}
		d.done += t.have
	}
}

// addresses are those of a file, of which the useless ones are not asked.
func (d *download) addresses(file *ota.File) *addresses {
	as := findAddresses(d.job.Addresses, file.Name, d.fetcher)
	d.course.File(len(as.list))
	for i, a := range as.list {
		if a.gone != nil {
			d.course.Drop(i)
		}
	}
	return as
}

// receiver asks an address for what is missing of a file, and reads the answer.
type receiver func(ctx context.Context, s *stream, from *address) error

// bring fetches what is left of a file, request by request.
func (d *download) bring(ctx context.Context, as *addresses, left func() bool, receive receiver) (ota.AddressReason,
	error) {
	for left() {
		i, wait := d.course.Next(time.Since(d.began), d.fetcher.config.Jitter)
		if i < 0 {
			why := as.whyNone()
			d.log.Info("no address is left", "step", "download", "reason", why.Detail)
			return d.decided(d.course.NoneLeft(why))
		}
		if d.job.Delayed != nil && wait > 0 && d.last != "" {
			d.job.Delayed(d.last, wait)
		}
		if err := firmware.Pause(ctx, wait); err != nil {
			return "", err
		}
		o := d.request(ctx, as.list[i], d.course.Better(i), receive)
		d.asked = i
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case o.broken != nil:
			return "", o.broken
		}
		if v := d.judge(as, i, o); v.Ends() && left() {
			return d.decided(v)
		}
	}
	return "", nil
}

// decided is a verdict as the end of a download.
func (d *download) decided(v policy.Verdict) (ota.AddressReason, error) {
	if v.Failure != nil {
		return "", v.Failure
	}
	return v.Need, nil
}

// setbacks is what the next call goes on with.
func (d *download) setbacks() agent.Setbacks {
	if d.course == nil {
		return d.job.Setbacks
	}
	s := d.course.Setbacks()
	s.Held = remember(d.targets)
	return s
}

// share takes from a cache what it has of a file, and lets it have what comes.
func (d *download) share(ctx context.Context, t *target) error {
	e := d.loan[t.file.SHA256]
	if e == nil || e.file == nil || t.chunks.Left() == 0 {
		return nil
	}
	t.shared = e
	return t.trade(ctx, d.buf, d.arrived)
}

// request asks one address. Where there is a better one to turn to, it must not be
// slow.
func (d *download) request(ctx context.Context, from *address, better bool, receive receiver) outcome {
	config := &d.fetcher.config
	least := int64(slowestRate)
	if better {
		least = max(least, config.LowestRate)
	}
	ctx, cancel := context.WithTimeout(ctx, d.course.Left())
	defer cancel()
	ctx, watch := newWatch(ctx, config.StallTimeout, least)
	defer watch.end()
	s := &stream{watch: watch, limit: d.fetcher.limit, buf: d.buf, arrived: d.arrived}
	err := receive(ctx, s, from)
	o := outcome{Answer: s.answer}
	if err != nil && !errors.As(err, &o.broken) {
		o.slow = errors.Is(context.Cause(ctx), errStalled)
		o.refused = explain(err, o.slow, config.StallTimeout)
	}
	return o
}

// receive asks for the next run of missing chunks, judges and reads the answer.
func (d *download) receive(ctx context.Context, s *stream, from *address) error {
	t := s.target
	first, end := t.chunks.Run()
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
		end = t.chunks.End() // it comes anyway
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
			return nil, &refusal{Failure: ota.Failure{Code: ota.StorageUnavailable, Detail: err.Error()}, kind: policy.Gone}
		}
		d.store = store
	}
	d.start()
	return d.store.open(ctx, from.bucket, from.key, q)
}

// judge keeps the score after a request and says how to go on.
func (d *download) judge(as *addresses, i int, o outcome) policy.Verdict {
	from := as.list[i]
	d.gained = d.gained || o.Gained > 0
	d.last = ""
	r := policy.Result{Gained: o.Gained > 0, Spoilt: o.Spoilt > 0, Slow: o.slow, Offline: d.job.Online != nil &&
		!d.job.Online()}
	if o.refused != nil {
		as.nameTheClock(o.refused, d.fetcher.config.Now())
		d.log.Info("a request was cut short", "step", "download", "address", from.name,
			"chunks", o.Gained, "code", o.refused.Code, "reason", o.refused.Detail)
		if o.refused.kind == policy.Gone {
			from.gone = &o.refused.Failure
		}
		r.Kind, r.RetryAfter = o.refused.kind, o.refused.retryAfter
		d.last = from.name + ": " + o.refused.Detail
		r.Failure = &ota.Failure{Code: o.refused.Code, Detail: d.last}
	}
	return d.course.Judge(time.Since(d.began), i, r)
}

// start tells the caller that the first byte is asked for.
func (d *download) start() {
	if !d.started && d.job.Started != nil {
		d.job.Started()
	}
	d.started = true
}

// arrived counts the bytes of a chunk that is now in place.
func (d *download) arrived(n int64) {
	d.done += n
	d.progress()
}

// progress tells the caller how far the download is.
func (d *download) progress() {
	if d.job.Progress != nil {
		d.job.Progress(d.done, d.total)
	}
}
