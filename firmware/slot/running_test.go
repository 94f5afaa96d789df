package slot_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/firmware/slot"
)

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	c := slot.CommandLine{Path: filepath.Join(dir, "cmdline"), Links: filepath.Join(dir, "disk")}
	for s, name := range []string{"mmcblk0p2", "mmcblk0p3"} {
		c.Devices[s] = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(c.Devices[s], nil, 0o600))
	}
	for _, kind := range []string{"by-uuid", "by-partuuid", "by-label", "by-partlabel"} {
		require.NoError(t, os.MkdirAll(filepath.Join(c.Links, kind), 0o700))
		require.NoError(t, os.Symlink(c.Devices[slot.B], filepath.Join(c.Links, kind, "root-b")))
	}
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	tests := []struct {
		line string
		want slot.Slot
		err  string
	}{
		{"console=ttyS0 ota.slot=a quiet\n", slot.A, ""},
		{"ota.slot=a ota.slot=b root=" + c.Devices[slot.A], slot.B, ""},
		{"root=" + c.Devices[slot.A] + " ro", slot.A, ""},
		{"root=/absent root=" + c.Devices[slot.B], slot.B, ""},
		{"root=UUID=root-b", slot.B, ""},
		{`root="PARTUUID=root-b"`, slot.B, ""},
		{"root=LABEL=root-b", slot.B, ""},
		{"root=PARTLABEL=root-b", slot.B, ""},
		{"root=PARTLABEL=../../mmcblk0p2", 0, "cannot find the root device"},
		{"root=" + other, 0, "other is neither slot"},
		{"ota.slot=c", 0, `"c" is not a slot`},
		{"quiet", 0, "names neither ota.slot nor root"},
	}
	for _, test := range tests {
		require.NoError(t, os.WriteFile(c.Path, []byte(test.line), 0o600))
		found, err := c.Running()
		if test.err != "" {
			require.ErrorContains(t, err, test.err, test.line)
			continue
		}
		require.NoError(t, err, test.line)
		assert.Equal(t, test.want, found, test.line)
	}
}

func TestFindersTakeTheFirstAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slot")
	all := slot.Finders{slot.RootDevice{Devices: [2]string{"/absent/a", "/absent/b"}}, slot.NamedIn(path)}
	_, err := all.Running()
	require.ErrorContains(t, err, "cannot find the running slot: the root file system is on device")
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, os.WriteFile(path, []byte("b\n"), 0o600))
	found, err := all.Running()
	require.NoError(t, err)
	assert.Equal(t, slot.B, found)
	require.NoError(t, os.WriteFile(path, []byte("both"), 0o600))
	_, err = slot.NamedIn(path).Running()
	require.ErrorContains(t, err, `"both" is not a slot`)
}
