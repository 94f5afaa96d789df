package e2e_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware/serial/serialtest"
	"otafleet/internal/ota"
	"otafleet/test/harness"
)

// mcuSetting is a device with an MCU on a serial line, which runs 1.0.0.
// patience is how long it may take to answer.
func mcuSetting(t *testing.T, patience string, change func(*serialtest.MCU),
	more harness.Settings) (*setting, *serialtest.MCU) {
	s := newSetting(t)
	mcu := serialtest.New(s.device.Path("tty"), mcuImage("1.0.0"))
	mcu.Batch = true
	change(mcu)
	require.NoError(t, mcu.Plug())
	t.Cleanup(mcu.Close)
	s.device.Write("factory.bin", mcuImage("1.0.0"), 0o644)
	version := harness.Settings{"send": "version\r", "expect": `version (\S+)\r`, "timeout": patience}
	enter := harness.Settings{"send": "update\r", "expect": "ready", "timeout": patience}
	settings := harness.Settings{
		"port": "tty", "protocol": "ymodem",
		"version": version,
		"enter":   []harness.Settings{enter},
		"factory": harness.Settings{"version": "1.0.0", "image": "factory.bin"},
		"timeout": "20s", "tries": 2, "start_timeout": "20s",
	}
	for key, value := range more {
		settings[key] = value
	}
	s.device.Components(harness.Settings{"id": "motor", "type": "mcu", "installer": "serial", "serial": settings})
	return s, mcu
}

// mcuImage is an image of the emulated MCU: its first line is its version.
func mcuImage(version string) []byte {
	return append([]byte(version+"\n"), harness.Image(7, 20_000)...)
}

func (s *setting) packImage(target string, release int64, content []byte) *harness.Package {
	return harness.Pack(s.t, "motor", target, release, content, func(m *ota.Manifest) { m.Type = ota.MCU }, s.key)
}

func TestSerialMCU(t *testing.T) {
	t.Parallel()
	s, mcu := mcuSetting(t, "20s", func(*serialtest.MCU) {}, nil)
	s.device.Start()
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceUpgraded, s.packImage("1.1.0", 1, mcuImage("1.1.0")))
	assert.Equal(t, succeeded, s.platform.Trail("p", "motor"))
	assert.True(t, bytes.Equal(mcuImage("1.1.0"), mcu.Live()))
	assert.Empty(t, s.platform.Faults("p"))
}

// An MCU that dies in the transfer is reported as silent, and given its old image
// when it is there again.
func TestSerialMCUFallsSilent(t *testing.T) {
	t.Parallel()
	dies := func(mcu *serialtest.MCU) { mcu.OneBank, mcu.ResetAt, mcu.Dies = true, 5, true }
	s, mcu := mcuSetting(t, "300ms", dies,
		harness.Settings{"start_timeout": "200ms", "attempts": 2, "timeout": "200ms", "tries": 1})
	s.device.Start()
	s.platform.Offer(harness.Plan{ID: "p"}, s.packImage("1.1.0", 1, mcuImage("1.1.0")))
	harness.Await(t, "the MCU to die", mcu.Dead)
	assert.Nil(t, mcu.Live())
	mcu.Revive()
	s.platform.AwaitStatus("p", s.device, ota.DeviceUpgradeFailed)
	assert.Equal(t, trail("download_succeeded", "upgrading", "upgrade_failed: component_silent"),
		s.platform.Trail("p", "motor"))
	assert.True(t, bytes.Equal(mcuImage("1.0.0"), mcu.Live()))
}

func TestSerialMCUKeepsItsVersion(t *testing.T) {
	t.Parallel()
	s, mcu := mcuSetting(t, "20s", func(mcu *serialtest.MCU) { mcu.Forgets = true }, nil)
	s.device.Start()
	s.upgrade(harness.Plan{ID: "p"}, ota.DeviceUpgradeFailed, s.packImage("1.1.0", 1, mcuImage("1.1.0")))
	assert.Equal(t, trail("download_succeeded", "upgrading", "upgrade_failed: verify_failed"),
		s.platform.Trail("p", "motor"))
	assert.True(t, bytes.Equal(mcuImage("1.0.0"), mcu.Live()))
}
