package host_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/host"
)

// A sensor that cannot be read is logged once, and again when the reason changes.
func TestBrokenSensorIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	file := filepath.Join(t.TempDir(), "capacity")
	s := host.NewSensors(host.SensorConfig{BatteryFile: file, RSSICommand: []string{"sh", "-c", "exit 3"},
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	logged := func() []string {
		for range 10 {
			s.Read(t.Context())
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		log.Reset()
		return lines
	}
	battery := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }

	lines := logged()
	require.Len(t, lines, 2, "the battery is missing, and the command fails")
	assert.Contains(t, lines[0], "sensor=battery")
	assert.Contains(t, lines[1], "sensor=rssi")
	assert.Equal(t, []string{""}, logged())
	battery("101")
	assert.Contains(t, strings.Join(logged(), "|"), "101 is not within 0..100")
	battery("80")
	assert.Contains(t, strings.Join(logged(), "|"), `level=INFO msg="a sensor can be read again" sensor=battery`)
	assert.Equal(t, []string{""}, logged())
	require.NoError(t, os.Remove(file))
	lines = logged()
	require.Len(t, lines, 1)
	assert.Contains(t, lines[0], "level=WARN")
}
