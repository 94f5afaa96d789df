package agent_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
)

func TestWindowSpan(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	weekdays := [7]bool{false, true, true, true, true, true, false}
	every := [7]bool{true, true, true, true, true, true, true}
	night := agent.Window{Days: weekdays, From: 60, To: 300, Zone: berlin}
	over := agent.Window{Days: [7]bool{5: true}, From: 22 * 60, To: 4 * 60, Zone: berlin}
	whole := agent.Window{Days: every, From: 0, To: 1440, Zone: time.UTC}
	for _, c := range []struct {
		name   string
		window agent.Window
		at     string // in the window's zone
		from   string
		to     string
	}{
		{"before it", night, "2026-11-25 00:59", "2026-11-25 01:00", "2026-11-25 05:00"},
		{"at its start", night, "2026-11-25 01:00", "2026-11-25 01:00", "2026-11-25 05:00"},
		{"at its end", night, "2026-11-25 05:00", "2026-11-26 01:00", "2026-11-26 05:00"},
		{"over the weekend", night, "2026-11-27 05:00", "2026-11-30 01:00", "2026-11-30 05:00"},
		{"over midnight, the evening", over, "2026-11-27 23:00", "2026-11-27 22:00", "2026-11-28 04:00"},
		{"over midnight, the morning", over, "2026-11-28 03:59", "2026-11-27 22:00", "2026-11-28 04:00"},
		{"over midnight, a week to wait", over, "2026-11-28 04:00", "2026-12-04 22:00", "2026-12-05 04:00"},
		{"the whole day", whole, "2026-11-25 23:59", "2026-11-25 00:00", "2026-11-26 00:00"},
		{"in the night that loses an hour", night, "2026-03-27 06:00", "2026-03-30 01:00", "2026-03-30 05:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := func(text string) time.Time {
				at, err := time.ParseInLocation("2006-01-02 15:04", text, c.window.Zone)
				require.NoError(t, err)
				return at
			}
			from, to := c.window.Span(read(c.at).UTC())
			assert.Equal(t, c.from, from.Format("2006-01-02 15:04"))
			assert.Equal(t, c.to, to.Format("2006-01-02 15:04"))
		})
	}
	from, to := (&agent.Window{Zone: time.UTC}).Span(epoch)
	assert.True(t, from.IsZero() && to.IsZero(), "a window without days never opens")
}

// A span that reaches over the change to summer time has an hour less, one over
// the change back an hour more.
func TestWindowOverTheChangeOfClocks(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	w := agent.Window{Days: [7]bool{true}, From: 60, To: 300, Zone: berlin}
	for day, hours := range map[int]time.Duration{22: 4, 29: 3} {
		from, to := w.Span(time.Date(2026, 3, day, 0, 30, 0, 0, berlin))
		assert.Equal(t, hours*time.Hour, to.Sub(from))
	}
	from, to := w.Span(time.Date(2026, 10, 25, 0, 30, 0, 0, berlin))
	assert.Equal(t, 5*time.Hour, to.Sub(from))
}
