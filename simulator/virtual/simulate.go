package virtual

import (
	"cmp"
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/verdict"
)

// World is a world in virtual time. The zero value is ready.
type World struct {
	Workers int // devices' worlds that are run at once; 0 means one a core
}

var _ simulator.World = World{}

// Name is the world's in a verdict and a history (simulator.World).
func (World) Name() string { return "virtual" }

// Run runs devices to their end (simulator.World). The sink is given the events of one
// device after the other, by several goroutines.
func (v World) Run(ctx context.Context, o *simulator.Options) (*simulator.Result, error) {
	r, err := newRun(o.Scenario, o.Dialect, o.Seed)
	if err != nil {
		return nil, err
	}
	c := &workers{history: o.History, run: r, roster: model.NewRoster(o.Scenario, o.Devices),
		devices: o.Devices.Devices()}
	if err := o.Await(ctx); err != nil {
		return nil, err
	}
	c.began = time.Now()
	if o.Started != nil {
		o.Started(c)
	}
	return c.work(ctx, cmp.Or(v.Workers, runtime.GOMAXPROCS(0)), o.Sizes()), nil
}

// workers run the worlds of a run on several cores.
type workers struct {
	began   time.Time
	history simulator.Sink // nil for none
	run     *run
	devices int // that the run has
	ended   atomic.Int64

	handing sync.Mutex    // guards the following
	roster  *model.Roster // worlds that are not taken

	mu      sync.Mutex // guards the following
	figures *verdict.Figures
	refused model.Refusals // of all worlds
}

// batch is how many worlds a worker takes at a time.
const batch = 64

// Snapshot tells how many devices have come to their end (simulator.Run).
func (c *workers) Snapshot() simulator.Snapshot {
	ended := int(c.ended.Load())
	return simulator.Snapshot{Elapsed: time.Since(c.began), Devices: c.devices, Ended: ended,
		Share: float64(ended) / float64(max(1, c.devices))}
}

func (c *workers) work(ctx context.Context, workers int, sizes []verdict.FleetSize) *simulator.Result {
	c.figures = verdict.NewJudge(c.run.scenario, verdict.WithLogs).Figures(sizes)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() { c.worker(ctx) })
	}
	working.Wait()
	return &simulator.Result{Figures: c.figures, Refused: c.refused.Texts(), Interrupted: ctx.Err() != nil}
}

// worker runs worlds until none is left, and adds what it has seen.
func (c *workers) worker(ctx context.Context) {
	j, with := verdict.NewJudge(c.run.scenario, verdict.WithLogs), &tools{}
	for ctx.Err() == nil {
		taken := c.take(batch)
		if len(taken) == 0 {
			break
		}
		for i := range taken {
			c.one(j, &taken[i], with)
		}
	}
	figures := j.Figures(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.figures.Merge(figures)
}

// one runs the world of a group.
func (c *workers) one(j *verdict.Judge, g *model.Group, with *tools) {
	w := newWorld(c.run, j, g, c.history != nil, with)
	w.sink = c.history
	w.play()
	c.note(&w.refused)
	for _, d := range w.devices {
		if d.judge == nil {
			continue // a gateway whose devices alone were chosen
		}
		d.judge.Close()
		if c.history != nil {
			c.history.AddEvents(d.history)
		}
		c.ended.Add(1)
	}
	with.keep(w)
}

// note keeps the orders that a world's platform did not carry out. Every world has a
// platform, to which the same orders go.
func (c *workers) note(refused *model.Refusals) {
	if refused.None() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused.Merge(refused)
}

// take hands out up to most worlds; none when all are taken.
func (c *workers) take(most int) (taken []model.Group) {
	c.handing.Lock()
	defer c.handing.Unlock()
	for len(taken) < most {
		g, some := c.roster.Next()
		if !some {
			break
		}
		taken = append(taken, g)
	}
	return taken
}
