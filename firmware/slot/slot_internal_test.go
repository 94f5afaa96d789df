package slot

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The tree of sysfs: a verity device above a partition, and a loop device.
func TestWhichDevice(t *testing.T) {
	sys, dir := t.TempDir(), t.TempDir()
	write := func(path, content string) {
		path = filepath.Join(sys, "dev/block", path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	files := [2]string{filepath.Join(dir, "a.img"), filepath.Join(dir, "b.img")}
	for _, path := range files {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	write("7:0/loop/backing_file", files[B]+"\n")
	write("254:0/slaves/loop0/dev", "7:0\n")
	write("254:1/slaves/dm-1/dev", "254:1\n") // below itself
	write("254:2/slaves/sda/dev", "8:0\n")
	write("254:2/slaves/sdb/dev", "8:16\n") // a RAID
	write("254:3/slaves/sda/dev", "eight\n")
	write("254:4/slaves/null/dev", "1:3\n")

	for device, want := range map[uint64]Slot{unix.Mkdev(7, 0): B, unix.Mkdev(254, 0): B} {
		found, err := whichDevice(files, sys, device, maxLayers)
		require.NoError(t, err)
		assert.Equal(t, want, found)
	}
	// /dev/null stands for a device node; every system has it.
	found, err := whichDevice([2]string{"/absent", "/dev/null"}, sys, unix.Mkdev(254, 4), maxLayers)
	require.NoError(t, err)
	assert.Equal(t, B, found)
	for minor, want := range map[uint32]string{1: "which is neither slot", 2: "is on device 254:2",
		3: "cannot understand the number", 9: "neither slot"} {
		_, err := whichDevice(files, sys, unix.Mkdev(254, minor), maxLayers)
		require.ErrorContains(t, err, want)
	}
}

func FuzzMemories(f *testing.F) {
	f.Add([]byte("slot=a\ntries=3\n"))
	f.Add([]byte(grubSignature + "ota_slot=b\nota_tries=\nx=\\\n\n####"))
	f.Add([]byte("ota_slot=a\nupgrade_available=1\nbootcount=1\nbootlimit=3\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func() (Choice, error){
			func() (Choice, error) { return parseFlag(data) },
			func() (Choice, error) { return parseUBoot(string(data)) },
		} {
			choice, err := parse()
			if err == nil && (choice.Tries < 0 || choice.Tries > MaxTries || !choice.Trial && choice.Tries != 0) {
				t.Fatalf("%+v", choice)
			}
		}
		block, err := parseGrubBlock(data)
		if err != nil {
			return
		}
		again, err := block.encode()
		require.NoError(t, err)
		assert.Len(t, again, len(data))
		same, err := parseGrubBlock(again)
		require.NoError(t, err)
		assert.Equal(t, block.lines, same.lines)
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"slots":[{"version":"1.0.0"},null],"job":"x","version":"1.1.0","target":1,"staged":true}`))
	f.Add([]byte(`{"target":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := Installer{cfg: Config{StateDir: t.TempDir()}, log: slog.New(slog.DiscardHandler)}
		require.NoError(t, os.WriteFile(in.record().Path, data, 0o600))
		rec, err := in.record().Load()
		require.NoError(t, err)
		if rec.Target != A && rec.Target != B {
			t.Fatalf("slot %d", rec.Target)
		}
	})
}

// The extents of partitions, loop devices and devices of a mapper, in a tree of sysfs.
func TestWhatIsOneDevice(t *testing.T) {
	sys, dir := t.TempDir(), t.TempDir()
	write := func(path, content string) {
		path = filepath.Join(sys, "dev/block", path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	image := filepath.Join(dir, "image")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	for name, values := range map[string][4]string{"7:0": {"0", "0"}, "7:1": {"0", "0"}, "7:2": {"0", "1024"},
		"7:3": {"1024", "1024"}} {
		write(name+"/loop/backing_file", image+"\n")
		write(name+"/loop/offset", values[0]+"\n")
		write(name+"/loop/sizelimit", values[1]+"\n")
	}
	// A disk with two partitions, as links lead to them.
	for name, values := range map[string][2]string{"sda1": {"8:1", "2"}, "sda2": {"8:2", "4"}} {
		write("sda/dev", "8:0\n")
		write("sda/"+name+"/partition", "1\n")
		write("sda/"+name+"/start", values[1]+"\n")
		write("sda/"+name+"/size", "2\n")
		require.NoError(t, os.Symlink("sda/"+name, filepath.Join(sys, "dev/block", values[0])))
	}
	for _, volume := range []string{"254:0", "254:1"} {
		write(volume+"/slaves/sda2/dev", "8:2\n")
	}
	of := func(major, minor uint32) extents { return deviceExtents(sys, unix.Mkdev(major, minor), maxLayers) }
	info, err := os.Stat(image)
	require.NoError(t, err)
	file := extentsOf(sys, info, maxLayers)
	for name, test := range map[string]struct {
		a, b extents
		one  bool
	}{
		"a device and itself":                 {of(8, 1), of(8, 1), true},
		"two partitions":                      {of(8, 1), of(8, 2), false},
		"a partition and its disk":            {of(8, 2), of(8, 0), true},
		"two loop devices of one file":        {of(7, 0), of(7, 1), true},
		"a loop device and its file":          {of(7, 0), file, true},
		"two parts of a file":                 {of(7, 2), of(7, 3), false},
		"a part of a file and all of it":      {of(7, 3), of(7, 0), true},
		"two volumes on one partition":        {of(254, 0), of(254, 1), false},
		"a volume and the partition below it": {of(254, 0), of(8, 2), true},
		"a volume and another partition":      {of(254, 0), of(8, 1), false},
		"a volume and the disk below it":      {of(254, 0), of(8, 0), true},
		"a device and a file":                 {of(8, 1), file, false},
	} {
		assert.Equal(t, test.one, test.a.overlaps(test.b), name)
		assert.Equal(t, test.one, test.b.overlaps(test.a), name)
	}
}

// A loop device that cannot be opened for itself alone is in use.
func TestBusyLoop(t *testing.T) {
	sys, dev := t.TempDir(), t.TempDir()
	image, other := filepath.Join(dev, "image"), filepath.Join(dev, "other")
	for i, file := range []string{other, image} {
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		dir := filepath.Join(sys, "block", []string{"loop0", "loop1"}[i])
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "loop"), 0o700))
		require.NoError(t, os.MkdirAll(filepath.Join(sys, "dev/block"), 0o700))
		number := []string{"7:0", "7:1"}[i]
		require.NoError(t, os.WriteFile(filepath.Join(dir, "dev"), []byte(number+"\n"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "loop/backing_file"), []byte(file+"\n"), 0o600))
		require.NoError(t, os.Symlink(dir, filepath.Join(sys, "dev/block", number)))
	}
	info, err := os.Stat(image)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dev, "loop1"), busyLoop(sys, dev, info))
	require.NoError(t, os.WriteFile(filepath.Join(dev, "loop1"), nil, 0o600))
	assert.Empty(t, busyLoop(sys, dev, info), "it is there and not in use")
}

func TestMountedForWriting(t *testing.T) {
	sys := t.TempDir()
	slot := extents{{device: true, number: unix.Mkdev(8, 2), to: 1 << 20}}
	for line, want := range map[string]bool{
		"22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/root rw":          true,
		"22 1 8:2 / / rw,relatime shared:1 - squashfs /dev/root ro":      false,
		"22 1 8:2 / / ro - ext4 /dev/root rw,errors=remount-ro":          true,
		"22 1 8:1 / / rw - ext4 /dev/root rw":                            false,
		"22 1 0:30 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/b":  false,
		"22 1 eight:2 / / rw - ext4 /absent rw":                          false,
		"22":                                                             false,
		"22 1 8:1 / /a rw - ext4 x rw\n23 1 8:2 / / rw - ext4 /dev/x rw": true,
	} {
		assert.Equal(t, want, mountedWritable(sys, line, slot), line)
	}
}
