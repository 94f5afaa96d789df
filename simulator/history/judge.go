package history

import (
	"context"
	"errors"
	"fmt"
	"io"

	"otafleet/simulator/verdict"
)

// Judge judges a recorded run, or a shard of one, again. A record without an end
// is judged as far as it goes, and the verdict does not hold.
func Judge(ctx context.Context, r *Record) (*verdict.Verdict, error) {
	f, err := r.figures(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.addLogs(ctx, looked(f)); err != nil {
		return nil, err
	}
	v := r.verdict(f)
	v.Part = r.selected.String()
	if r.End != nil {
		v.Resources, v.Figures.Refused = r.End.Resources, r.End.Refused
	}
	r.cutShort(v)
	return v, nil
}

// verdict is the verdict on figures of the record's run.
func (r *Record) verdict(f *verdict.Figures) *verdict.Verdict {
	v := verdict.New(r.Scenario, r.Info.Seed, r.Info.World, f)
	v.Text, v.Source, v.Record, v.Program, v.Started = string(r.Info.Text), r.Info.Source, r.Dir, r.Info.Program, r.Info.Started
	return v
}

// cutShort says so if the run did not come to its end.
func (r *Record) cutShort(v *verdict.Verdict) {
	switch {
	case r.document.Incomplete != "":
		v.LoseHistory(errors.New(r.document.Incomplete))
	case r.End == nil:
		v.Break()
	case r.End.Interrupted:
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
	return f, nil
}

// give gives an event to the judge of its device. Whoever recorded the run told of
// its own devices only, and of each from its arrival on: everything else has come
// into the record by mistake, and would be judged in another device's place.
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

// addLogs reads the record a second time for the logs of a few devices: which
// they are is known after the first time only, and nobody holds all logs.
func (r *Record) addLogs(ctx context.Context, devices map[string]*verdict.DeviceRecord) error {
	if len(devices) == 0 {
		return nil
	}
	next := func(reader *Reader, e *verdict.Event) error { return reader.nextOf(devices, e) }
	return r.each(ctx, next, func(e *verdict.Event) error {
		devices[e.Device].Remember(e)
		return nil
	})
}

// each hands out the events that next finds. What take refuses is damage.
func (r *Record) each(ctx context.Context, next func(*Reader, *verdict.Event) error, take func(*verdict.Event) error) (err error) {
	reader, err := r.Events()
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
