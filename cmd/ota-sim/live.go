package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"otafleet/internal/cli"
	"otafleet/internal/ota"
	"otafleet/simulator"
)

const (
	redrawEvery = 250 * time.Millisecond // on a terminal
	lineEvery   = 5 * time.Second        // in a log
	rateOver    = 8                      // snapshots: over how long rates are measured
)

// shown is a run under way that can show itself.
type shown interface {
	line() string                        // in one line
	block(x *screen, width int) []string // on a terminal of so many characters
}

// live shows a run while it goes on: a block that is drawn again on a terminal,
// a line now and then in a log.
type live struct {
	w      io.Writer
	run    shown
	screen *screen // nil for a log
	quit   chan struct{}
	done   sync.WaitGroup
}

func startLive(w io.Writer, run shown) *live {
	l := &live{w: w, run: run, quit: make(chan struct{})}
	if cli.IsTerminal(w) && os.Getenv("TERM") != "dumb" {
		l.screen = &screen{w: w, width: func() int { return cli.Columns(w) }, color: isColored(w)}
	}
	l.done.Go(l.loop)
	return l
}

// stop draws the last state and leaves it on the screen.
func (l *live) stop() {
	close(l.quit)
	l.done.Wait()
	l.show()
}

func (l *live) loop() {
	every := lineEvery
	if l.screen != nil {
		every = redrawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-tick.C:
			l.show()
		}
	}
}

func (l *live) show() {
	if l.screen != nil {
		l.screen.draw(l.run.block)
	} else {
		fmt.Fprintln(l.w, l.run.line())
	}
}

// realRun shows a run in the real world.
type realRun struct {
	run     simulator.Run
	recent  []simulator.Snapshot // the last of them, at most rateOver
	windows int                  // of a rolling verdict that have been shown in a log
}

func (r *realRun) line() string {
	s := r.run.Snapshot()
	text := line(s)
	if s.Windows > r.windows {
		r.windows = s.Windows
		text += "\n" + windowLine(&s)
	}
	return text
}

// windowLine tells of the last window that is over.
func windowLine(s *simulator.Snapshot) string {
	return fmt.Sprintf("window %d, %s", s.Windows, s.Window)
}

func (r *realRun) block(x *screen, width int) []string {
	s, before := r.run.Snapshot(), simulator.Snapshot{}
	if len(r.recent) > 0 {
		before = r.recent[0]
	}
	r.recent = append(r.recent, s)
	r.recent = r.recent[max(0, len(r.recent)-rateOver):]
	return block(x, s, before, width)
}

// line is the run in one line.
func line(s simulator.Snapshot) string {
	return fmt.Sprintf("%6s  arrived %d  connected %d  upgrading %d  upgraded %d  failed %d"+
		"  refusals %d  downloaded %s  faults %d",
		s.Elapsed.Round(time.Second), s.Arrived, s.Connected,
		s.Statuses[ota.DeviceUpgrading], done(s), s.Statuses[ota.DeviceUpgradeFailed],
		s.Refusals, ota.FormatSize(s.Bytes), s.Fired())
}

// done is the devices that are where the plan wants them.
func done(s simulator.Snapshot) int {
	return s.Statuses[ota.DeviceUpgraded] + s.Statuses[ota.DeviceNoUpdateRequired]
}

// isColored reports whether the reader of w wants colours (no-color.org).
func isColored(w io.Writer) bool {
	return cli.IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func percent(n, total int) int {
	if total == 0 {
		return 0
	}
	return 100 * n / total
}

// rate is how much of something there was a second between two moments.
func rate(n, before int64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return max(0, float64(n-before)/took.Seconds())
}

// shortRate prints a rate with two or three digits: 0.4, 31, 1800.
func shortRate(r float64) string {
	if r < 10 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", r), ".0") + "/s"
	}
	return fmt.Sprintf("%.0f/s", r)
}
