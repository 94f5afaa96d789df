package agent

import "time"

// Window is a span of the day, on some days of the week, in which the device may
// be changed.
type Window struct {
	Days     [7]bool // by time.Weekday: those on which it opens
	From, To int     // minutes since midnight, 0..1440; To at or before From is on the next day
	Zone     *time.Location
}

// Span returns the window's span at a moment: the one that is open then, else
// the next one. A window without days has none.
//
// A clock that is put forward or back within a span makes it shorter or longer;
// a bound that falls into the hour that is left out counts as package time says.
func (w *Window) Span(at time.Time) (from, to time.Time) {
	year, month, day := at.In(w.Zone).Date()
	// Yesterday's span may reach into today; in eight days every weekday comes.
	for ahead := -1; ahead <= 8; ahead++ {
		if !w.Days[time.Date(year, month, day+ahead, 12, 0, 0, 0, w.Zone).Weekday()] {
			continue
		}
		later := 0
		if w.To <= w.From {
			later = 1
		}
		from = time.Date(year, month, day+ahead, 0, w.From, 0, 0, w.Zone)
		to = time.Date(year, month, day+ahead+later, 0, w.To, 0, 0, w.Zone)
		if at.Before(to) {
			return from, to
		}
	}
	return time.Time{}, time.Time{}
}

// spanAt returns the span of whichever window is open at a moment, else of the
// one that opens next.
func spanAt(windows []Window, at time.Time) (from, to time.Time) {
	for i := range windows {
		f, t := windows[i].Span(at)
		switch {
		case f.IsZero():
		case from.IsZero() || f.Before(from):
			from, to = f, t
		}
	}
	return from, to
}

// closed reports whether the maintenance windows are shut, and when the next one
// opens: the zero time if none ever does. A device without windows is always
// open.
func (m *Machine) closed() (opens time.Time, shut bool) {
	if len(m.config.Windows) == 0 {
		return time.Time{}, false
	}
	from, to := spanAt(m.config.Windows, m.now)
	if !to.IsZero() && !m.now.Before(from) {
		return time.Time{}, false
	}
	return from, true
}

// neverOpens is said of windows that have no span: that of each is not known.
const neverOpens = "no maintenance window opens: see the warnings about windows in the agent's log"

// openingSentence says when the next maintenance window opens.
func openingSentence(opens time.Time) string {
	if opens.IsZero() {
		return neverOpens
	}
	return "the next maintenance window opens at " + opens.Format("2006-01-02 15:04 MST")
}
