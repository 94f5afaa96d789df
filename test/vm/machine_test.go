//go:build vm

package vm_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

// kernelDir is where Debian's kernel package is unpacked.
func kernelDir() string { return os.Getenv("VM_KERNEL") }

// kernel is the path of its kernel.
func kernel(t *testing.T) string {
	kernels, err := filepath.Glob(filepath.Join(kernelDir(), "boot/vmlinuz-*"))
	require.NoError(t, err)
	require.Len(t, kernels, 1, "want one kernel below VM_KERNEL=%s", kernelDir())
	return kernels[0]
}

// bootLoader is what differs between machines by what chooses the slot.
type bootLoader struct {
	name     string
	memory   string            // of the boot loader, as the machine calls it
	devices  [2]string         // the slots, as the machine calls them
	slotSize int               // of an image, in bytes; all of a slot
	files    map[string]string // of an image: where they are on the host, by their path in it
	data     map[string]string // further files on the data disk, by their path
	// disks makes the disks of a machine, with image in slot a, from the directory
	// of what is on its data disk.
	disks func(data string, image []byte) disks
}

// disks are a machine's.
type disks struct {
	arguments []string // of the emulator
	slots     [2]place
}

// place is where on the host a slot's bytes are.
type place struct {
	path   string
	offset int64
}

// drive is the emulator's arguments for a disk. Unsafe is about the host's power:
// what the emulator was to write is with the host's kernel at once, and
// stays when the emulator is killed.
func drive(id, path string) []string {
	return []string{"-drive", "if=none,format=raw,cache=unsafe,id=" + id + ",file=" + path}
}

// machine is an emulated one: one processor without hardware support, two slots
// and a data disk.
type machine struct {
	t       *testing.T
	boot    bootLoader
	disks   disks
	dir     string // where the emulator runs
	process *harness.Process
	starts  int
}

// newMachine makes a machine that runs image from slot a, with an installation
// of ota-agent on its data disk.
func newMachine(t *testing.T, boot bootLoader, installation string, image []byte) *machine {
	data := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(data, "agent"), os.DirFS(installation)))
	for name, content := range boot.data {
		path := filepath.Join(data, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return &machine{t: t, boot: boot, disks: boot.disks(data, image), dir: t.TempDir()}
}

// start switches the power on.
func (m *machine) start() {
	m.t.Helper()
	m.starts++
	args := []string{
		"-machine", "pc", "-accel", "tcg,tb-size=64", "-cpu", "max", "-smp", "1", "-m", "160",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
	}
	m.process = harness.Start(m.t, m.dir, "qemu-system-x86_64", append(args, m.disks.arguments...)...)
}

// kill switches it off.
func (m *machine) kill() { m.process.Kill() }

func (m *machine) awaitOutput(text string) {
	m.t.Helper()
	m.process.AwaitOutput(text)
}

// awaitInit waits until the machine runs a version, and says from which slot.
func (m *machine) awaitInit(version string) place {
	m.t.Helper()
	started := regexp.MustCompile(`init: version (\S+) from (\S+)`)
	var found [][]string
	harness.Await(m.t, "a start of "+version, func() bool {
		found = started.FindAllStringSubmatch(m.process.Output(), -1)
		return len(found) > 0
	})
	last := found[len(found)-1]
	require.Equal(m.t, version, last[1], "the machine does not run what was reported")
	require.Contains(m.t, m.boot.devices, last[2])
	if last[2] == m.boot.devices[0] {
		return m.disks.slots[0]
	}
	return m.disks.slots[1]
}

// holds reports whether the slot begins with an image.
func (p place) holds(t *testing.T, image []byte) bool {
	t.Helper()
	f, err := os.Open(p.path)
	require.NoError(t, err)
	defer f.Close()
	found := make([]byte, len(image))
	_, err = io.ReadFull(io.NewSectionReader(f, p.offset, int64(len(image))), found)
	require.NoError(t, err)
	return bytes.Equal(image, found)
}
