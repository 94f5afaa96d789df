package scenario_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/scenario"
)

// drive is a trace of all that one may have.
const drive = "time_s,down_kbit_s,up_kbit_s,latency_ms,loss_percent\n" +
	"0,8000,800,40,0\n10,0,0,40,0\n12,4000,400,80,2\n20\n"

// linked is a directory with a scenario of one fleet with this link.
func linked(link string) dir {
	return dir{"s.yaml": "scenario: s\nduration: 1m\nfleet:\n  - name: a\n    count: 1\n    product: p\n" +
		"    components: [{id: app, type: module, version: 1}]\n    link: " + link + "\n",
		"drive.csv": drive, "down.csv": "time_s,down_kbit_s\n0,80\n1\n", "bad.csv": "time_s,down\n",
		"cell.down": "10\n20\n100\n"}
}

// TestPresets holds that a preset is its figures, of which each may be another one.
func TestPresets(t *testing.T) {
	for _, p := range scenario.Presets() {
		for _, form := range []string{p.Name, "{preset: " + p.Name + "}"} {
			s, _, err := linked(form).compose()
			require.NoError(t, err, p.Name)
			assert.Equal(t, p.Link, s.Fleets[0].Link, p.Name)
		}
		assert.Positive(t, p.Link.Bandwidth)
		assert.Positive(t, p.Link.Upload)
		assert.NotEmpty(t, p.Source)
	}
	s, _, err := linked("{preset: lte, latency: 2s, bandwidth: 0}").compose()
	require.NoError(t, err)
	assert.Equal(t, scenario.Link{Upload: 950_000, Latency: 2 * time.Second, Jitter: 1350 * time.Microsecond},
		s.Fleets[0].Link)
}

// TestTraces reads a trace beside the scenario, which becomes a part of its text.
func TestTraces(t *testing.T) {
	s, text, err := linked("{preset: lte, trace: drive.csv, trace_start: begin}").compose()
	require.NoError(t, err)
	l := s.Fleets[0].Link
	assert.Equal(t, 20*time.Second, l.Trace.Length())
	assert.True(t, l.TraceAtBegin)
	assert.Equal(t, 5*time.Second+16*(80*time.Millisecond+l.Jitter+200*time.Millisecond)+2*time.Second, s.Patience())
	again, same, err := dir{"s.yaml": string(text)}.compose()
	require.NoError(t, err, string(text))
	assert.Equal(t, s, again)
	assert.Equal(t, string(text), string(same))

	s, _, err = linked("{trace: cell.down, upload: 1KiB/s, latency: 80ms}").compose()
	require.NoError(t, err)
	assert.EqualValues(t, 45_000, s.Fleets[0].Link.Trace.Average())
	assert.EqualValues(t, 1024, s.Fleets[0].Link.Upload)
}

// TestATraceBesideAPart is found from the part.
func TestATraceBesideAPart(t *testing.T) {
	d := dir{"s.yaml": "scenario: s\nduration: 1m\ninclude: [parts/fleet.yaml]\n",
		"parts/fleet.yaml": "fleet: [{name: a, count: 1, product: p, link: {trace: drive.csv}, " +
			"components: [{id: app, type: module, version: 1}]}]\n",
		"parts/drive.csv": drive}
	s, _, err := d.compose()
	require.NoError(t, err)
	assert.NotNil(t, s.Fleets[0].Link.Trace)
	_, _, err = d.with("parts/drive.csv", "time_s,up\n").compose()
	assert.EqualError(t, err, "parts/fleet.yaml:1:55: fleet[0].link.trace: the trace is not valid:\n"+
		`parts/drive.csv:1:8: header: "up" is not a column; want one of time_ms, time_s, down_bytes_s, down_kbit_s, `+
		"down_mbit_s, up_bytes_s, up_kbit_s, up_mbit_s, latency_ms, loss_percent")
}

func TestLinkMistakes(t *testing.T) {
	for link, want := range map[string]string{
		"lte-n":                                 `s.yaml:8:11: fleet[0].link: "lte-n" is not known here; did you mean`,
		"{preset: 4g}":                          `fleet[0].link.preset: "4g" is not known here`,
		"{preset: nb-iot, jitter: 2s}":          "s.yaml:8:36: fleet[0].link.jitter: is more than the latency of 1.6s",
		"{preset: lte-m, latency: 1ms}":         "fleet[0].link.jitter: is more than the latency of 1ms",
		"{trace: no.csv}":                       "s.yaml:8:19: fleet[0].link.trace: no.csv: file does not exist",
		"{trace: ../drive.csv}":                 "is no path of a file in the scenario's directory or below",
		"{trace: /drive.csv}":                   "is no path of a file in the scenario's directory or below",
		"{trace: bad.csv}":                      "fleet[0].link.trace: the trace is not valid:\nbad.csv:1:8: header",
		"{trace: drive.csv, bandwidth: 1MiB/s}": "fleet[0].link.bandwidth: is what the trace says; remove it here",
		"{trace: drive.csv, upload: 1MiB/s}":    "fleet[0].link.upload: is what the trace says",
		"{trace: drive.csv, latency: 1s}":       "fleet[0].link.latency: is what the trace says",
		"{trace: drive.csv, loss: 1%}":          "fleet[0].link.loss: is what the trace says",
		"{trace: drive.csv, jitter: 41ms}":      "fleet[0].link.jitter: is more than the latency of 40ms",
		"{trace: down.csv, trace_start: end}":   `fleet[0].link.trace_start: "end" is not known here`,
		"{trace_start: begin}":                  "s.yaml:8:25: fleet[0].link.trace_start: goes with a trace",
		"{trace: }":                             "fleet[0].link.trace: has no value",
	} {
		_, _, err := linked(link).compose()
		assert.ErrorContains(t, err, want, link)
	}
}

// TestOneTraceOfManyFleets stands once in the text.
func TestOneTraceOfManyFleets(t *testing.T) {
	long := "time_s,down_kbit_s\n"
	for i := range 2000 {
		long += strconv.Itoa(i) + "," + []string{"1", "2"}[i%2] + "\n"
	}
	fleet := func(name string) string {
		return "  - {name: " + name + ", count: 1, product: p, link: {trace: long.csv}, " +
			"components: [{id: app, type: module, version: 1}]}\n"
	}
	d := dir{"s.yaml": "scenario: s\nduration: 1m\nfleet:\n" + fleet("a") + fleet("b") + fleet("c"), "long.csv": long}
	s, text, err := d.compose()
	require.NoError(t, err)
	assert.Less(t, len(text), 2*len(s.Fleets[0].Link.Trace.Text()))
	again, _, err := dir{"s.yaml": string(text)}.compose()
	require.NoError(t, err)
	assert.Equal(t, s, again)
}
