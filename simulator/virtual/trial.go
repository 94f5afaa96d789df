package virtual

import (
	"cmp"

	"otafleet/agent"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
	"otafleet/simulator/verdict"
)

// Trials is a scenario whose worlds can be played again and again, each time with
// other troubles. It is safe for concurrent use.
type Trials struct {
	run    *run
	groups []model.Group
}

// NewTrials prepares a scenario of devices that speak a dialect. Without one, or with
// seed 0, it is the scenario's.
func NewTrials(s *scenario.Scenario, d model.Dialect, seed uint64) (*Trials, error) {
	all, err := selection.New(s, selection.Shard{}, nil)
	if err != nil {
		return nil, err
	}
	r, err := newRun(s, cmp.Or(d, model.Dialect(s.Platform)), s.SeedOr(seed))
	if err != nil {
		return nil, err
	}
	t, roster := &Trials{run: r}, model.NewRoster(s, all)
	for g, some := roster.Next(); some; g, some = roster.Next() {
		t.groups = append(t.groups, g)
	}
	return t, nil
}

// Worlds is the number of worlds: devices, and gateways with the devices behind
// them.
func (t *Trials) Worlds() int { return len(t.groups) }

// Outcome is how a device ended in a trial.
type Outcome struct {
	Device   string
	Fleet    *scenario.Fleet
	Events   []verdict.Event // everything that was recorded of it
	Outputs  int             // of its machine, executed over all its boots
	State    *agent.State    // on its disk; nil if it never saved one
	Runs     []string        // the version of each of the fleet's components
	Alive    bool            // it has power, and its agent runs
	Restless bool            // its world was stopped, because it did not come to rest
}

// busiest is how many things may happen in the world of a trial.
const busiest = 100_000

// Play plays one world to its end. mind gives each start of a device its brain;
// nil means the agent's own machine.
func (t *Trials) Play(world int, probe Probe, mind func(*agent.Machine) Brain) []Outcome {
	w := newWorld(t.run, nil, &t.groups[world], true, &tools{})
	w.probe, w.mind, w.limit = probe, mind, busiest
	w.play()
	outcomes := make([]Outcome, len(w.devices))
	for i, d := range w.devices {
		o := &outcomes[i]
		*o = Outcome{Device: d.ID.Device, Fleet: d.Fleet, Events: d.history, Outputs: d.outputs, State: d.Memory.State,
			Alive: d.alive(), Restless: w.limit == 0}
		for k := range d.flashes {
			o.Runs = append(o.Runs, d.flashes[k].Running)
		}
	}
	return outcomes
}
