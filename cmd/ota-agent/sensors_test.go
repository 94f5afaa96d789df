package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/cmd/ota-agent/config"
)

// A sensor that cannot be read is told of once, and again when the reason changes.
func TestBrokenSensorIsToldOfOnce(t *testing.T) {
	var log bytes.Buffer
	file := filepath.Join(t.TempDir(), "capacity")
	s := &sensors{config: config.Conditions{BatteryFile: file, RSSICommand: []string{"sh", "-c", "exit 3"}},
		log: slog.New(slog.NewTextHandler(&log, nil))}
	told := func() []string {
		for range 10 {
			s.Read(t.Context())
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		log.Reset()
		return lines
	}
	battery := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }

	lines := told()
	require.Len(t, lines, 2, "the battery is missing, and the command fails")
	assert.Contains(t, lines[0], "sensor=battery")
	assert.Contains(t, lines[1], "sensor=rssi")
	assert.Equal(t, []string{""}, told())
	battery("101")
	assert.Contains(t, strings.Join(told(), "|"), "101 is not within 0..100")
	battery("80")
	assert.Contains(t, strings.Join(told(), "|"), `level=INFO msg="a sensor can be read again" sensor=battery`)
	assert.Equal(t, []string{""}, told())
	require.NoError(t, os.Remove(file))
	lines = told()
	require.Len(t, lines, 1)
	assert.Contains(t, lines[0], "level=WARN")
}
