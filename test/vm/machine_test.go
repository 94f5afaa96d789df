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

// machine is an emulated one: one processor without hardware support, two slots
// and a data disk.
type machine struct {
	t       *testing.T
	dir     string
	kernel  string
	process *harness.Process
	starts  int
}

// newMachine makes a machine that runs image from slot a, with an installation
// of ota-agent on its data disk.
func newMachine(t *testing.T, installation string, image []byte) *machine {
	kernels, err := filepath.Glob(filepath.Join(kernelDir(), "boot/vmlinuz-*"))
	require.NoError(t, err)
	require.Len(t, kernels, 1, "want one kernel below VM_KERNEL=%s", kernelDir())
	m := &machine{t: t, dir: t.TempDir(), kernel: kernels[0]}

	data := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(data, "agent"), os.DirFS(installation)))
	require.NoError(t, os.WriteFile(filepath.Join(data, "flag"), []byte("slot=a\ntries=\n"), 0o600))
	mkfs(t, m.path("data"), data, dataSize)
	require.NoError(t, os.WriteFile(m.path("a"), image, 0o600))
	require.NoError(t, os.WriteFile(m.path("b"), nil, 0o600))
	require.NoError(t, os.Truncate(m.path("b"), slotSize))
	return m
}

func (m *machine) path(disk string) string { return filepath.Join(m.dir, disk+".img") }

// start switches the power on.
func (m *machine) start() {
	m.t.Helper()
	m.starts++
	args := []string{
		"-machine", "pc", "-accel", "tcg,tb-size=64", "-cpu", "max", "-smp", "1", "-m", "160",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		"-kernel", m.kernel, "-initrd", initramfs, "-append", "console=ttyS0 panic=1 quiet loglevel=4",
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
	}
	for _, disk := range []string{"a", "b", "data"} {
		// Unsafe is about the host's power: what the emulator was told to write is
		// with the host's kernel at once, and stays when the emulator is killed.
		args = append(args, "-drive", "if=none,format=raw,cache=unsafe,id="+disk+",file="+m.path(disk), "-device", "virtio-blk-pci,drive="+disk)
	}
	m.process = harness.Start(m.t, m.dir, "qemu-system-x86_64", args...)
}

// kill switches it off.
func (m *machine) kill() { m.process.Kill() }

func (m *machine) awaitOutput(text string) {
	m.t.Helper()
	m.process.AwaitOutput(text)
}

// awaitInit waits until the machine runs a version, and says from which slot.
func (m *machine) awaitInit(version string) string {
	m.t.Helper()
	started := regexp.MustCompile(`init: version (\S+) from /dev/vd([ab])`)
	var found [][]string
	harness.Await(m.t, "a start of "+version, func() bool {
		found = started.FindAllStringSubmatch(m.process.Output(), -1)
		return len(found) > 0
	})
	require.Equal(m.t, version, found[len(found)-1][1], "the machine does not run what was reported")
	return found[len(found)-1][2]
}

// holds reports whether a slot begins with an image.
func (m *machine) holds(slot string, image []byte) bool {
	m.t.Helper()
	f, err := os.Open(m.path(slot))
	require.NoError(m.t, err)
	defer f.Close()
	found := make([]byte, len(image))
	_, err = io.ReadFull(f, found)
	require.NoError(m.t, err)
	return bytes.Equal(image, found)
}
