//go:build !noline

package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/control"
	"otafleet/agent/host"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/firmware/modem"
	"otafleet/firmware/serial"
)

func TestRehearseComponent(t *testing.T) {
	const capacity = 1 << 20 // bytes of the slot that does not run; the other is larger
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, size := range map[string]int64{"a.img": 2 * capacity, "b.img": capacity} {
		require.NoError(t, os.WriteFile(path(name), nil, 0o600))
		require.NoError(t, os.Truncate(path(name), size))
	}
	require.NoError(t, os.WriteFile(path("running"), []byte("a"), 0o600))
	slot := func(running string) config.Component {
		return config.Component{ID: "rootfs", Version: "1.0.0", Slot: &config.SlotInstaller{
			Devices: [2]string{path("a.img"), path("b.img")}, Boot: config.BootFlag, BootFile: path("flag"),
			Running: path(running), Tries: 3}}
	}
	file := config.Component{ID: "app", File: &config.FileInstaller{Path: path("app"), Restart: firmware.RestartProcess}}
	onLine := func(l config.LineInstallers) config.Component { return config.Component{LineInstallers: l} }
	huge := *host.FreeBytes(dir) + 1<<40
	for name, test := range map[string]struct {
		component        config.Component
		size             int64 // of the image
		restart          string
		refused, blocked string
		room             bool // is known
	}{
		"slot":            {slot("running"), capacity, "system", "", "", true},
		"slot, too small": {slot("running"), capacity + 1, "system", "the slot takes 1.0 MiB, 1 B too few", "", true},
		"slot, unknown":   {slot("absent"), capacity + 1, "system", "", "", false},
		"file":            {file, capacity, "process", "", "", true},
		"file, too large": {file, huge, "process", "", "iB free in " + dir, true},
		"MCU":             {onLine(config.LineInstallers{Serial: &serial.Config{}}), capacity, "none", "", "", true},
		"MCU, too large": {onLine(config.LineInstallers{Serial: &serial.Config{}}), huge, "none", "", "iB free in " + dir,
			true},
		"cellular module":   {onLine(config.LineInstallers{Modem: &modem.Config{}}), capacity, "none", "", "", true},
		"what a handler is": {config.Component{Command: &config.CommandInstaller{}}, capacity, "unknown", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			u := &unit{dir: dir, log: slog.New(slog.DiscardHandler)}
			r := control.Rehearsal{WriteBytes: test.size, Restart: "unknown"}
			u.rehearseComponent(t.Context(), &test.component, &r)
			assert.Equal(t, test.restart, r.Restart)
			assert.Equal(t, test.room, r.FreeBytes != nil)
			if test.component.Slot != nil && test.room {
				assert.Equal(t, int64(capacity), *r.FreeBytes)
			}
			if test.refused == "" {
				assert.Nil(t, r.Refused)
			} else {
				assert.Equal(t, &control.Failure{Code: "too_large", Detail: test.refused}, r.Refused)
			}
			if test.blocked == "" {
				assert.Empty(t, r.Blocked)
			} else {
				require.Len(t, r.Blocked, 1)
				assert.Contains(t, r.Blocked[0].Detail, test.blocked)
			}
			assert.NoDirExists(t, path("components"), "nothing has changed")
		})
	}
}
