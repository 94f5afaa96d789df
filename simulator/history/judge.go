package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"otafleet/simulator/verdict"
)

// Judge judges a recorded run, or a shard of one, again. A record without an end
// is judged as far as it goes, and the verdict does not hold.
func Judge(ctx context.Context, r *Record) (*verdict.Verdict, error) {
	v, err := judge(ctx, []*Record{r})
	if err != nil {
		return nil, err
	}
	v.Part = r.Part()
	return v, nil
}

// Part says which devices of the scenario the record is about; empty for all.
func (r *Record) Part() string { return r.selected.String() }

// judge judges records of one run as one. Several of them are complete.
func judge(ctx context.Context, records []*Record) (*verdict.Verdict, error) {
	f, err := figuresOf(ctx, records)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if err := r.AddLogs(ctx, f); err != nil {
			return nil, err
		}
	}
	first := records[0]
	v := verdict.New(first.Scenario, first.Info.Seed, first.Info.World, f)
	v.Text, v.Source, v.Record = string(first.Info.Text), first.Info.Source, first.Dir
	v.Program, v.Started = first.Info.Program, first.Info.Started
	if first.End != nil {
		v.Resources, f.Refused = first.End.Resources, slices.Clone(first.End.Refused)
	}
	for _, r := range records[1:] { // several are complete
		addEnd(v, r.End)
	}
	v.Starts = startsOf(records)
	if !first.Complete() {
		first.cutShort(v)
	}
	return v, nil
}

// figuresOf sums the records up, as many at once as there are processors.
func figuresOf(ctx context.Context, records []*Record) (*verdict.Figures, error) {
	all, failures := make([]*verdict.Figures, len(records)), make([]error, len(records))
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var judging sync.WaitGroup
	for i, r := range records {
		free <- struct{}{}
		judging.Go(func() {
			all[i], failures[i] = r.figures(ctx)
			<-free
		})
	}
	judging.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	sum := all[0]
	for _, f := range all[1:] {
		sum.Merge(f)
	}
	return sum, nil
}

// addEnd adds how another process's part of the run ended.
func addEnd(v *verdict.Verdict, end *End) {
	for _, order := range end.Refused {
		if !slices.Contains(v.Figures.Refused, order) { // in virtual time every shard is refused the same
			v.Figures.Refused = append(v.Figures.Refused, order)
		}
	}
	to, r := &v.Resources, &end.Resources
	to.PeakMemory += r.PeakMemory
	to.Sockets += r.Sockets
	to.CPU += r.CPU
	to.Processes = max(1, to.Processes) + max(1, r.Processes)
	to.Wall = max(to.Wall, r.Wall)
	to.CPUs = max(to.CPUs, r.CPUs)
	to.System = cmp.Or(to.System, r.System)
}

// startsOf says how far records of the real world began apart.
func startsOf(records []*Record) (s verdict.Starts) {
	if len(records) < 2 || records[0].Info.World != "real" {
		return s
	}
	s.Compared = true
	var first, last time.Time
	for i, r := range records {
		start := &r.Info.Start
		if start.Began.IsZero() {
			return verdict.Starts{} // it was recorded by a program that does not say
		}
		began := start.Began.Add(-start.Offset)
		if i == 0 || began.Before(first) {
			first = began
		}
		if i == 0 || began.After(last) {
			last = began
		}
		s.Compared = s.Compared && start.Compared
		s.Within = max(s.Within, 2*start.Within) // either of the two may be wrong
	}
	s.Processes, s.Apart = len(records), last.Sub(first)
	return s
}

// Complete reports whether the recorded run came to its end and every event of it
// could be written.
func (r *Record) Complete() bool { return r.End != nil && !r.End.Interrupted }

// Lack says what keeps the record from being complete, as what the record does or is;
// empty if it is complete.
func (r *Record) Lack() string {
	switch {
	case r.document.Incomplete != "":
		return "is incomplete: " + r.document.Incomplete
	case r.End == nil:
		return "has no end: its program was killed, or still runs"
	case r.End.Interrupted:
		return "was interrupted"
	}
	return ""
}

