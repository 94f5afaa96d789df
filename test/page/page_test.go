//go:build page

// Package page_test opens the report of a run in a real browser.
//
// One flow through it: a run of ten thousand devices is made up and recorded, its
// record is judged, and the report is written to a file; Chromium, which CHROMIUM
// names, opens the file without a window, in light and dark and in the widths of
// a desk and of a phone; the tests read what is on the page, move over it, and
// take pictures, which go test keeps with -artifacts.
//
// Whether the verdict is right is for the tests of the packages that make it.
package page_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/simulator/history"
	"otafleet/simulator/report"
	"otafleet/simulator/verdict"
	"otafleet/simulator/verdict/verdicttest"
)

const devices = 10_000

// numbers are those of the JSON form that the page must show too.
type numbers struct {
	Devices int
	Classes struct {
		All    map[string]int
		Fleets map[string]map[string]int
	}
	Components   map[string]map[string]int
	Reports      map[string]int
	Expectations []struct {
		Name, Measured string
		Held           bool
		Occasions      int
	}
	Faults []struct {
		Name                 string
		Drawn, Fired, Struck int
	}
	HistoryDigest string `json:"history_digest"`
}

// recorded records a made-up run, judges the record, and writes the page into a
// directory. An expectation that is given is in the scenario beside its own.
func recorded(t *testing.T, dir, expectation string) (path string, n numbers) {
	t.Helper()
	text := verdicttest.Fleets(devices) + expectation
	s := verdicttest.Parse(text)
	record := filepath.Join(dir, "record")
	w, err := history.Create(t.Context(), history.Dir(record), history.Info{Text: []byte(text), Name: s.Name,
		Source: "two-fleets.yaml", Seed: 42, World: "virtual", Fleets: verdict.Sizes(s),
		Program: "ota-sim 1.0", Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
	require.NoError(t, err)
	verdicttest.Play(s, 42, func(e verdict.Event) { w.AddEvents([]verdict.Event{e}) })
	took := verdict.Resources{PeakMemory: 812 << 20, Sockets: 11_204,
		Wall: 154 * time.Second, CPU: 131 * time.Second, CPUs: 2, System: "linux/amd64"}
	require.NoError(t, w.Close(history.End{Drawn: verdicttest.Drawn(s, 42), Resources: took}))
	r, err := history.Open(t.Context(), history.Dir(record))
	require.NoError(t, err)
	v, err := history.Judge(context.Background(), r)
	require.NoError(t, err)

	var page, document bytes.Buffer
	require.NoError(t, report.WriteHTML(&page, v))
	require.NoError(t, report.WriteJSON(&document, v))
	require.NoError(t, json.Unmarshal(document.Bytes(), &n))
	t.Logf("the page has %d bytes, %d of them a device", page.Len(), page.Len()/devices)
	path = filepath.Join(dir, "report.html")
	require.NoError(t, os.WriteFile(path, page.Bytes(), 0o666))
	return path, n
}
