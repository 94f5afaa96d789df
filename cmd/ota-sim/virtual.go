package main

import (
	"fmt"
	"time"

	"otafleet/internal/ota"
	"otafleet/simulator"
)

// virtualRun shows a run in virtual time: of its devices only those are known that
// have come to their end.
type virtualRun struct{ run simulator.Run }

func (r virtualRun) line() string {
	s := r.run.Snapshot()
	return fmt.Sprintf("%6s  %d of %s at the end", s.Elapsed.Round(time.Second), s.Ended, ota.Counted(s.Devices, "device"))
}

func (r virtualRun) block(x *screen, width int) []string {
	s := r.run.Snapshot()
	tail := fmt.Sprintf("  %3d%%  %s", percent(s.Ended, s.Devices), s.Elapsed.Round(time.Second))
	bar := x.bar([]share{{"", s.Ended, "█", green}, {"", s.Devices - s.Ended, "░", dim}},
		min(longestBar, max(leastBar, width-2-len(tail))))
	rate := x.paint(dim, shortRate(rate(int64(s.Ended), 0, s.Elapsed)))
	return []string{
		"  " + bar + tail,
		fmt.Sprintf("  %d of %s at the end %s", s.Ended, ota.Counted(s.Devices, "device"), rate),
	}
}