// cutShort says that the recorded run did not come to its end.
func (r *Record) cutShort(v *verdict.Verdict) {
	switch {
	case r.document.Incomplete != "":
		v.LoseHistory(errors.New(r.document.Incomplete))
	case r.End == nil:
		v.Break()
	default:
		v.Interrupt()
	}
}

// figures sums the record up, without logs.
func (r *Record) figures(ctx context.Context) (*verdict.Figures, error) {
	j := verdict.NewJudge(r.Scenario, verdict.WithoutLogs)
	err := r.each(ctx, (*Reader).Next, func(e *verdict.Event) error { return r.give(j, e) })
	if err != nil {
		return nil, err
	}
	if r.End != nil {
		for fault, devices := range r.End.Drawn {
			j.Drawn(fault, devices)
		}
	}
	f := j.Figures(r.Info.Fleets)
	f.Chosen = len(r.Info.Only) > 0
	if r.End != nil {
		f.Memory = r.End.Memory
	}
	return f, nil
}

// give gives an event to the judge of its device. A run records its own devices
// only, and each from its arrival on: anything else is damage, and would be judged
// as another device's.
func (r *Record) give(j *verdict.Judge, e *verdict.Event) error {
	fleet, n, known := j.Find(e.Device)
	if !known {
		return fmt.Errorf("d: the scenario has no device %q", e.Device)
	}
	if !r.selected.Has(fleet, n) {
		return fmt.Errorf("d: device %s is not of this record, which is of %s", e.Device, r.selected)
	}
	d := j.Device(fleet, n)
	switch arrives := e.Kind == verdict.Arrived; {
	case arrives && d.Arrived():
		return fmt.Errorf("device %s arrives again", e.Device)
	case !arrives && !d.Arrived():
		return fmt.Errorf("device %s has not arrived", e.Device)
	}
	d.Add(e)
	return nil
}

// AddLogs adds the last events of the devices that the figures name. Which devices
// these are is known after the run has been judged, so that its judge need not
// keep the events of all.
func (r *Record) AddLogs(ctx context.Context, f *verdict.Figures) error {
	devices := map[string]*verdict.DeviceRecord{}
	for _, d := range slices.Concat(f.Slowest(), f.Failed()) {
		devices[d.Device] = d
	}
	if len(devices) == 0 {
		return nil
	}
	return r.eachOf(ctx, func(device []byte) bool { return devices[string(device)] != nil }, func(e *verdict.Event) error {
		devices[e.Device].Remember(e)
		return nil
	})
}

// Device reads the events of one device, and sums them up.
func (r *Record) Device(ctx context.Context, key string) (events []verdict.Event, f *verdict.Figures, err error) {
	j := verdict.NewJudge(r.Scenario, verdict.WithoutLogs)
	err = r.eachOf(ctx, func(device []byte) bool { return string(device) == key }, func(e *verdict.Event) error {
		events = append(events, *e)
		return r.give(j, e)
	})
	if err != nil {
		return nil, nil, err
	}
	return events, j.Figures(nil), nil
}

// eachOf hands out the events of some devices.
func (r *Record) eachOf(ctx context.Context, wanted func(device []byte) bool, take func(*verdict.Event) error) error {
	next := func(reader *Reader, e *verdict.Event) error { return reader.nextOf(wanted, e) }
	return r.each(ctx, next, take)
}

// each hands out the events that next finds. What take refuses is damage.
func (r *Record) each(ctx context.Context, next func(*Reader, *verdict.Event) error,
	take func(*verdict.Event) error) (err error) {
	reader, err := r.Events(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	var e verdict.Event
	for n := 0; ; n++ {
		if n%10_000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		switch err := next(reader, &e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := take(&e); err != nil {
			return reader.damaged(err)
		}
	}
}
