package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/internal/yamlform"
)

func TestParseWindow(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	every := [7]bool{true, true, true, true, true, true, true}
	for text, want := range map[string]agent.Window{
		"mon-fri 01:00-05:00 Europe/Berlin": {Days: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}, From: 60, To: 300,
			Zone: berlin},
		"22:00-04:30 UTC":         {Days: every, From: 1320, To: 270, Zone: time.UTC},
		"SAT,sun 00:00-24:00 UTC": {Days: [7]bool{0: true, 6: true}, From: 0, To: 1440, Zone: time.UTC},
		"fri-mon,wed 00:00-00:01 Local": {Days: [7]bool{0: true, 1: true, 3: true, 5: true, 6: true}, From: 0, To: 1,
			Zone: time.Local},
	} {
		w, err := parseWindow(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, w, text)
	}
	for text, want := range map[string]string{
		"":                                `"" is not a window; want [days] from-to zone`,
		"01:00-05:00":                     "is not a window; want [days] from-to zone",
		"mon-fri 01:00-05:00":             "is not a window; want [days] from-to zone",
		"mon 01:00-05:00 Europe/Berlin x": "is not a window; want [days] from-to zone",
		"mom 01:00-05:00 UTC":             `"mom" is not a day; did you mean "mon"?`,
		"mon- 01:00-05:00 UTC":            `"" is not a day`,
		"01:00 UTC":                       `"01:00" has no end`,
		"1:00-05:00 UTC":                  `"1:00" is not a time of day; want 00:00 to 24:00`,
		"01:00-05 UTC":                    `"05" is not a time of day`,
		"01:60-05:00 UTC":                 `"01:60" is not a time of day`,
		"01:00-24:01 UTC":                 `"24:01" is not a time of day`,
		"24:00-05:00 UTC":                 "24:00 is only an end",
		"05:00-05:00 UTC":                 "05:00-05:00 has no length; the whole day is 00:00-24:00",
		"01:00-05:00 Europe/Atlantis":     `the time zone "Europe/Atlantis" is not known on this device`,
		"01:00-05:00 ../secret":           `the time zone "../secret" is not known`,
	} {
		_, err := parseWindow(text)
		assert.ErrorContains(t, err, want, text)
	}
}

func FuzzParseWindow(f *testing.F) {
	f.Add("mon-fri 01:00-05:00 Europe/Berlin")
	f.Add("22:00-04:30 UTC")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := parseWindow(text)
		if err != nil {
			return
		}
		now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
		from, to := w.Span(now)
		assert.True(t, now.Before(to) && from.Before(to), "%s: %s %s", text, from, to)
		assert.Less(t, from.Sub(now), 9*24*time.Hour)
	})
}

// A new system may lack the data of a zone that the configuration names. Its
// agent starts all the same: it has an upgrade to prove, or to roll back.
func TestUnknownZoneAtTheStart(t *testing.T) {
	const text = "windows: [\"01:00-05:00 Europe/Atlantis\", \"02:00-03:00 UTC\"]\n"
	for _, run := range []bool{false, true} {
		doc := yamlform.Parse("agent.yaml", []byte(text))
		var windows []agent.Window
		readWindows(doc.Root(), base{run: run}, &windows)
		if !run {
			assert.ErrorContains(t, doc.Err(), `the time zone "Europe/Atlantis" is not known on this device`)
			continue
		}
		require.NoError(t, doc.Err())
		require.Len(t, windows, 2)
		from, to := windows[0].Span(time.Now())
		assert.True(t, from.IsZero() && to.IsZero(), "it never opens")
		require.Len(t, doc.Warnings(), 1)
		assert.Contains(t, doc.Warnings()[0], "this window stays shut")
	}
}
