package config_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent/host"
	"otafleet/cmd/ota-agent/config"
	"otafleet/firmware"
	"otafleet/internal/ota"
)

// subDevices are those of full.yaml.
func subDevices(at func(string) string) []config.SubDevice {
	meter := config.SubDevice{Device: "meter-1", Product: "meter", Components: []config.Component{
		{ID: "fw", Type: ota.Module, Installer: config.InstallerCommand,
			Command: &config.CommandInstaller{Path: at("handler")}},
	}}
	twin := meter
	twin.Device = "meter-2"
	return []config.SubDevice{
		{
			Device: "valve-1", Product: "valve", Hardware: "rev-a",
			Trust: &config.Trust{Keys: []string{at("release.pub"), at("spare.pub")}, Threshold: 2},
			Conditions: config.Conditions{BatteryFile: at("capacity"), RSSICommand: []string{at("handler"), "rssi"},
				BusyFile: "/run/valve-1.busy", Least: ota.Conditions{MinBattery: new(0)}},
			Components: []config.Component{
				{ID: "fw", Type: ota.Module, Installer: config.InstallerCommand,
					Command: &config.CommandInstaller{Path: at("handler"), Timeout: 2 * time.Minute}},
				{ID: "table", Type: ota.Module, Installer: config.InstallerFile, Version: "1", File: &config.FileInstaller{
					Path: at("valve-1.tbl"), After: []string{at("handler"), "push"}, Restart: firmware.RestartNone,
				}},
			},
			Health: []host.Check{{Command: []string{at("handler"), "ping"}}},
		},
		meter, twin,
	}
}

func TestTwins(t *testing.T) {
	c, err := config.Load(place(t, "full.yaml"))
	require.NoError(t, err)
	assert.Equal(t, map[string]bool{"valve": false, "meter": true}, c.Twins())
	assert.Equal(t, ota.Identity{Product: "meter", Device: "meter-2"}, c.SubDevices[2].Identity())
}

func TestSubDevicesAreBounded(t *testing.T) {
	for n, want := range map[int]string{
		config.MaxSubDevices: "",
		config.MaxSubDevices + 2: fmt.Sprintf("sub_devices: are %d devices; at most %d are possible", config.MaxSubDevices+2,
			config.MaxSubDevices),
	} {
		path := place(t, "least.yaml")
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		text := string(data) + "\nsub_devices:\n"
		for half := range 2 {
			var names []string
			for i := range n / 2 {
				names = append(names, fmt.Sprintf("m-%d-%d", half, i))
			}
			text += "  - {devices: [" + strings.Join(names, ", ") +
				"], product: m, components: [{id: fw, type: module, installer: command, command: {path: handler}}]}\n"
		}
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		c, err := config.Load(path)
		if want != "" {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err)
		assert.Len(t, c.SubDevices, n)
	}
}

func TestSettingsWithoutSubDevices(t *testing.T) {
	path := place(t, "least.yaml")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(data, "sub_device_parallel: 4\ndownload: {cache: 1GiB}\n"...), 0o644))
	c, err := config.Load(path)
	require.NoError(t, err)
	require.Len(t, c.Warnings, 2)
	assert.Contains(t, c.Warnings[0], "sub_device_parallel: has no effect without sub_devices")
	assert.Contains(t, c.Warnings[1], "download.cache: has no effect without sub_devices")
}

// A sub-device is not another one of the file, and not the gateway.
func TestSubDeviceThatIsTheGateway(t *testing.T) {
	path := place(t, "least.yaml")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(data) +
		"\nsub_devices: [{device: gw-0001, product: m, components: [{id: fw, type: module, installer: command, command: " +
		"{path: handler}}]}]\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	_, err = config.Load(path)
	assert.ErrorContains(t, err, `sub_devices[0].device: "gw-0001" is there already`)
}
