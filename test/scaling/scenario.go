package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// scene is a scenario by its sizes. Zero stands for one, or for none where there need be
// none.
type scene struct {
	fleets, devices       int // devices of all fleets together
	components            int // of a device
	plans                 int // one after the other
	hours                 int // that it may take; 2 unless set. A day and more is watched for what grows
	mib                   int // of an image; 0 for 64 KiB
	faults, rules, counts int
}

// write writes the scenario to a file, and gives its path.
func (c *scene) write(dir string) (string, error) {
	path := filepath.Join(dir, "scene.yaml")
	return path, os.WriteFile(path, []byte(c.text()), 0o600)
}

func (c *scene) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "scenario: scaling\nduration: %dh\nfleet:\n", max(2, c.hours))
	fleets := max(c.fleets, 1)
	for i := range fleets {
		fmt.Fprintf(&b, "  - name: f%03d\n    count: %d\n    product: gw\n    arrive: {rate: 250/s}\n"+
			"    install: {time: 0s..2s, restart: none}\n    components:\n", i, max(c.devices, 1)/fleets)
		for k := range max(c.components, 1) {
			fmt.Fprintf(&b, "      - {id: c%02d, type: module, version: \"1\"}\n", k)
		}
	}
	b.WriteString("plans:\n")
	for i := range max(c.plans, 1) {
		fmt.Fprintf(&b, "  - name: p%03d\n    product: gw\n    components:\n", i)
		for k := range max(c.components, 1) {
			fmt.Fprintf(&b, "      - {id: c%02d, package: full, sources: [\"%d\"], target: \"%d\", size: %d}\n", k, i+1, i+2,
				max(c.mib<<20, 64<<10))
		}
	}
	c.writeFaults(&b)
	c.writeExpectations(&b)
	return b.String()
}

func (c *scene) writeFaults(b *strings.Builder) {
	if c.faults > 0 {
		b.WriteString("faults:\n")
	}
	for i := range c.faults {
		fmt.Fprintf(b, "  - {name: x%03d, at: downloading, do: drop, chance: 1%%}\n", i)
	}
}

func (c *scene) writeExpectations(b *strings.Builder) {
	b.WriteString("expect:\n  devices:\n    upgraded: \"== 100%\"\n")
	for i := range c.counts {
		fmt.Fprintf(b, "    f%03d: {upgraded: \"== 100%%\", refused: 0, unfinished: 0}\n", i)
	}
	if c.rules > 0 {
		b.WriteString("  never:\n")
	}
	for i := range c.rules {
		fmt.Fprintf(b, "    - {name: r%03d, event: stored, status: downloading, after: {event: upgraded, plan: p%03d}}\n", i,
			max(c.plans, 1)-1)
	}
}
