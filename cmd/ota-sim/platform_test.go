package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// TestJournalEscapes: what a device writes neither commands the terminal nor makes
// up a line.
func TestJournalEscapes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	j := &journal{w: &out}
	evil := "\x1b[2J\x1b]0;title\x07no\n12:00:00  gw-0042  is now: Upgraded \u202e\u009b31m"
	device := ota.Identity{Product: "gw", Device: "one"}
	j.observe(time.Time{}, engine.Decided{Device: device, Decision: &ota.Decision{Plan: "p" + evil, Reason: "declined", Detail: evil}})
	j.observe(time.Time{}, engine.Recorded{Device: device, Report: &ota.Report{Component: "app" + evil, Status: ota.UpgradeFailed,
		Failure: &ota.Failure{Code: ota.Internal, Detail: evil}}})
	for line := range bytes.Lines(out.Bytes()) {
		assert.Contains(t, string(line), `\x1b[2J\x1b]0;title\ano\n12:00:00`)
		assert.NotContains(t, string(bytes.TrimSuffix(line, []byte("\n"))), "\x1b")
		assert.NotContains(t, string(line), "\u202e")
	}
	assert.Equal(t, 2, bytes.Count(out.Bytes(), []byte("\n")))
}
