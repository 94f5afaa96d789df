package main

import (
	"fmt"
	"slices"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/internal/yamlform"
	"otafleet/simulator/cluster"
	"otafleet/simulator/preflight"
	"otafleet/simulator/scenario"
	"otafleet/simulator/selection"
)

// What a shard takes beside what preflight counts: it looks at what is left of a pod's
// memory, and the program itself is in it already. In virtual time memory is measured:
// docs/PERFORMANCE.md.
const (
	begunMemory   = 64 << 20
	virtualMemory = 512 << 20
	virtualDevice = 256
	virtualShard  = 250_000 // devices of a shard that is ready in half a minute
	podFiles      = 1 << 19 // what systemd lets a container runtime open
	mostShards    = 1000
)

// divide finds the number of shards, and what each takes.
func (f *clusterFlags) divide(r *cluster.Run, c *choice, sources int) error {
	most, err := yamlform.ParseSize(f.memory)
	if err != nil {
		return cli.Exitf(cli.Usage, "--memory %s", err)
	}
	if f.shards < 0 || f.shards > r.Devices {
		return cli.Exitf(cli.Usage, "--shards %d: want 1 to %d, the number of devices", f.shards, r.Devices)
	}
	if r.Shards = f.shards; r.Virtual {
		if r.Shards == 0 {
			r.Shards = (r.Devices + virtualShard - 1) / virtualShard
		}
		if r.Memory = virtualMemory + int64(r.Devices/r.Shards)*virtualDevice; r.Memory > most {
			return cli.Exitf(exitPreflight, "a shard takes %s of memory: give --memory or more --shards",
				ota.FormatSize(r.Memory))
		}
		return nil
	}
	pod := preflight.Machine{Files: podFiles, Ports: cluster.WidePorts, Memory: most - begunMemory}
	whole, enough := c.needs(&f.run.worldFlags, sources), 1
	for enough <= mostShards && !preflight.Fits(whole.Part(enough), pod) {
		enough++
	}
	if r.Shards == 0 {
		r.Shards = min(enough, mostShards)
	}
	for _, needs := range f.shardsOf(r, c, sources) {
		if !preflight.Fits(needs, pod) {
			return cli.Exitf(exitPreflight, "one of %s does not fit: it takes %s of memory and %d ports, where "+
				"there are %s (--memory) and %d%s", ota.Counted(r.Shards, "shard"), ota.FormatSize(needs.Memory()+begunMemory),
				needs.Ports(), f.memory, pod.Ports, fewestThatFit(enough, r.Shards))
		}
		r.Memory, r.Sessions = max(r.Memory, needs.Memory()+begunMemory), max(r.Sessions, needs.Ports())
	}
	return nil
}

// fewestThatFit says how many shards would fit.
func fewestThatFit(enough, shards int) string {
	if enough > mostShards || enough <= shards {
		return "; give it more"
	}
	return fmt.Sprintf("; with --shards %d it fits", enough)
}

// shardsOf are what the shards take. They are alike, unless devices are where their
// gateways are.
func (f *clusterFlags) shardsOf(r *cluster.Run, c *choice, sources int) (all []preflight.Run) {
	part := *c
	for i := 1; i <= r.Shards; i++ {
		selected, err := selection.New(c.scenario, selection.Shard{Index: i, Of: r.Shards}, nil)
		if err != nil {
			continue // it is empty
		}
		part.selected = selected
		all = append(all, part.needs(&f.run.worldFlags, sources))
		if !slices.ContainsFunc(c.scenario.Fleets, func(f scenario.Fleet) bool { return f.Behind != "" }) {
			break
		}
	}
	return all
}
