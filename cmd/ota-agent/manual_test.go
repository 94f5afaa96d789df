package main

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

var update = flag.Bool("update", false, "write the manual page")

const manual = "../../docs/ota-agent.1"

// TestManualPage holds the manual page against the program: what it says of verbs,
// flags, exit codes and keys is written by go test ./cmd/ota-agent -update.
func TestManualPage(t *testing.T) {
	page := program().Manual(cli.Manual{
		Date: "2026-11-25",
		Description: "The agent keeps the firmware and software of a device up to date: it takes upgrade plans from a " +
			"platform, accepts or refuses, " +
			"downloads signed packages, installs them, checks that the device is healthy and rolls back what is not. " +
			"Run with another verb, the same program talks to the running agent over its control socket.",
		Files: []cli.ManualFile{
			{Path: defaultConfig, Meaning: "The configuration, in YAML. ota-agent validate --keys lists its keys."},
			{Path: "/var/lib/ota-agent", Meaning: "The state of the agent, and its event log (events.jsonl)."},
			{Path: "/run/ota-agent.sock",
				Meaning: "The control socket: HTTP with JSON. Whoever may open it may look; root, the agent's user and the " +
					"members of its group may change something."},
		},
		SeeAlso: "The guide for operators, OPERATOR.md, and the handler's contract, HANDLER.md.",
	})
	if *update {
		require.NoError(t, os.WriteFile(manual, []byte(page), 0o644))
	}
	kept, err := os.ReadFile(manual)
	require.NoError(t, err)
	assert.Equal(t, page, string(kept), "go test ./cmd/ota-agent -run Manual -update writes it")
	for _, v := range verbs() {
		assert.Contains(t, page, "\n.SS "+v.Name+"\n")
	}
}
