package virtual

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// Options say which devices of a scenario are run, and who looks on.
type Options struct {
	Scenario *scenario.Scenario
	Seed     uint64          // of every draw; 0 means the scenario's
	Shard    selection.Shard // the part of the devices; the zero value is all
	Only     []string        // device keys: run these and no others; empty for all
	Workers  int             // worlds that are run at once; 0 means one a core
	// Record takes the events of one device, in their order, after its world has
	// ended; nil for nobody. It is called from several goroutines, and must not
	// keep the slice.
	Record func([]verdict.Event) error
	// Progress is told now and then how many devices have come to their end; nil
	// for nobody.
	Progress func(devices int)
}

// Simulate runs a scenario in virtual time and sums it up. If ctx ends first, the
// figures are about the devices that had come to their end, with an error that
// wraps the context's.
func Simulate(ctx context.Context, o Options) (*verdict.Figures, error) {
	if o.Seed == 0 {
		o.Seed = o.Scenario.Seed
	}
	chosen, err := selection.New(o.Scenario, o.Shard, o.Only)
	if err != nil {
		return nil, err
	}
	r, err := newRun(o.Scenario, o.Seed)
	if err != nil {
		return nil, err
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	c := &crew{options: o, run: r, places: newPlaces(o.Scenario, chosen), sizes: verdict.Sizes(o.Scenario), refused: map[refusedOrder]struct{}{}}
	for i := range c.sizes {
		c.sizes[i].Devices = chosen.Count(i)
	}
	return c.work(ctx)
}

// crew runs the worlds of a run on several cores.
type crew struct {
	options Options
	run     *run
	places  *places
	sizes   []verdict.FleetSize // of what was chosen
	done    atomic.Int64        // devices

	mu      sync.Mutex // guards the following
	figures *verdict.Figures
	failure error
	refused map[refusedOrder]struct{} // of all worlds, each once
}

// batch is how many worlds a worker takes at a time.
const batch = 64

func (c *crew) work(ctx context.Context) (*verdict.Figures, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	for range c.options.Workers {
		workers.Go(func() {
			if err := c.worker(ctx); err != nil {
				stop()
			}
		})
	}
	workers.Wait()
	if c.failure == nil && ctx.Err() != nil {
		c.failure = ctx.Err()
	}
	if c.figures != nil {
		c.figures.Refused = c.refusals()
	}
	return c.figures, c.failure
}

// refusals are the first orders that the platform did not carry out. Every world
// has a platform, to which the same orders go.
func (c *crew) refusals() []string {
	orders := slices.SortedFunc(maps.Keys(c.refused), func(a, b refusedOrder) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.text, b.text))
	})
	var texts []string
	for _, order := range orders[:min(len(orders), model.KeptRefusals)] {
		texts = append(texts, order.text)
	}
	return texts
}

// worker runs worlds until none is left, and adds what it has seen.
func (c *crew) worker(ctx context.Context) error {
	j := verdict.NewJudge(c.options.Scenario, verdict.WithLogs)
	var failure error
	for failure == nil && ctx.Err() == nil {
		taken := c.places.take(batch)
		if len(taken) == 0 {
			break
		}
		for _, p := range taken {
			if failure = c.one(j, p); failure != nil {
				break
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = errors.Join(c.failure, failure)
	if c.figures == nil {
		c.figures = j.Figures(c.sizes)
	} else {
		c.figures.Merge(j.Figures(nil))
	}
	return failure
}

// one runs the world at a place.
func (c *crew) one(j *verdict.Judge, p place) error {
	w := newWorld(c.run, j, p, c.options.Record != nil)
	w.play()
	c.note(w.refused)
	for _, d := range w.devices {
		if d.judge == nil {
			continue // a gateway whose devices alone were chosen
		}
		d.judge.Close()
		if c.options.Record == nil {
			continue
		}
		if err := c.options.Record(d.history); err != nil {
			return fmt.Errorf("cannot record %s: %w", d.id.Device, err)
		}
	}
	if done := c.done.Add(int64(len(w.devices))); c.options.Progress != nil {
		c.options.Progress(int(done))
	}
	return nil
}

// note keeps the orders that a world's platform did not carry out.
func (c *crew) note(refused []refusedOrder) {
	if len(refused) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, order := range refused {
		c.refused[order] = struct{}{}
	}
}

// places hands out the worlds of a run: each device, and each gateway with the
// devices behind it.
type places struct {
	scenario *scenario.Scenario
	chosen   *selection.Selection
	behind   map[string][]int // by the gateway fleet's name, the fleets behind it

	mu    sync.Mutex // guards the following
	fleet int        // of the next world
	n     int        // of its first device
}

func newPlaces(s *scenario.Scenario, chosen *selection.Selection) *places {
	p := &places{scenario: s, chosen: chosen, behind: map[string][]int{}, n: 1}
	for i := range s.Fleets {
		if b := s.Fleets[i].Behind; b != "" {
			p.behind[b] = append(p.behind[b], i)
		}
	}
	return p
}

// take hands out up to most worlds; none when all are taken.
func (p *places) take(most int) []place {
	p.mu.Lock()
	defer p.mu.Unlock()
	var taken []place
	for len(taken) < most && p.fleet < len(p.scenario.Fleets) {
		f := &p.scenario.Fleets[p.fleet]
		if f.Behind != "" || p.n > f.Count {
			p.fleet, p.n = p.fleet+1, 1
			continue
		}
		if w, some := p.at(p.fleet, p.n); some {
			taken = append(taken, w)
		}
		p.n++
	}
	return taken
}

// at is the world of device n of a fleet; false if none of it was chosen. A
// gateway is there if only a device behind it was.
func (p *places) at(fleet, n int) (place, bool) {
	f := &p.scenario.Fleets[fleet]
	some := p.chosen.Has(fleet, n)
	w := place{devices: []position{{f, fleet, n, !some}}, arrives: p.scenario.Arrival(f, n)}
	for _, i := range p.behind[f.Name] {
		sub := &p.scenario.Fleets[i]
		for k := n; k <= sub.Count; k += f.Count {
			if p.chosen.Has(i, k) {
				w.devices = append(w.devices, position{sub, i, k, false})
				some = true
			}
		}
	}
	return w, some
}
