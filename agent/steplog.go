package agent

import (
	"context"
	"log/slog"
	"time"

	"otafleet/internal/ota"
)

// stepLog writes a line for each step that a device takes, once, though reports
// are kept and sent again.
type stepLog struct {
	log  *slog.Logger
	keep func(*ota.Report) // records a step; nil for none
	plan string
	seq  int // the last report that was logged

	answers allowance // answers and questions that are worth a line
	unsaid  int       // of them since the last one that was
}

// newStepLog goes on behind the reports of a saved state.
func newStepLog(log *slog.Logger, run *Run) stepLog {
	l := stepLog{log: log}
	if run != nil {
		l.plan, l.seq = run.Plan.ID, run.LastSeq
	}
	return l
}

// reports logs the reports that are new in a state.
func (l *stepLog) reports(s *State) {
	if s.Run == nil || l.keep == nil && !l.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	if l.plan != s.Run.Plan.ID {
		l.plan, l.seq = s.Run.Plan.ID, s.Run.LastSeq-unacknowledged(s)
	}
	for i := range s.Reports {
		if r := &s.Reports[i]; r.Plan == l.plan && r.Seq > l.seq {
			l.report(r)
		}
	}
	l.seq = s.Run.LastSeq
}

// unacknowledged counts the reports of the current plan that are kept.
func unacknowledged(s *State) int {
	n := 0
	for i := range s.Reports {
		if s.Reports[i].Plan == s.Run.Plan.ID {
			n++
		}
	}
	return n
}

// worth reports whether another answer to a plan, or question about one, is worth
// keeping.
func (l *stepLog) worth(now time.Time) bool {
	if !l.answers.take(now) {
		l.unsaid++
		return false
	}
	l.unsaid = 0
	return true
}

func (l *stepLog) report(r *ota.Report) {
	if l.keep != nil {
		l.keep(r)
	}
	if !l.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	args := []any{"plan", r.Plan, "component", r.Component, "step", r.Status.String(), "runs", r.Version}
	if r.Failure == nil {
		l.log.Info("upgrade step", args...)
		return
	}
	l.log.Warn("upgrade step", append(args, "code", string(r.Failure.Code), "detail", r.Failure.Detail)...)
}

// decision logs an answer to a plan, and reports whether it is worth keeping: a
// platform may ask as fast as it likes.
func (l *stepLog) decision(d *ota.Decision) bool {
	args := []any{"plan", d.Plan, "attempt", d.Attempt}
	if l.unsaid > 0 {
		args = append(args, "unsaid", l.unsaid)
	}
	if !l.worth(d.Time) {
		return false
	}
	if d.Accept {
		l.log.Info("plan accepted", args...)
	} else {
		l.log.Info("plan refused", append(args, "reason", string(d.Reason), "detail", d.Detail)...)
	}
	return true
}
