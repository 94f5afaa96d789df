package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// slots are the two slots of a story's device, with a boot loader that keeps its
// memory in the file "env". A slot begins with its version; one that begins with
// anything else does not start.
type slots struct {
	restarts int
	load     func(env map[string]string) (slot string) // what the loader does at a start
}

// slotSize is that of both slots.
const slotSize = 1 << 20

// newSlots lays the device out, with 1.0.0 in slot a.
func (s *story) newSlots(load func(map[string]string) string) {
	s.slots = &slots{load: load}
	s.Write("root-a", image("1.0.0"), 0o644)
	s.Write("root-b", make([]byte, slotSize), 0o644)
	s.Write("running", []byte("a\n"), 0o644)
	s.Write("image-version", []byte("1.0.0\n"), 0o644)
}

// image is a whole slot of a version.
func image(version string) []byte {
	return append([]byte(version+"\n"), harness.Image(5, slotSize-len(version)-1)...)
}

// boots starts the device anew if the agent has asked for it, as often as the boot
// loader needs to find a slot that starts.
func (b *slots) boots(s *story) {
	if b == nil || missing(s.Path("restart")) {
		return
	}
	s.agent.Kill()
	require.NoError(s.t, os.Remove(s.Path("restart")))
	for {
		env := parseEnv(string(s.Read("env")))
		slot := b.load(env)
		s.Write("env", []byte(formatEnv(env)), 0o644)
		version, _, _ := strings.Cut(string(s.Read("root-" + slot)[:64]), "\n")
		if version[0] < '0' || version[0] > '9' {
			continue // its watchdog restarts it
		}
		b.restarts++
		s.Write("running", []byte(slot+"\n"), 0o644)
		s.Write("image-version", []byte(version+"\n"), 0o644)
		s.Write("boot_id", fmt.Appendln(nil, b.restarts), 0o644)
		break
	}
	s.agent = harness.Start(s.t, s.Dir, "sh", "-c", s.path()+"exec ota-agent run --config agent.yaml")
}

// other is the other slot.
func other(slot string) string {
	return map[string]string{"a": "b", "b": "a"}[slot]
}

// uboot does what U-Boot does with its counter, and the lines of the guide.
func uboot(env map[string]string) string {
	if env["upgrade_available"] == "1" {
		count, _ := strconv.Atoi(env["bootcount"])
		limit, _ := strconv.Atoi(env["bootlimit"])
		if env["bootcount"] = strconv.Itoa(count + 1); count+1 > limit { // altbootcmd
			env["ota_slot"], env["upgrade_available"], env["bootcount"] = other(env["ota_slot"]), "0", "0"
		}
	}
	return env["ota_slot"]
}

// grub does what the lines of the guide do.
func grub(env map[string]string) string {
	switch tries, _ := strconv.Atoi(env["ota_tries"]); {
	case env["ota_tries"] == "0":
		env["ota_slot"], env["ota_tries"] = other(env["ota_slot"]), ""
	case env["ota_tries"] != "":
		env["ota_tries"] = strconv.Itoa(tries - 1)
	}
	return env["ota_slot"]
}

// parseEnv reads lines NAME=VALUE, and the head and the padding of GRUB's block.
func parseEnv(text string) map[string]string {
	env := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, is := strings.Cut(strings.TrimSpace(line), "="); is {
			env[name] = value
		}
	}
	if strings.HasPrefix(text, grubHead) {
		env[grubHead] = ""
	}
	return env
}

// grubHead is the first line of GRUB's environment block.
const grubHead = "# GRUB Environment Block\n"

// formatEnv writes them again.
func formatEnv(env map[string]string) string {
	_, block := env[grubHead]
	text := ""
	for name, value := range env {
		if name != grubHead {
			text += name + "=" + value + "\n"
		}
	}
	if !block {
		return text
	}
	return grubHead + text + strings.Repeat("#", 1024-len(grubHead)-len(text))
}

func TestStoryOfUBoot(t *testing.T) {
	t.Parallel()
	s := newStory(t, "A/B slots with U-Boot", "/dev/disk/by-partlabel/", "", "/etc/image-version", "image-version",
		"boot: uboot", "boot: uboot\n      running: ./running")
	s.Write("env", []byte("ota_slot=a\n"), 0o644)
	s.Write("bin/fw_printenv", []byte("#!/bin/sh\ncat \"${0%/*}/../env\"\n"), 0o755)
	s.Write("bin/fw_setenv", []byte("#!/bin/sh\nfor last; do :; done\ncat \"$last\" >>\"${0%/*}/../env\"\n"), 0o755)
	s.newSlots(uboot)
	s.upgrades("1.1.0", string(image("1.1.0")))
	s.offer("1.2.0", "3", strings.Repeat("no kernel", 1000))
	s.sees(s.shown[1])
	assert.Equal(t, "b\n", string(s.Read("running")))
}

func TestStoryOfGRUB(t *testing.T) {
	t.Parallel()
	s := newStory(t, "A/B slots with GRUB", "/dev/disk/by-partlabel/", "", "/etc/image-version", "image-version",
		"/boot/grub/grubenv", "env", "01:00-05:00 Europe/Berlin", "00:00-24:00 UTC",
		"boot: grub", "boot: grub\n      running: ./running")
	s.Write("env", []byte(formatEnv(map[string]string{grubHead: "", "ota_slot": "a"})), 0o644)
	s.newSlots(grub)
	s.upgrades("1.1.0", string(image("1.1.0")))
	s.healthy(false)
	s.offer("1.2.0", "3", string(image("1.2.0")))
	s.sees(s.shown[1])
	assert.Equal(t, "b\n", string(s.Read("running")))
}
