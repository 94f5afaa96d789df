package main

import (
	"os"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/simulator"
	"otafleet/simulator/model"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
)

// autoShard is the shard whose number the environment says.
const autoShard = "auto"

// choiceFlags say which devices of a scenario are meant, and with which draws.
type choiceFlags struct {
	seed  uint64
	shard string
	only  []string
}

func (f *choiceFlags) define(flags *pflag.FlagSet) {
	flags.Uint64Var(&f.seed, "seed", 0, "seed of every draw; 0 means the scenario's")
	flags.StringVar(&f.shard, "shard", "", "only part i of N, as i/N; 0/N is N/N; "+
		"auto takes the number that Kubernetes, Slurm or CI gives this process; each part is for a process of its own")
	flags.StringArrayVar(&f.only, "only", nil, "device key: only this device, with the same draws; may be repeated")
}

// choice is what the flags say about a scenario.
type choice struct {
	scenario *scenario.Scenario
	seed     uint64
	only     []string
	selected *selection.Selection
	dialect  model.Dialect // that they speak
}

// of applies the flags to a scenario.
func (f *choiceFlags) of(s *scenario.Scenario) (*choice, error) {
	c := &choice{scenario: s, seed: s.SeedOr(f.seed), only: f.only}
	var shard selection.Shard
	var err error
	switch f.shard {
	case "":
	case autoShard:
		shard, err = selection.AutoShard(os.Getenv)
	default:
		shard, err = selection.ParseShard(f.shard)
	}
	if err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	if c.selected, err = selection.New(s, shard, c.only); err != nil {
		return nil, &cli.Exit{Code: cli.Usage, Err: err}
	}
	return c, nil
}

// options are those of a run of the chosen devices, in either world.
func (c *choice) options() simulator.Options {
	return simulator.Options{Scenario: c.scenario, Seed: c.seed, Devices: c.selected, Dialect: c.dialect}
}

// each gives the chosen devices: the fleet's number from 0, the device's from 1.
func (c *choice) each(do func(fleet, n int)) {
	for i := range c.scenario.Fleets {
		for n := 1; n <= c.scenario.Fleets[i].Count; n++ {
			if c.selected.Has(i, n) {
				do(i, n)
			}
		}
	}
}
