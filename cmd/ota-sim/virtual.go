package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator/history"
	"otafleet/simulator/real"
	"otafleet/simulator/verdict"
	"otafleet/simulator/virtual"
)

// simulateVirtually runs the chosen devices in virtual time.
func (f *runFlags) simulateVirtually(ctx context.Context, text io.Writer, s *source, c *choice, kept *history.Writer) (*verdict.Verdict, error) {
	began := time.Now()
	ended := &ending{devices: c.selected.Devices(), began: began}
	options := virtual.Options{Scenario: s.Scenario, Seed: c.seed, Shard: c.shard, Only: c.only,
		Progress: func(devices int) { ended.reach(int64(devices)) }}
	if kept != nil {
		options.Record = (&lineWriter{writer: kept}).add
	}
	var view *live
	if !f.quiet {
		fmt.Fprintf(text, "%s: %s, in virtual time, at most %s of it\n", s.Scenario.Name, ota.Counted(ended.devices, "device"), s.Duration)
		view = startLive(text, ended)
	}
	// Devices live for less than a millisecond, and what outlives them is small:
	// most of the memory is free whenever it is looked at.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	figures, err := virtual.Simulate(ctx, options)
	if view != nil {
		view.stop()
	}
	if err != nil && (figures == nil || !errors.Is(err, context.Canceled)) {
		return nil, err
	}
	figures.Chosen = len(c.only) > 0
	v := verdict.New(s.Scenario, c.seed, f.world(), figures)
	v.Part, v.Resources = c.selected.String(), real.Resources(began)
	if err != nil {
		v.Interrupt()
	}
	return v, nil
}

// lineWriter turns the events of a device into the lines of a history, on the
// core that has made them.
type lineWriter struct {
	writer  *history.Writer
	buffers sync.Pool // of *[]byte
}

func (l *lineWriter) add(events []verdict.Event) error {
	buffer, used := l.buffers.Get().(*[]byte)
	if !used {
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

// ending counts the devices that have come to their end in virtual time.
type ending struct {
	devices int
	began   time.Time
	done    atomic.Int64
}

// reach notes how many have; the notes may overtake each other.
func (e *ending) reach(n int64) {
	for {
		was := e.done.Load()
		if n <= was || e.done.CompareAndSwap(was, n) {
			return
		}
	}
}

// line is the run in one line.
func (e *ending) line() string {
	return fmt.Sprintf("%6s  %d of %s at the end", time.Since(e.began).Round(time.Second), e.done.Load(), ota.Counted(e.devices, "device"))
}

// block is the run on a terminal.
func (e *ending) block(x *screen, width int) []string {
	done, took := int(e.done.Load()), time.Since(e.began)
	tail := fmt.Sprintf("  %3d%%  %s", percent(done, e.devices), took.Round(time.Second))
	return []string{
		"  " + x.bar([]share{{"", done, "█", green}, {"", e.devices - done, "░", dim}}, min(longestBar, max(leastBar, width-2-len(tail)))) + tail,
		fmt.Sprintf("  %d of %s at the end %s", done, ota.Counted(e.devices, "device"), x.paint(dim, shortRate(rate(int64(done), 0, took)))),
	}
}
