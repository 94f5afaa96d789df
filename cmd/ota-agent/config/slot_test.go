package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/cmd/ota-agent/config"
)

// loadSlots loads a configuration whose only component has slots; the paths of it
// start from dir.
func loadSlots(t *testing.T, settings string) (c *config.Config, dir string, err error) {
	t.Helper()
	path := place(t, "least.yaml")
	dir = filepath.Dir(path)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	before, _, found := strings.Cut(string(data), "components:")
	require.True(t, found)
	for _, name := range []string{"a.img", "b.img"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("image"), 0o600))
	}
	require.NoError(t, os.Symlink("a.img", filepath.Join(dir, "root-b")))
	text := before + "components:\n  - {id: rootfs, type: module, installer: slot, version: 1.0.0, slot: {" + settings +
		"}}\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	c, err = config.Load(path)
	return c, dir, err
}

func TestSlotsThatAreNone(t *testing.T) {
	for devices, want := range map[string]string{
		"[a.img, root-b]":    "are one device; a slot of its own is needed for each version",
		"[a.img, ./a.img]":   "are the same; want two slots",
		"[a.img, /dev/null]": "/dev/null is neither a block device nor a file; want block devices or image files",
	} {
		_, _, err := loadSlots(t, "devices: "+devices+", boot: flag, boot_file: flag")
		require.ErrorContains(t, err, want)
	}
}

func TestWarningsOfSlots(t *testing.T) {
	block := filepath.Join(t.TempDir(), "grubenv")
	require.NoError(t, os.WriteFile(block, []byte("# GRUB Environment Block\nmine="+strings.Repeat("x", 993)+"\n"), 0o600))
	for settings, want := range map[string]string{
		"devices: [/dev/nvme0n1p2, /dev/nvme1n1p2], boot: flag, boot_file: flag": "/dev/nvme0n1p2 may be another disk " +
			"after a restart",
		"devices: [/dev/sda2, a.img], boot: flag, boot_file: flag": "/dev/sda2 may be another disk after a " +
			"restart",
		"devices: [a.img, b.img], boot: flag, boot_file: none/flag":  "slot.boot_file: cannot be upgraded now: ",
		"devices: [a.img, b.img], boot: grub, boot_file: agent.yaml": "does not begin with GRUB's signature",
		"devices: [a.img, b.img], boot: grub, boot_file: " + block:   "its 1024 bytes are full",
	} {
		c, _, err := loadSlots(t, settings)
		require.NoError(t, err)
		assert.Contains(t, strings.Join(c.Warnings, "\n"), want)
	}
	c, _, err := loadSlots(t, "devices: [/dev/disk/by-partuuid/x, b.img], boot: flag, boot_file: flag")
	require.NoError(t, err)
	assert.NotContains(t, strings.Join(c.Warnings, "\n"), "another disk")
}

// The file that names the running slot is found from the configuration, as all are.
func TestRelativeRunning(t *testing.T) {
	const rest = "devices: [a.img, b.img], boot: flag, boot_file: flag, running: "
	c, dir, err := loadSlots(t, rest+"./running")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "running"), c.Components[0].Slot.Running)
	_, _, err = loadSlots(t, rest+"rot")
	require.ErrorContains(t, err, `"rot" is not valid; want auto, root, cmdline or a path with a / in it`)
}
