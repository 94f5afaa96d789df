package report_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/report"
	"otafleet/simulator/scenario"
	"otafleet/simulator/verdict"
)

// TestReasons says of each device that never began why, in every form.
func TestReasons(t *testing.T) {
	s, err := scenario.Parse("s",
		[]byte("scenario: s\nduration: 10s\nfleet:\n"+
			"  - {name: gw, count: 4, product: p, components: [{id: app, type: module, version: 1.0.0}]}\n"))
	require.NoError(t, err)
	j := verdict.NewJudge(s, verdict.WithLogs)
	add := func(device string, kind verdict.Kind, text string) {
		j.Add(verdict.Event{Kind: kind, Device: device, Text: text})
	}
	for _, device := range []string{"gw-000001", "gw-000002", "gw-000003", "gw-000004"} {
		add(device, verdict.Arrived, "gw")
	}
	add("gw-000001", verdict.Connected, "")
	add("gw-000001", verdict.NoPlan, "ended")
	add("gw-000001", verdict.NoPlan, "up_to_date")
	add("gw-000002", verdict.Unreached, "the broker refused\x1b[2J")
	add("gw-000004", verdict.Connected, "")
	v := verdict.New(s, 1, "real", j.Figures(verdict.Sizes(s)))
	want := map[scenario.Class]map[string]int{
		scenario.NotUpgraded: {"the platform says up_to_date": 1, "the platform said nothing": 1},
		scenario.Unreachable: {"the broker refused [2J": 1, "nothing answered": 1},
	}
	assert.Equal(t, want, v.Figures.Reasons)
	assert.Equal(t, []verdict.Idle{
		{Device: "gw-000001", Class: scenario.NotUpgraded, Reason: "the platform says up_to_date"},
		{Device: "gw-000002", Class: scenario.Unreachable, Reason: "the broker refused [2J"},
		{Device: "gw-000003", Class: scenario.Unreachable, Reason: "nothing answered"},
		{Device: "gw-000004", Class: scenario.NotUpgraded, Reason: "the platform said nothing"},
	}, slices.Collect(v.Figures.Idle(s)))
	for name, write := range map[string]func() (string, error){
		"text": func() (string, error) {
			var b bytes.Buffer
			err := report.WriteText(&b, v, report.Style{})
			return b.String(), err
		},
		"json": func() (string, error) { var b bytes.Buffer; err := report.WriteJSON(&b, v); return b.String(), err },
		"html": func() (string, error) { var b bytes.Buffer; err := report.WriteHTML(&b, v); return b.String(), err },
	} {
		text, err := write()
		require.NoError(t, err)
		for _, byReason := range want {
			for reason := range byReason {
				assert.Contains(t, text, reason, name)
			}
		}
		assert.NotContains(t, text, "\x1b[2J", name)
		if name != "json" {
			assert.Contains(t, text, "not_upgraded: 1: the platform says up_to_date (everything runs what its plans "+
				"bring), such as gw-000001", name)
		} else {
			assert.Contains(t, text, `"device": "gw-000004"`, name)
		}
	}
}

// TestManyReasons are counted together beyond some, and each device keeps its own, also
// where parts of a run are merged.
func TestManyReasons(t *testing.T) {
	s, err := scenario.Parse("s",
		[]byte("scenario: s\nduration: 10s\nfleet:\n"+
			"  - {name: gw, count: 60, product: p, components: [{id: app, type: module, version: 1.0.0}]}\n"))
	require.NoError(t, err)
	parts := []*verdict.Judge{verdict.NewJudge(s, verdict.WithoutLogs), verdict.NewJudge(s, verdict.WithoutLogs)}
	for n := 1; n <= 60; n++ {
		part, device := parts[n%2], s.Fleets[0].Device(n)
		part.Add(verdict.Event{Kind: verdict.Arrived, Device: device, Text: "gw"})
		part.Add(verdict.Event{Kind: verdict.Unreached, Device: device, Text: fmt.Sprint("reason ", n)})
	}
	f := parts[0].Figures(verdict.Sizes(s))
	f.Merge(parts[1].Figures(nil))
	n := 0
	for d := range f.Idle(s) {
		n++
		assert.Equal(t, verdict.Idle{Device: s.Fleets[0].Device(n), Class: scenario.Unreachable,
			Reason: fmt.Sprint("reason ", n)}, d)
	}
	assert.Equal(t, 60, n)
	groups := f.IdleGroups(s)
	assert.Equal(t, "other reasons", groups[0].Reason)
	sum := 0
	for _, g := range groups {
		sum += g.Devices
		assert.NotEmpty(t, g.Example, g.Reason)
	}
	assert.Equal(t, 60, sum)
}

// TestRefusedOrders: every form names what the platform refused.
func TestRefusedOrders(t *testing.T) {
	v := verdicts(t)["held"]
	v.Figures.Refused = []string{`suspend_plan at 3.00s: cannot suspend plan "spring": it is <b>Forced Terminated`}
	for name, write := range map[string]func(io.Writer) error{
		"text": func(w io.Writer) error {
			return report.WriteText(w, v,
				report.Style{})
		}, "JSON": func(w io.Writer) error { return report.WriteJSON(w, v) },
		"HTML": func(w io.Writer) error { return report.WriteHTML(w, v) },
	} {
		var b bytes.Buffer
		require.NoError(t, write(&b))
		assert.Contains(t, b.String(), "suspend_plan at 3.00s: cannot suspend plan", name)
		assert.Equal(t, name != "HTML", !strings.Contains(b.String(), "is &lt;b&gt;Forced"), name)
	}
}
