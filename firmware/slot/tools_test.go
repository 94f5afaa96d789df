//go:build real

package slot_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware/slot"
)

// U-Boot's environment through libubootenv, kept twice as on a device.
func TestToolsUBoot(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"env.0", "env.1"} {
		require.NoError(t, os.WriteFile(path(name), []byte(strings.Repeat("\xff", 16<<10)), 0o600))
	}
	config := path("env.0") + " 0x0 0x4000\n" + path("env.1") + " 0x0 0x4000\n"
	require.NoError(t, os.WriteFile(path("fw_env.config"), []byte(config), 0o600))
	require.NoError(t, os.WriteFile(path("env"), []byte("bootcmd=run ota_boot\nbootdelay=1\n"), 0o600))
	u := slot.UBoot{Config: path("fw_env.config"), Dir: path("state")}
	fw := func(args ...string) string {
		out, err := exec.Command(args[0], append([]string{"--config", u.Config}, args[1:]...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	fw("fw_setenv", "--defenv", path("env"), "--script", path("env"))
	_, err := u.Choice(t.Context())
	require.ErrorContains(t, err, `ota_slot: "" is not a slot`)
	for _, choice := range choices {
		require.NoError(t, u.Choose(t.Context(), choice))
		found, err := u.Choice(t.Context())
		require.NoError(t, err)
		assert.Equal(t, choice, found)
	}
	require.NoError(t, u.Choose(t.Context(), slot.Choice{Slot: slot.B, Trial: true, Tries: 3}))
	fw("fw_setenv", "bootcount", "2") // as U-Boot does
	found, err := u.Choice(t.Context())
	require.NoError(t, err)
	assert.Equal(t, slot.Choice{Slot: slot.B, Trial: true, Tries: 1}, found)
	assert.Contains(t, fw("fw_printenv", "bootcmd"), "bootcmd=run ota_boot\n", "what is not ours is kept")
}

// An environment block that grub-editenv writes, and one that it reads.
func TestToolsGRUB(t *testing.T) {
	grub := slot.GRUB{Path: filepath.Join(t.TempDir(), "grubenv")}
	editenv := func(args ...string) string {
		out, err := exec.Command("grub-editenv", append([]string{grub.Path}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	editenv("create")
	editenv("set", `saved_entry=a\b`, "ota_slot=a", "ota_tries=")
	found, err := grub.Choice(t.Context())
	require.NoError(t, err)
	assert.Equal(t, slot.Choice{Slot: slot.A}, found)

	require.NoError(t, grub.Choose(t.Context(), slot.Choice{Slot: slot.B, Trial: true, Tries: 3}))
	assert.Equal(t, "ota_slot=b\nota_tries=3\nsaved_entry=a\\b\n", editenv("list"))
	editenv("set", "ota_tries=2")
	found, err = grub.Choice(t.Context())
	require.NoError(t, err)
	assert.Equal(t, slot.Choice{Slot: slot.B, Trial: true, Tries: 2}, found)
}

// The lines of the guide are a script that GRUB can read.
func TestToolsGRUBReadsTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/OPERATOR.md")
	require.NoError(t, err)
	_, script, found := strings.Cut(string(guide), "<!-- grub-loader -->\n```\n")
	require.True(t, found)
	script, _, found = strings.Cut(script, "```")
	require.True(t, found)
	check := exec.Command("grub-script-check")
	check.Stdin = strings.NewReader(script)
	out, err := check.CombinedOutput()
	require.NoError(t, err, string(out))
}
