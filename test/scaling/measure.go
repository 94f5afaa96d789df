package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// cost is what a program took.
type cost struct {
	cpu    float64 // seconds of a processor, the kernel's among them
	memory float64 // MiB resident at the peak; 0 if it was not looked at
}

// less is the smaller of two costs in each respect: what else the machine does only adds
// to them.
func (c cost) less(d cost) cost { return cost{min(c.cpu, d.cpu), min(c.memory, d.memory)} }

// A short program is run again, until it has been measured for so long or so often.
const (
	longEnough  = time.Second / 2
	oftenEnough = 3
)

// patience is how long one program may take.
const patience = 30 * time.Minute

// site is where programs run.
type site struct {
	ctx               context.Context
	dir               string // for their files
	sim, agent, flood string // their paths
	broker            string // for real devices; empty for the embedded one
}

// run runs a program to its end, which must be a good one.
func (s *site) run(program string, args ...string) (cost, error) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	var said bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Dir, c.Stderr = s.dir, &said
	if err := c.Run(); err != nil {
		return cost{}, fmt.Errorf("%s %.80q: %w\n%.2000s", program, args, err, said.Bytes())
	}
	return costOf(c), nil
}

// costOf is what a program that has ended took. The kernel counts the memory of the
// process that started it as its own, so that this one must stay small.
func costOf(c *exec.Cmd) cost {
	used := c.ProcessState.SysUsage().(*syscall.Rusage)
	busy := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	return cost{busy.Seconds(), float64(used.Maxrss) / 1024}
}

// cheapest runs a program a few times.
func (s *site) cheapest(program string, args ...string) (cost, error) {
	least, err := s.run(program, args...)
	spent := least.cpu
	for i := 1; i < oftenEnough && spent < longEnough.Seconds() && err == nil; i++ {
		var c cost
		c, err = s.run(program, args...)
		least, spent = least.less(c), spent+c.cpu
	}
	return least, err
}

// simulate runs ota-sim a few times.
func (s *site) simulate(args ...string) (cost, error) { return s.cheapest(s.sim, args...) }
