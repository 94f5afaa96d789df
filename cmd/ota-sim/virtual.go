package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"otafleet/internal/cli"
	"otafleet/simulator"
	"otafleet/simulator/history"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// virtualWorld is the name of the world without sockets.
const virtualWorld = "virtual"

// socketFlags are those that mean nothing without sockets.
func socketFlags() []string {
	var b brokerFlags
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	b.define(flags)
	names := []string{"metrics"}
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// checkVirtual refuses flags that a run without sockets has no use for.
func (f *runFlags) checkVirtual() error {
	var given []string
	meaningless := socketFlags()
	if f.changed != nil {
		f.changed.Visit(func(flag *pflag.Flag) {
			if slices.Contains(meaningless, flag.Name) {
				given = append(given, "--"+flag.Name)
			}
		})
	}
	if len(given) > 0 {
		return cli.Exitf(cli.Usage, "--virtual has no sockets, and nothing to do with %s: remove it", strings.Join(given, ", "))
	}
	return f.check()
}

// playVirtual runs the scenario in virtual time.
func (f *runFlags) playVirtual(ctx context.Context, text io.Writer, s *source, c *choice) (v *verdict.Verdict, err error) {
	o := virtual.Options{Scenario: s.Scenario, Seed: c.seed, Shard: c.shard, Only: c.only}
	var r *recording
	if f.out != "" {
		if r, err = record(f.out, s, c, virtualWorld); err != nil {
			return nil, err
		}
		lines := &lineWriter{writer: r.writer}
		o.Record = lines.add
	}
	if !f.quiet {
		fmt.Fprintf(text, "%s: %d devices, %s of virtual time\n", s.Scenario.Name, c.selected.Devices(), s.Duration)
		o.Progress = worldProgress(text, c.selected.Devices())
	}
	began := time.Now()
	// Worlds live for less than a millisecond, and what outlives them is small:
	// most of the memory is free whenever it is looked at.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	figures, err := virtual.Simulate(ctx, o)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	v = verdict.New(s.Scenario, c.seed, virtualWorld, figures)
	v.Resources = simulator.Resources(began)
	if ctx.Err() != nil {
		v.Interrupt()
	}
	v.Text, v.Source, v.Program, v.Record, v.Started = string(s.text), s.name, programName(), f.out, began
	v.Part = c.selected.String()
	if r != nil {
		return v, r.end(v)
	}
	return v, nil
}

// lineWriter turns the events of a device into the lines of the history, on the
// core that has made them.
type lineWriter struct {
	writer  *history.Writer
	buffers sync.Pool // of *[]byte
}

func (l *lineWriter) add(events []verdict.Event) error {
	buffer, ok := l.buffers.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	lines := (*buffer)[:0]
	for i := range events {
		lines = history.AppendLine(lines, &events[i])
	}
	l.writer.AddLines(lines, len(events))
	*buffer = lines
	l.buffers.Put(buffer)
	return nil
}

// worldProgress prints a line now and then; on a terminal, always the same one.
func worldProgress(w io.Writer, devices int) func(int) {
	var mu sync.Mutex
	began := time.Now()
	next, every, end := began.Add(lineEvery), lineEvery, "\n"
	if isTerminal(w) {
		next, every, end = began, redrawEvery, "\r"
	}
	return func(done int) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if now.Before(next) && (done < devices || end == "\n") {
			return
		}
		next = now.Add(every)
		took := now.Sub(began)
		fmt.Fprintf(w, "%6s  %d of %d devices at their end, %.0f a second%s", took.Round(time.Second), done, devices, float64(done)/took.Seconds(), end)
		if done == devices && end == "\r" {
			fmt.Fprintln(w)
		}
	}
}
