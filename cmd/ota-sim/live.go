package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

const (
	redrawEvery = 250 * time.Millisecond // on a terminal
	lineEvery   = 5 * time.Second        // in a log
	liveBar     = 40                     // characters
)

// live shows a run while it goes on: a block that is drawn again on a terminal,
// a line now and then in a log.
type live struct {
	w        io.Writer
	scenario *scenario.Scenario
	run      *simulator.Run
	terminal bool
	quit     chan struct{}
	done     sync.WaitGroup
	drawn    int // lines of the block on the screen
	last     simulator.Snapshot
}

func startLive(w io.Writer, s *scenario.Scenario, run *simulator.Run) *live {
	l := &live{w: w, scenario: s, run: run, terminal: isTerminal(w), quit: make(chan struct{})}
	fmt.Fprintf(w, "%s: %d devices, broker %s, at most %s\n", s.Name, run.Snapshot().Devices, run.BrokerURL(), s.Duration)
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
	if l.terminal {
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
	s := l.run.Snapshot()
	if l.terminal {
		l.redraw(s)
	} else {
		fmt.Fprintln(l.w, line(s))
	}
	l.last = s
}

// line is the run in one line.
func line(s simulator.Snapshot) string {
	return fmt.Sprintf("%6s  arrived %d  connected %d  upgrading %d  upgraded %d  failed %d  refusals %d  downloaded %s  faults %d",
		s.Elapsed.Round(time.Second), s.Arrived, s.Connected, s.Statuses[ota.DeviceUpgrading],
		s.Statuses[ota.DeviceUpgraded]+s.Statuses[ota.DeviceNoUpdateRequired], s.Statuses[ota.DeviceUpgradeFailed],
		s.Refusals, verdict.Bytes(s.Bytes), s.Faults)
}

// redraw replaces the block on the screen.
func (l *live) redraw(s simulator.Snapshot) {
	var b strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", l.drawn)
	}
	lines := l.block(s)
	for _, text := range lines {
		fmt.Fprintf(&b, "\x1b[2K%s\n", text)
	}
	l.drawn = len(lines)
	_, _ = io.WriteString(l.w, b.String())
}

func (l *live) block(s simulator.Snapshot) []string {
	upgraded := s.Statuses[ota.DeviceUpgraded] + s.Statuses[ota.DeviceNoUpdateRequired]
	rate := ""
	if d := (s.Elapsed - l.last.Elapsed).Seconds(); d > 0 {
		rate = fmt.Sprintf("%s/s", verdict.Bytes(int64(float64(s.Bytes-l.last.Bytes)/d)))
	}
	return []string{
		fmt.Sprintf("  %s  %3d%%  %s", stacked(s), percent(upgraded, s.Devices), s.Elapsed.Round(time.Second)),
		fmt.Sprintf("  \x1b[32m█\x1b[0m upgraded %d  \x1b[36m█\x1b[0m upgrading %d  \x1b[31m█\x1b[0m failed %d  \x1b[2m░\x1b[0m not upgraded %d",
			upgraded, s.Statuses[ota.DeviceUpgrading], s.Statuses[ota.DeviceUpgradeFailed],
			s.Devices-upgraded-s.Statuses[ota.DeviceUpgrading]-s.Statuses[ota.DeviceUpgradeFailed]),
		fmt.Sprintf("  arrived %d · connected %d · refusals %d · reports stored %d", s.Arrived, s.Connected, s.Refusals, s.Reports),
		fmt.Sprintf("  downloaded %s · %s · faults fired %d · power cuts %d", verdict.Bytes(s.Bytes), rate, s.Faults, s.PowerCuts),
	}
}

// stacked draws the device statuses as one bar.
func stacked(s simulator.Snapshot) string {
	var b strings.Builder
	used := 0
	for _, part := range []struct {
		n     int
		color string
	}{
		{s.Statuses[ota.DeviceUpgraded] + s.Statuses[ota.DeviceNoUpdateRequired], "\x1b[32m"},
		{s.Statuses[ota.DeviceUpgrading], "\x1b[36m"},
		{s.Statuses[ota.DeviceUpgradeFailed], "\x1b[31m"},
	} {
		width := 0
		if s.Devices > 0 {
			width = part.n * liveBar / s.Devices
		}
		used += width
		b.WriteString(part.color + strings.Repeat("█", width) + "\x1b[0m")
	}
	return b.String() + "\x1b[2m" + strings.Repeat("░", max(0, liveBar-used)) + "\x1b[0m"
}

func percent(n, total int) int {
	if total == 0 {
		return 0
	}
	return 100 * n / total
}
