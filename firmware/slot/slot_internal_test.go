package slot

import (
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
	for minor, want := range map[uint32]string{1: "which is neither slot", 2: "is on device 254:2", 3: "cannot understand the number", 9: "neither slot"} {
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
		rec, err := parseRecord(data)
		if err == nil && rec.Target != A && rec.Target != B {
			t.Fatalf("slot %d", rec.Target)
		}
	})
}
