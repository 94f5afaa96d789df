//go:build vm

package vm_test

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/choose-grub
var chooseGRUB string

//go:embed testdata/grub-early.cfg
var grubEarly string

const (
	grubDir   = "/usr/lib/grub/i386-pc"
	grubSlots = 36 << 20 // the size of a slot, which also holds a kernel
	sector    = 512
)

// Where the partitions begin, in bytes: that of GRUB itself, the slots, the data.
const (
	grubCore = 1 << 20
	grubA    = grubCore + 1<<20
	grubB    = grubA + grubSlots
	grubData = grubB + grubSlots
	grubEnd  = grubData + dataSize + 1<<20 // with the second partition table
)

// grub is a machine whose BIOS starts GRUB from its only disk, and GRUB a slot's
// kernel by the lines of the guide.
func grub(t *testing.T) bootLoader {
	environment := filepath.Join(t.TempDir(), "grubenv")
	tool(t, "", "grub-editenv", environment, "create")
	block, err := os.ReadFile(environment)
	require.NoError(t, err)
	return bootLoader{
		name:     "grub",
		memory:   "/data/grub/grubenv",
		devices:  [2]string{"/dev/sda2", "/dev/sda3"},
		slotSize: grubSlots,
		files:    map[string]string{"boot/vmlinuz": kernel(t), "boot/initrd.img": makeInitramfs(t, "/dev/sda4", chooseGRUB)},
		data:     map[string]string{"grub/grubenv": string(block), "grub/grub.cfg": guide(t, "grub-loader")},
		disks:    func(data string, image []byte) disks { return grubDisk(t, data, image) },
	}
}

// grubDisk makes the disk, with image in slot a, from the directory of the data.
func grubDisk(t *testing.T, data string, image []byte) disks {
	disk, filesystem := filepath.Join(t.TempDir(), "disk.img"), filepath.Join(t.TempDir(), "data.img")
	require.NoError(t, os.WriteFile(disk, nil, 0o600))
	require.NoError(t, os.Truncate(disk, grubEnd))
	tool(t, partitions(), "/sbin/sfdisk", "--quiet", disk)
	mkfs(t, filesystem, data, dataSize)
	content, err := os.ReadFile(filesystem)
	require.NoError(t, err)

	f, err := os.OpenFile(disk, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	boot, core := makeGRUB(t)
	for at, content := range map[int64][]byte{0: boot, grubCore: core, grubA: image, grubData: content} {
		_, err := f.WriteAt(content, at)
		require.NoError(t, err)
	}
	return disks{
		arguments: append(drive("disk", disk), "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=disk"),
		slots:     [2]place{{disk, grubA}, {disk, grubB}},
	}
}

// partitions is the partition table, for sfdisk.
func partitions() string {
	const biosBoot = "21686148-6449-6E6F-744E-656564454649"
	table := fmt.Sprintf("label: gpt\nstart=%d, size=%d, type=%s\n", grubCore/sector, (grubA-grubCore)/sector, biosBoot)
	for _, part := range [][2]int{{grubA, grubSlots}, {grubB, grubSlots}, {grubData, dataSize}} {
		table += fmt.Sprintf("start=%d, size=%d\n", part[0]/sector, part[1]/sector)
	}
	return table
}

// makeGRUB makes GRUB's first sector, without the partition table behind it, and
// the rest. Each of its first two sectors holds where on the disk the next one
// is, as grub-bios-setup would, which insists on the host's own root disk. The
// offsets are those of GRUB's include/grub/i386/pc/boot.h.
func makeGRUB(t *testing.T) (boot, core []byte) {
	const (
		kernelSector = 0x5c        // in the first sector: where the second one is
		blocklist    = sector - 12 // in the second one: where the third one is
		table        = 0x1b8
	)
	dir := t.TempDir()
	early, image := filepath.Join(dir, "early.cfg"), filepath.Join(dir, "core.img")
	require.NoError(t, os.WriteFile(early, []byte(grubEarly), 0o600))
	tool(t, "", "grub-mkimage", "-O", "i386-pc", "-d", grubDir, "-o", image, "-p", "(hd0,gpt4)/grub", "-c", early,
		"biosdisk", "part_gpt", "ext2", "serial", "terminal", "echo", "normal", "test", "loadenv", "linux", "boot", "reboot")
	core, err := os.ReadFile(image)
	require.NoError(t, err)
	require.Less(t, len(core), grubA-grubCore)
	boot, err = os.ReadFile(filepath.Join(grubDir, "boot.img"))
	require.NoError(t, err)
	binary.LittleEndian.PutUint64(boot[kernelSector:], grubCore/sector)
	binary.LittleEndian.PutUint64(core[blocklist:], grubCore/sector+1)
	return boot[:table], core
}

// What GRUB says first and last, as grub-early.cfg tells it to.
const (
	grubStarts = "grub: starts"
	grubEnds   = "code32_start"
)

// inGRUB reports whether GRUB runs now.
func (m *machine) inGRUB() bool {
	output := m.process.Output()
	return strings.LastIndex(output, grubStarts) > strings.LastIndex(output, grubEnds)
}

// runsOfGRUB is how often GRUB was started since the power came.
func (m *machine) runsOfGRUB() int { return strings.Count(m.process.Output(), grubStarts) }

// runOfGRUB waits for the first run's end, and says how long it took.
func (m *machine) runOfGRUB() time.Duration {
	m.awaitOutput(grubStarts)
	began := time.Now()
	m.awaitOutput(grubEnds)
	return time.Since(began)
}

// tool runs a program of the host's.
func tool(t *testing.T, input, name string, args ...string) {
	command := exec.Command(name, args...)
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
}
